// Starts a project's containers in the order of dependencies; a service that waits for another's health or end does.

import { containerStart } from "../../api/operations/container.ts";
import type { ContainerInspect } from "../../api/schemas/container.ts";
import { Fault } from "../../lib/errors.ts";
import type { HookOutput } from "./hooks/said.ts";
import { type Dependency, type Project, type Service, scaleOf } from "../model/project.ts";
import type { ObservedContainer } from "../observe/observe.ts";
import { shortName } from "../request/names.ts";
import { runPostStartHooks } from "./hooks/exec.ts";
import { withPlace } from "./place.ts";
import { runPreStartHooks } from "./hooks/pre-start.ts";
import { inOrder } from "./traverse.ts";
import { ContainerWatch } from "./watch.ts";
import { allDone, type Work } from "./work.ts";

export interface StartOptions {
  readonly containers: readonly ObservedContainer[];
  /** Returns when every service runs, and is healthy where it has a health check. */
  readonly waits: boolean;
  /** For `waits`; 0 is for ever. */
  readonly waitSeconds: number;
  /** Shows what hooks print, behind a name. */
  readonly hookOutput?: (source: string) => HookOutput;
  /** No further container is started, and nothing waited for, after it has aborted; startProject then throws its reason. */
  readonly signal?: AbortSignal;
  /** Called before a container is started. */
  readonly beforeStart?: (container: ObservedContainer) => Promise<void>;
}

/** A condition of `depends_on`, or `running_or_healthy`. */
type Condition = string;

/** Starts what does not run. Throws a Fault for what cannot, or when a dependency fails. */
export async function startProject(work: Work, project: Project, options: StartOptions): Promise<void> {
  const starter = new Starter(work, project, options);
  try {
    await starter.run();
  } finally {
    starter.close();
  }
}

/** Waits until conditions of services are met, as `run` does for its service. */
export async function waitForDependencies(
  work: Work,
  project: Project,
  service: Service,
  containers: readonly ObservedContainer[],
): Promise<void> {
  const starter = new Starter(work, project, { containers, waits: false, waitSeconds: 0 });
  try {
    await starter.waitFor(service);
  } finally {
    starter.close();
  }
}

class Starter {
  readonly #work: Work;
  readonly #project: Project;
  readonly #options: StartOptions;
  #watch: Promise<ContainerWatch> | undefined;

  constructor(work: Work, project: Project, options: StartOptions) {
    this.#work = work;
    this.#project = project;
    this.#options = options;
  }

  async run(): Promise<void> {
    await inOrder(this.#project.services, (service) => this.#start(service));
    if (this.#options.waits) await this.#waitForAll();
  }

  close(): void {
    this.#watch?.then(
      (watch) => watch.close(),
      () => {}, // ignored: whoever waited for it has got the failure
    );
  }

  /** Waits for the services that this one depends on. */
  async waitFor(service: Service): Promise<void> {
    const dependencies = Object.entries(service.depends_on ?? {});
    await allDone(
      dependencies.map(([name, dependency]) => this.#waitForDependency(service.name, name, dependency)),
    );
  }

  #containersOf(service: string): ObservedContainer[] {
    return this.#options.containers.filter(
      (container) => container.service === service && !container.isOneOff,
    );
  }

  async #start(service: Service): Promise<void> {
    const containers = this.#containersOf(service.name);
    if (scaleOf(service) === 0 && containers.length === 0) return;
    await this.waitFor(service);
    if (containers.length === 0) {
      throw new Fault("notFound", `service ${JSON.stringify(service.name)} has no container to start`, {
        code: "compose.no-container",
      });
    }
    const idle = containers.filter(({ state }) => state !== "running" && state !== "restarting");
    const [first] = idle;
    if (first !== undefined && idle.length === containers.length) await this.#prepare(service, first);
    await allDone(idle.map((container) => this.#startContainer(service, container)));
  }

  /** Runs what is to run once before the first of a service's containers starts. */
  async #prepare(service: Service, { id }: ObservedContainer): Promise<void> {
    if (this.#work.isDryRun) return;
    const { hookOutput, signal } = this.#options;
    await runPreStartHooks(this.#work, this.#project, service, {
      id,
      containerOf: (other) => this.#containersOf(other)[0]?.id,
      ...(hookOutput === undefined ? {} : { hookOutput }),
      ...(signal === undefined ? {} : { signal }),
    });
  }

