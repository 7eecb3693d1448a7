// Compares what a project should be with what is there and plans the difference: only what changed is recreated, in the
// order of dependencies, independent things beside each other. Pure: nothing is asked of the daemon.

import { networkHash, serviceHash, volumeHash } from "../model/hash.ts";
import { inDependencyOrder } from "../model/graph.ts";
import { imageOf, type Project, type Service, scaleOf, sortedEntries } from "../model/project.ts";
import { label } from "../observe/labels.ts";
import type { Observed, ObservedContainer } from "../observe/observe.ts";
import { containerName } from "../request/names.ts";
import { sharedServices, withReferences } from "../request/references.ts";
import { Plan } from "./plan.ts";

/** When a container is replaced: when it differs, always, or never. */
export type Recreation = "changed" | "always" | "never";

export interface ReconcileOptions {
  /** Services that were named; all when none was. */
  readonly targets: readonly string[];
  readonly recreation: Recreation;
  /** For services that only come along. */
  readonly dependencyRecreation: Recreation;
  /** Anonymous volumes go over to the new container. */
  readonly inherits: boolean;
  readonly removesOrphans: boolean;
  /** Ids of images by name. */
  readonly images: ReadonlyMap<string, string>;
  /** A running container is replaced without an interruption where that can be. */
  readonly isRolling?: boolean;
  /** The daemon can move published ports from one container to another. */
  readonly movesPorts?: boolean;
  /** Keys of volumes that differ and that the user wants anew. */
  readonly renewedVolumes?: ReadonlySet<string>;
}

export interface Reconciled {
  readonly plan: Plan;
  /** Containers that are as they should be. */
  readonly kept: readonly ObservedContainer[];
  /** Containers of services that the project does not have. */
  readonly orphans: readonly ObservedContainer[];
  /** Services that were to be replaced without an interruption and cannot be, and why. */
  readonly interrupted: readonly string[];
}

/** Returns the plan. */
export function reconcile(project: Project, observed: Observed, options: ReconcileOptions): Reconciled {
  return new Reconciler(project, observed, options).run();
}

/** Returns the containers of services that a project does not know, and what runs of `run` have left behind. */
export function orphansOf(project: Project, containers: readonly ObservedContainer[]): ObservedContainer[] {
  return containers.filter(({ service, isOneOff, state }) =>
    isOneOff
      ? state === "exited" || state === "dead"
      : !Object.hasOwn(project.services, service) && !Object.hasOwn(project.disabled, service),
  );
}

/** Returns why two containers of a service cannot run beside each other for a while, undefined when they can. */
function whyNotRoll(service: Service, old: ObservedContainer, movesPorts: boolean): string | undefined {
  const networks = Object.values(service.networks ?? {});
  if (networks.some((network) => network?.ipv4_address !== undefined || network?.ipv6_address !== undefined))
    return "has a fixed address";
  const ports = service.ports ?? [];
  if (ports.length === 0) return undefined;
  if (!movesPorts) return "has published ports, which this daemon cannot move to another container";
  const wanted = ports.map(
    ({ published = "", target = 0, protocol = "tcp" }) => `${published}:${target}/${protocol}`,
  );
  const there = new Set(
    (old.summary.Ports ?? [])
      .filter(({ PublicPort }) => PublicPort !== undefined)
      .map(({ PublicPort, PrivatePort, Type }) => `${PublicPort}:${PrivatePort}/${Type}`),
  );
  const isSame = wanted.length === there.size && wanted.every((port) => there.has(port));
  return isSame ? undefined : "has other published ports than before";
}

/** Returns the keys of volumes whose configuration is another one now. */
export function changedVolumes(project: Project, observed: Observed): string[] {
  return sortedEntries(project.volumes)
    .filter(([key, volume]) => {
      const there = observed.volumes.get(key);
      if (volume.external === true || there === undefined || there.hash === "") return false;
      return there.name === volume.name && there.hash !== volumeHash(volume);
    })
    .map(([key]) => key);
}

class Reconciler {
  readonly #project: Project;
  readonly #observed: Observed;
  readonly #options: ReconcileOptions;
  readonly #plan = new Plan();
  readonly #kept: ObservedContainer[] = [];
  readonly #interrupted = new Set<string>();
  /** Step that makes a network or volume, by its key. */
  readonly #networkSteps = new Map<string, number>();
  readonly #volumeSteps = new Map<string, number>();
  /** Last steps of a service. */
  readonly #serviceSteps = new Map<string, number[]>();
  /** Step that stops a container, by its id. */
  readonly #stopped = new Map<string, number>();
  /** Services with a container that is replaced. */
  readonly #recreated = new Set<string>();
  /** Containers that go before their services' turn. */
  readonly #gone = new Set<string>();

  constructor(project: Project, observed: Observed, options: ReconcileOptions) {
    this.#project = project;
    this.#observed = observed;
    this.#options = options;
  }

