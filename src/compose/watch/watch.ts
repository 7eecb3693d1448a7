// `watch`: looks at the files that services name and brings changes into their containers, restarts or rebuilds them.

import { existsSync, type FSWatcher, readFileSync, statSync, watch as watchFiles } from "node:fs";
import { dirname, join } from "node:path";
import { Fault } from "../../lib/errors.ts";
import { parseIgnoreFile } from "../../lib/patternmatch/ignore-patterns.ts";
import type { Project } from "../model/project.ts";
import { withRestarting } from "../model/select.ts";
import { observeContainers, type ObservedContainer } from "../observe/observe.ts";
import { restartProject } from "../execute/act.ts";
import { runHook } from "../execute/hooks/exec.ts";
import type { Work } from "../execute/work.ts";
import { changedPath, isMeant, type WatchRule, watchRules } from "./rules.ts";
import { syncPaths } from "./sync.ts";

export interface WatchOptions {
  /** Services that were named; all that have rules when none was. */
  readonly services: readonly string[];
  readonly say: (message: string) => void;
  /** Builds the services' images and replaces their containers. */
  readonly rebuild: (services: readonly string[]) => Promise<void>;
  readonly signal: AbortSignal;
}

/** Changes that come within this time are one. */
const QUIET_MS = 200;

/** Watches until the signal. Throws a Fault when there is nothing to watch. */
export async function watchProject(work: Work, project: Project, options: WatchOptions): Promise<void> {
  const rules = rulesOf(project, options.services);
  if (rules.length === 0) {
    throw new Fault(
      "invalidParameter",
      "none of the selected services is configured for watch, consider setting a 'develop' section",
      {
        code: "compose.watch",
      },
    );
  }
  await new Watch(work, project, rules, options).run();
}

function rulesOf(project: Project, names: readonly string[]): WatchRule[] {
  const services = Object.values(project.services).filter(
    ({ name }) => names.length === 0 || names.includes(name),
  );
  for (const { name, build, develop } of services) {
    if (build === undefined && develop?.watch?.some(({ action }) => action === "rebuild") === true)
      throw new Fault(
        "invalidParameter",
        `can't watch service ${JSON.stringify(name)} with action rebuild without a build context`,
        {
          code: "compose.watch",
        },
      );
  }
  return services.flatMap((service) => watchRules(service, contextIgnore(service.build?.context)));
}

function contextIgnore(context: string | undefined): string[] {
  const file = context === undefined ? "" : join(context, ".dockerignore");
  return file !== "" && existsSync(file) ? parseIgnoreFile(readFileSync(file, "utf8")) : [];
}

class Watch {
  readonly #work: Work;
  readonly #project: Project;
  readonly #rules: readonly WatchRule[];
  readonly #options: WatchOptions;
  /** Changed paths by rule. */
  #changes = new Map<WatchRule, Set<string>>();
  #wake: () => void = () => {};

  constructor(work: Work, project: Project, rules: readonly WatchRule[], options: WatchOptions) {
    this.#work = work;
    this.#project = project;
    this.#rules = rules;
    this.#options = options;
  }

  async run(): Promise<void> {
    const { signal, say } = this.#options;
    const watchers = this.#rules.map((rule) => this.#watch(rule));
    try {
      await this.#syncInitially();
      say("Watch enabled");
      while (!signal.aborted) {
        await this.#nextChange();
        await this.#quiet();
        const changes = this.#changes;
        this.#changes = new Map();
        if (changes.size > 0) await this.#apply(changes);
      }
    } finally {
      for (const watcher of watchers) watcher.close();
    }
  }

  #watch(rule: WatchRule): FSWatcher {
    const isDirectory = statSync(rule.path, { throwIfNoEntry: false })?.isDirectory() === true;
    // A file is watched by its directory: editors put another one in its place.
    const root = isDirectory ? rule.path : dirname(rule.path);
    return watchFiles(root, { recursive: isDirectory }, (_, name) => {
      if (name === null) return;
      const path = isDirectory ? changedPath(rule, true, name) : join(root, name);
      if (!isMeant(rule, path)) return;
      let changed = this.#changes.get(rule);
      if (changed === undefined) {
        changed = new Set();
        this.#changes.set(rule, changed);
      }
      changed.add(path);
      this.#wake();
    });
  }

  #nextChange(): Promise<void> {
    const { signal } = this.#options;
    if (this.#changes.size > 0 || signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      this.#wake = resolve;
      signal.addEventListener("abort", () => resolve(), { once: true });
    });
  }

  /** Waits until nothing has changed for a while: a checkout changes many files. */
  #quiet(): Promise<void> {
    return new Promise((resolve) => {
      let timer = setTimeout(resolve, QUIET_MS);
      this.#wake = () => {
        clearTimeout(timer);
        timer = setTimeout(resolve, QUIET_MS);
      };
      this.#options.signal.addEventListener("abort", () => resolve(), { once: true });
    });
  }

  async #syncInitially(): Promise<void> {
    for (const rule of this.#rules) {
      const { action = "", initial_sync: isInitial = false } = rule.trigger;
      if (isInitial && action.startsWith("sync") && existsSync(rule.path))
        await syncPaths(this.#work, await this.#containersOf(rule.service), rule, [rule.path]);
    }
  }

  async #containersOf(service: string): Promise<ObservedContainer[]> {
    const containers = await observeContainers(this.#work.client, this.#project.name);
    return containers.filter(
      (container) => container.service === service && !container.isOneOff && container.state === "running",
    );
  }

  /** What is rebuilt need not be synchronised. A failure is told; watching goes on. */
  async #apply(changes: ReadonlyMap<WatchRule, ReadonlySet<string>>): Promise<void> {
    const { say, rebuild } = this.#options;
    const rebuilt = new Set(
      [...changes.keys()].filter(({ trigger }) => trigger.action === "rebuild").map(({ service }) => service),
    );
    try {
      if (rebuilt.size > 0) {
        const names = [...rebuilt].map((name) => JSON.stringify(name)).join(" ");
        say(`Rebuilding service(s) [${names}] after changes were detected...`);
        await rebuild([...rebuilt]);
        say(`service(s) [${names}] successfully built`);
      }
      for (const [rule, paths] of changes)
        if (!rebuilt.has(rule.service)) await this.#applyRule(rule, [...paths]);
    } catch (error) {
      say(`Failed to handle changes: ${(error as Error).message}`);
    }
  }

  async #applyRule(rule: WatchRule, paths: readonly string[]): Promise<void> {
    const { service, trigger } = rule;
    const { action = "", exec } = trigger;
    const containers = await this.#containersOf(service);
    if (action.startsWith("sync")) {
      this.#options.say(
        `Syncing service ${JSON.stringify(service)} after ${paths.length} changes were detected`,
      );
      await syncPaths(this.#work, containers, rule, paths);
    }
    if (action === "sync+exec" && exec?.command !== undefined) {
      const spec = this.#project.services[service];
      for (const { id } of containers)
        if (spec !== undefined) await runHook(this.#work, id, spec, exec, this.#work.write);
    }
    if (action === "restart" || action === "sync+restart") {
      const all = await observeContainers(this.#work.client, this.#project.name);
      await restartProject(this.#work, withRestarting(this.#project, [service]), all, undefined);
      this.#options.say(`service(s) [${JSON.stringify(service)}] restarted`);
    }
  }
}