  async #startContainer(service: Service, container: ObservedContainer): Promise<void> {
    const { progress, client, limit } = this.#work;
    const id = `Container ${container.name}`;
    progress.on({ id, text: "Starting", status: "working" });
    try {
      await this.#options.beforeStart?.(container);
      await limit.run(async () => {
        this.#options.signal?.throwIfAborted();
        await client.call(containerStart, { id: container.id }).catch((error: unknown) => {
          throw withPlace(error, this.#project, service);
        });
      });
      const source = `${shortName(this.#project.name, container.name)} ->`;
      await runPostStartHooks(this.#work, container.id, service, this.#options.hookOutput?.(source));
    } catch (error) {
      const isHalted = this.#options.signal?.aborted === true;
      if (isHalted) progress.on({ id, text: "Created", status: "done" });
      else progress.on({ id, text: "Error", status: "error", details: (error as Error).message });
      throw error;
    }
    progress.on({ id, text: "Started", status: "done" });
  }

  async #waitForDependency(dependent: string, name: string, dependency: Dependency): Promise<void> {
    const { condition = "service_started", required = true } = dependency;
    const service = this.#project.services[name];
    if (condition === "service_started" || service === undefined || scaleOf(service) === 0) return;
    const containers = this.#containersOf(name);
    if (containers.length === 0) {
      const message = `${dependent} is missing dependency ${name}`;
      if (required) throw new Fault("notFound", message, { code: "compose.dependency" });
      this.#work.warn(message);
      return;
    }
    const { signal } = this.#options;
    await this.#waitForCondition(name, containers, {
      condition,
      required,
      ...(signal === undefined ? {} : { signal }),
    });
  }

  async #waitForCondition(
    name: string,
    containers: readonly ObservedContainer[],
    { condition, required, signal }: { condition: Condition; required: boolean; signal?: AbortSignal },
  ): Promise<void> {
    if (this.#work.isDryRun) return;
    this.#watch ??= ContainerWatch.open(this.#work.client, this.#project.name);
    const watch = await this.#watch;
    await allDone(
      containers.map(async (container) => {
        const id = `Container ${container.name}`;
        const { progress } = this.#work;
        progress.on({ id, text: "Waiting", status: "working" });
        const verdict = await verdictOn(
          watch,
          container.id,
          (state) => judge(condition, name, state),
          signal,
        );
        if (verdict.isMet) {
          progress.on({ id, text: verdict.text, status: "done" });
          return;
        }
        if (!required) {
          progress.on({
            id,
            text: `Skipped: optional dependency ${JSON.stringify(name)} ${verdict.text}`,
            status: "warning",
          });
          this.#work.warn(`optional dependency ${JSON.stringify(name)} failed: ${verdict.text}`);
          return;
        }
        progress.on({ id, text: "Error", status: "error", details: verdict.text });
        throw new Fault("system", verdict.text, { code: "compose.dependency" });
      }),
    );
  }

  async #waitForAll(): Promise<void> {
    const { waitSeconds } = this.#options;
    const signal = waitSeconds > 0 ? AbortSignal.timeout(waitSeconds * 1000) : undefined;
    try {
      await allDone(
        Object.values(this.#project.services).map((service) =>
          this.#waitForCondition(service.name, this.#containersOf(service.name), {
            condition: this.#isAwaitedToEnd(service.name)
              ? "service_completed_successfully"
              : "running_or_healthy",
            required: true,
            ...(signal === undefined ? {} : { signal }),
          }),
        ),
      );
    } catch (error) {
      if (signal?.aborted !== true) throw error;
      throw new Fault("deadline", `application not healthy after ${waitSeconds}s`, { code: "compose.wait" });
    }
  }

  #isAwaitedToEnd(name: string): boolean {
    return Object.values(this.#project.services).some(
      ({ depends_on: dependencies = {} }) =>
        dependencies[name]?.condition === "service_completed_successfully",
    );
  }
}

interface Verdict {
  readonly isMet: boolean;
  readonly text: string;
  /** The end of the container would be the better reason. */
  readonly mayEnd?: boolean;
}

/**
 * compat: Docker Compose looks after half a second for the first time, so what ends at once has ended, whether its health is
 * checked or not. A second is enough on a busy machine, too.
 */
const END_MS = 1000;

async function verdictOn(
  watch: ContainerWatch,
  id: string,
  verdictOf: (state: ContainerInspect) => Verdict | undefined,
  signal: AbortSignal | undefined,
): Promise<Verdict> {
  const verdict = await watch.until(id, verdictOf, signal);
  if (verdict.mayEnd !== true) return verdict;
  const over = AbortSignal.timeout(END_MS);
  const isFinal = (state: ContainerInspect): Verdict | undefined => {
    const later = verdictOf(state);
    return later?.mayEnd === true ? undefined : later;
  };
  try {
    return await watch.until(id, isFinal, signal === undefined ? over : AbortSignal.any([signal, over]));
  } catch (error) {
    if (over.aborted && signal?.aborted !== true) return verdict;
    throw error;
  }
}

/** Tells whether a container meets a condition, or cannot any more; undefined while that is open. */
export function judge(
  condition: Condition,
  service: string,
  { Name, State, Config }: ContainerInspect,
): Verdict | undefined {
  const name = Name.replace(/^\//, "");
  const isOver = State.Status === "exited" || State.Status === "dead";
  if (condition === "service_completed_successfully") {
    if (!isOver) return undefined;
    if (State.ExitCode === 0) return { isMet: true, text: "Exited" };
    return {
      isMet: false,
      text: `service ${JSON.stringify(service)} didn't complete successfully: exit ${State.ExitCode}`,
    };
  }
  const prefix = condition === "service_healthy" ? "dependency failed to start: " : "";
  if (isOver) return { isMet: false, text: `${prefix}container ${name} exited (${State.ExitCode})` };
  const test = Config.Healthcheck?.Test ?? [];
  const hasCheck = test.length > 0 && test[0] !== "NONE";
  if (!hasCheck && condition === "running_or_healthy")
    return State.Status === "running" ? { isMet: true, text: "Healthy" } : undefined;
  if (State.Health === undefined || State.Health === null) {
    if (State.Status !== "running" && hasCheck) return undefined;
    return { isMet: false, text: `${prefix}container ${name} has no healthcheck configured`, mayEnd: true };
  }
  if (State.Health.Status === "healthy") return { isMet: true, text: "Healthy" };
  if (State.Health.Status === "unhealthy")
    return { isMet: false, text: `${prefix}container ${name} is unhealthy` };
  return undefined;
}