  run(): Reconciled {
    const orphans = orphansOf(this.#project, this.#observed.containers);
    this.#networks();
    this.#volumes();
    for (const service of inDependencyOrder(this.#project.services)) this.#service(service);
    if (this.#options.removesOrphans) {
      for (const container of orphans) this.#remove(container, undefined, "orphan");
    }
    return { plan: this.#plan, kept: this.#kept, orphans, interrupted: [...this.#interrupted] };
  }

  #networks(): void {
    for (const [key, network] of sortedEntries(this.#project.networks)) {
      if (network.external === true) continue;
      const there = this.#observed.networks.get(key);
      if (there === undefined) {
        this.#networkSteps.set(key, this.#plan.add({ kind: "create network", key, network }, "not there"));
        continue;
      }
      if (there.hash === "" || there.hash === networkHash(network)) continue;
      const users = this.#containersOf((service) => Object.hasOwn(service.networks ?? {}, key));
      const free = users.map((container) => {
        const stop = this.#stop(container, "its network changed");
        return this.#plan.add({ kind: "disconnect", container, network: there.name }, "network changed", [
          stop,
        ]);
      });
      const removed = this.#plan.add(
        { kind: "remove network", id: there.id, name: there.name },
        "changed",
        free,
      );
      this.#networkSteps.set(
        key,
        this.#plan.add({ kind: "create network", key, network }, "changed", [removed]),
      );
    }
  }

