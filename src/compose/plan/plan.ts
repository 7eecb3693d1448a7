// What is to be done to a project, as steps that wait for each other. A plan is made by reconcile.ts without any call to the
// daemon and carried out by execute/executor.ts; its text is what tests compare.

import type { NetworkSpec, Service, VolumeSpec } from "../model/project.ts";
import type { ObservedContainer } from "../observe/observe.ts";

export type Step =
  | { readonly kind: "create network"; readonly key: string; readonly network: NetworkSpec }
  | { readonly kind: "remove network"; readonly id: string; readonly name: string }
  | { readonly kind: "disconnect"; readonly container: ObservedContainer; readonly network: string }
  | { readonly kind: "create volume"; readonly key: string; readonly volume: VolumeSpec }
  | { readonly kind: "remove volume"; readonly name: string }
  | {
      readonly kind: "create container";
      readonly service: Service;
      readonly number: number;
      /** What it is created as; another one until the container that it replaces is gone. */
      readonly name: string;
      readonly replaces: ObservedContainer | undefined;
      /** Anonymous volumes of the replaced one are carried over. */
      readonly inherits: boolean;
      /** It is made without its published ports, which it takes over from the replaced one. */
      readonly isRolling?: boolean;
    }
  | {
      readonly kind: "roll over";
      /** Step that creates the new container, which is started, waited for and given the ports. */
      readonly created: number;
      readonly service: Service;
      readonly name: string;
      readonly old: ObservedContainer;
    }
  | { readonly kind: "stop container"; readonly container: ObservedContainer; readonly service?: Service }
  | { readonly kind: "remove container"; readonly container: ObservedContainer }
  | { readonly kind: "rename container"; readonly created: number; readonly name: string };

export interface PlannedStep {
  /** From 1. */
  readonly id: number;
  readonly step: Step;
  /** Ids of the steps that come first. */
  readonly after: readonly number[];
  readonly cause: string;
}

export class Plan {
  readonly steps: PlannedStep[] = [];

  /** Adds a step and returns its id. */
  add(step: Step, cause: string, after: readonly number[] = []): number {
    const id = this.steps.length + 1;
    this.steps.push({ id, step, after: [...new Set(after)].sort((a, b) => a - b), cause });
    return id;
  }

  get isEmpty(): boolean {
    return this.steps.length === 0;
  }

  /** One line a step: `[1,2] -> #3 create container app-web-1 (no container yet)`. */
  toString(): string {
    return this.steps
      .map(({ id, step, after, cause }) => `[${after.join(",")}] -> #${id} ${describe(step)} (${cause})\n`)
      .join("");
  }
}

function describe(step: Step): string {
  switch (step.kind) {
    case "create network":
      return `${step.kind} ${step.network.name}`;
    case "create volume":
      return `${step.kind} ${step.volume.name}`;
    case "disconnect":
      return `${step.kind} ${step.container.name} from ${step.network}`;
    case "stop container":
    case "remove container":
      return `${step.kind} ${step.container.name}`;
    case "rename container":
      return `${step.kind} #${step.created} to ${step.name}`;
    default:
      return `${step.kind} ${step.name}`;
  }
}
