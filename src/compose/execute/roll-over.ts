// The heart of `up --rolling`: the new container of a service is started beside the old one, waited for, and given the ports;
// then the old one has a moment to finish what it has begun.

import { containerDelete, containerStart, containerTakePorts } from "../../api/operations/container.ts";
import { Fault } from "../../lib/errors.ts";
import type { Project, Service } from "../model/project.ts";
import { type ObservedContainer, orNothing } from "../observe/observe.ts";
import type { ContainerOf } from "../request/references.ts";
import { runPostStartHooks } from "./hooks/exec.ts";
import { runPreStartHooks } from "./hooks/pre-start.ts";
import { judge } from "./start.ts";
import { ContainerWatch } from "./watch.ts";
import type { Work } from "./work.ts";

export interface RollOver {
  readonly id: string;
  readonly name: string;
  readonly service: Service;
  readonly old: ObservedContainer;
  /** The first of the service's containers that are replaced. */
  readonly isFirst: boolean;
  readonly containerOf: ContainerOf;
}

/** How long requests that the old container has accepted may take before it is told to stop. */
const DRAIN_MS = 1000;

/** Puts a new container in the place of an old one, which goes on when the new one does not come up. */
export async function rollOver(
  work: Work,
  project: Project,
  { id, name, service, old, isFirst, containerOf }: RollOver,
): Promise<void> {
  const { client, progress } = work;
  const event = `Container ${old.name}`;
  if (work.isDryRun) return;
  const watch = await ContainerWatch.open(client, project.name);
  try {
    if (isFirst) await runPreStartHooks(work, project, service, { id, containerOf });
    await client.call(containerStart, { id });
    await runPostStartHooks(work, id, service);
    progress.on({ id: event, text: "Waiting", status: "working", details: "for the new container" });
    const verdict = await watch.until(id, (state) => judge("running_or_healthy", service.name, state));
    if (!verdict.isMet) throw new Fault("system", verdict.text, { code: "compose.rolling" });
    if ((service.ports ?? []).length > 0) await client.call(containerTakePorts, { id, from: old.id });
  } catch (error) {
    await orNothing(client.call(containerDelete, { id, force: true }));
    progress.on({
      id: event,
      text: "Error",
      status: "error",
      details: `${name}: ${(error as Error).message}`,
    });
    throw error;
  } finally {
    watch.close();
  }
  progress.on({ id: event, text: "Draining", status: "working" });
  await new Promise((resolve) => setTimeout(resolve, DRAIN_MS));
}