  #volumes(): void {
    for (const [key, volume] of sortedEntries(this.#project.volumes)) {
      if (volume.external === true) continue;
      const there = this.#observed.volumes.get(key);
      if (there === undefined || (there.name !== volume.name && there.project === this.#project.name)) {
        this.#volumeSteps.set(key, this.#plan.add({ kind: "create volume", key, volume }, "not there"));
        continue;
      }
      if (this.#options.renewedVolumes?.has(key) !== true) continue;
      const uses = ({ volumes = [] }: Service): boolean => volumes.some(({ source }) => source === key);
      const users = this.#containersOf(uses).map((container) => {
        this.#gone.add(container.id);
        return this.#remove(container, undefined, "its volume changed");
      });
      const removed = this.#plan.add({ kind: "remove volume", name: there.name }, "changed", users);
      this.#volumeSteps.set(
        key,
        this.#plan.add({ kind: "create volume", key, volume }, "changed", [removed]),
      );
    }
  }

  #containersOf(isUser: (service: Service) => boolean): ObservedContainer[] {
    return this.#observed.containers.filter(({ service, isOneOff }) => {
      const spec = this.#project.services[service];
      return !isOneOff && spec !== undefined && isUser(spec);
    });
  }

  #stop(container: ObservedContainer, cause: string, after: readonly number[] = []): number {
    const known = this.#stopped.get(container.id);
    if (known !== undefined) return known;
    const service = this.#project.services[container.service];
    const step = {
      kind: "stop container",
      container,
      ...(service === undefined ? {} : { service }),
    } as const;
    const id = this.#plan.add(step, cause, after);
    this.#stopped.set(container.id, id);
    return id;
  }

  #remove(container: ObservedContainer, created: number | undefined, cause: string): number {
    const before = created === undefined ? [] : [created];
    const stop = this.#stop(container, cause, before);
    return this.#plan.add({ kind: "remove container", container }, cause, [stop, ...before]);
  }

  #service(service: Service): void {
    const own = this.#observed.containers.filter(
      (container) =>
        container.service === service.name && !container.isOneOff && !this.#gone.has(container.id),
    );
    const reasons = new Map(own.map((container) => [container.id, this.#whyRecreate(service, container)]));
    const isCurrent = ({ id }: ObservedContainer): boolean => reasons.get(id) === undefined;
    const ordered = [...own.filter(isCurrent), ...own.filter((container) => !isCurrent(container))];
    const scale = scaleOf(service);
    const last: number[] = [];
    const after = this.#before(service);
    for (const container of ordered.slice(scale))
      last.push(this.#remove(container, undefined, "scaled down"));
    for (const container of ordered.slice(0, scale)) {
      const cause = reasons.get(container.id);
      if (cause === undefined) this.#kept.push(container);
      else if (this.#canRoll(service, container))
        // One after the other: the others go on meanwhile.
        last.push(this.#roll(service, container, { cause, after: [...after, ...last] }));
      else last.push(this.#replace(service, container, { cause, after }));
    }
    const used = Math.max(0, ...own.map(({ number }) => number));
    for (let missing = scale - ordered.length, number = used + 1; missing > 0; missing--, number++) {
      const name = containerName(this.#project, service, number);
      const step = {
        kind: "create container",
        service,
        number,
        name,
        replaces: undefined,
        inherits: false,
      } as const;
      last.push(this.#plan.add(step, "no container yet", after));
    }
    this.#serviceSteps.set(service.name, last);
  }

  /** Steps that have to be done before a container of the service can be made. */
  #before(service: Service): number[] {
    const steps: (number | undefined)[] = [
      ...Object.keys(service.networks ?? {}).map((key) => this.#networkSteps.get(key)),
      ...(service.volumes ?? []).map(({ source = "" }) => this.#volumeSteps.get(source)),
      ...Object.keys(service.depends_on ?? {}).flatMap((name) => this.#serviceSteps.get(name) ?? []),
    ];
    return steps.filter((step) => step !== undefined);
  }

  /** The new container is there before the old one goes, under another name until then. */
  #replace(
    service: Service,
    old: ObservedContainer,
    { cause, after }: { readonly cause: string; readonly after: readonly number[] },
  ): number {
    this.#recreated.add(service.name);
    const dependents = Object.values(this.#project.services)
      .filter(({ depends_on: dependencies = {} }) => dependencies[service.name]?.restart === true)
      .flatMap(({ name }) =>
        this.#observed.containers.filter((container) => container.service === name && !container.isOneOff),
      )
      .map((container) => this.#stop(container, `${service.name} is replaced`));
    const final = containerName(this.#project, service, old.number);
    const created = this.#plan.add(
      {
        kind: "create container",
        service,
        number: old.number,
        name: `${old.id.slice(0, 12)}_${final}`,
        replaces: old,
        inherits: this.#options.inherits,
      },
      cause,
      [...after, ...dependents],
    );
    const removed = this.#remove(old, created, `replaced by #${created}`);
    return this.#plan.add({ kind: "rename container", created, name: final }, "replacement done", [removed]);
  }

  #canRoll(service: Service, old: ObservedContainer): boolean {
    if (this.#options.isRolling !== true || old.state !== "running") return false;
    const reason = whyNotRoll(service, old, this.#options.movesPorts === true);
    if (reason !== undefined) this.#interrupted.add(`service ${JSON.stringify(service.name)} ${reason}`);
    return reason === undefined;
  }

  /** The new container runs and is healthy before the old one loses its ports and is stopped. */
  #roll(
    service: Service,
    old: ObservedContainer,
    { cause, after }: { readonly cause: string; readonly after: readonly number[] },
  ): number {
    this.#recreated.add(service.name);
    const final = containerName(this.#project, service, old.number);
    const name = `${old.id.slice(0, 12)}_${final}`;
    const { inherits } = this.#options;
    const { number } = old;
    const created = this.#plan.add(
      { kind: "create container", service, number, name, replaces: old, inherits, isRolling: true },
      cause,
      after,
    );
    const rolled = this.#plan.add({ kind: "roll over", created, service, name, old }, "rolling", [created]);
    const removed = this.#remove(old, rolled, `replaced by #${created}`);
    return this.#plan.add({ kind: "rename container", created, name: final }, "replacement done", [removed]);
  }

  /** Returns why a container has to be replaced, undefined when it need not be. */
  #whyRecreate(service: Service, container: ObservedContainer): string | undefined {
    const { targets, recreation, dependencyRecreation, images } = this.#options;
    const isTarget = targets.length === 0 || targets.includes(service.name);
    const mode = isTarget ? recreation : dependencyRecreation;
    if (mode === "never") return undefined;
    if (mode === "always") return "forced";
    const shared = sharedServices(service).find((name) => this.#recreated.has(name));
    if (shared !== undefined) return `shares with ${shared}, which is replaced`;
    const { Labels: labels } = container.summary;
    if (labels[label.configHash] !== this.#hashOf(service)) return "configuration changed";
    const image = images.get(imageOf(this.#project, service));
    if (image !== undefined && labels[label.image] !== image) return "image changed";
    if (container.state === "running" && this.#lacksNetwork(service, container)) return "not on its networks";
    return this.#lacksVolume(service, container) ? "without its volumes" : undefined;
  }

  /** The hash is taken of the service with containers in the place of the services it shares with. */
  #hashOf(service: Service): string {
    if (sharedServices(service).length === 0) return serviceHash(service);
    const containerOf = (name: string): string | undefined =>
      this.#observed.containers.find((other) => other.service === name && !other.isOneOff)?.id;
    try {
      return serviceHash(withReferences(service, containerOf));
    } catch {
      // ignored: without the other's container this one has to be made anew anyway
      return "";
    }
  }

  #lacksNetwork(service: Service, { summary }: ObservedContainer): boolean {
    const ids = new Set(
      Object.values(summary.NetworkSettings?.Networks ?? {}).map(({ NetworkID }) => NetworkID),
    );
    return Object.keys(service.networks ?? {}).some((key) => {
      const network = this.#observed.networks.get(key);
      return this.#networkSteps.has(key) || (network !== undefined && !ids.has(network.id));
    });
  }

  #lacksVolume(service: Service, { summary }: ObservedContainer): boolean {
    const names = new Set(summary.Mounts.map(({ Name }) => Name));
    return (service.volumes ?? []).some(({ type, source }) => {
      if (type !== "volume" || source === undefined) return false;
      if (this.#volumeSteps.has(source)) return true;
      const volume = this.#observed.volumes.get(source);
      return volume !== undefined && !names.has(volume.name);
    });
  }
}
