// `up` in the foreground: starts the project, shows its output, and stays until its containers have ended or the user wants
// to stop. The first interruption stops the containers, the second kills them.

import { systemEvents } from "../../api/operations/system.ts";
import { containerInspect } from "../../api/operations/container.ts";
import type { EventMessage } from "../../api/schemas/system.ts";
import { attachOutput, readLog } from "../logs/output.ts";
import type { LogPrinter } from "../logs/printer.ts";
import type { Project } from "../model/project.ts";
import { withSelected } from "../model/select.ts";
import { label } from "../observe/labels.ts";
import { type ObservedContainer, observeContainers, ofProject, orNothing } from "../observe/observe.ts";
import { shortName } from "../request/names.ts";
import { containersOf, killContainers, stopProject } from "./act.ts";
import { startProject } from "./start.ts";
import type { Work } from "./work.ts";

export interface AttendOptions {
  readonly containers: readonly ObservedContainer[];
  /** Services whose output is shown. */
  readonly shown: readonly string[];
  /** Services that are stopped when the command ends; all of them when none is named. Others go on, such as dependencies. */
  readonly targets: readonly string[];
  readonly printer: LogPrinter;
  readonly timeoutSeconds: number | undefined;
  /** What the end of a container means for the others. */
  readonly onExit: "ignore" | "stop" | "stop on failure";
  /** The service whose exit code is the command's. */
  readonly exitCodeFrom: string;
  /** Subscribes to interruptions; returns what unsubscribes. */
  readonly onInterrupt: (handler: () => void) => () => void;
  /** Subscribes to the wish to leave the containers running. */
  readonly onDetach?: (handler: () => void) => void;
  readonly write: (text: string) => void;
  /** Work that goes on beside, such as watching files; it ends with the signal. */
  readonly beside?: (signal: AbortSignal) => Promise<void>;
}

/** Stays with the project; returns the exit code. */
export async function attendProject(work: Work, project: Project, options: AttendOptions): Promise<number> {
  return new Attendance(work, project, options).run();
}

/** A restart, such as that of a watched service, ends a container and starts it again. */
const RESTART_MS = 1000;

class Attendance {
  readonly #work: Work;
  readonly #project: Project;
  readonly #options: AttendOptions;
  readonly #abort = new AbortController();
  /** Ends the start: nothing starts behind the back of what stops. */
  readonly #halt = new AbortController();
  #starting: Promise<void> | undefined;
  /** Containers that have not ended, by id. */
  readonly #running = new Set<string>();
  readonly #outputs: Promise<void>[] = [];
  /** What ends the reading of a container's output, by id. */
  readonly #attached = new Map<string, () => void>();
  /** Containers that have died and come back. */
  readonly #restarting = new Set<string>();
  /** Containers that somebody has sent a signal, by id. */
  readonly #signalled = new Set<string>();
  /** Containers that may be on the way to a restart. */
  readonly #awaited = new Set<string>();
  /** When containers last ended, for their logs. */
  readonly #ends = new Map<string, string>();
  #exitCode = 0;
  #hasCode = false;
  #stopping: Promise<void> | undefined;
  #isInterrupted = false;
  #failure: unknown;

  constructor(work: Work, project: Project, options: AttendOptions) {
    this.#work = work;
    this.#project = project;
    this.#options = options;
  }

  async run(): Promise<number> {
    const { client } = this.#work;
    const { containers, shown, printer } = this.#options;
    const events = await client.stream(
      systemEvents,
      { filters: { type: ["container"], ...ofProject(this.#project.name, `${label.oneOff}=False`) } },
      { signal: this.#abort.signal },
    );
    const own = containersOf(containers, shown);
    for (const { id, name } of own) {
      this.#running.add(id);
      printer.register(this.#short(name));
    }
    const names = own.map(({ name }) => this.#short(name)).sort();
    if (names.length > 0) this.#options.write(`Attaching to ${names.join(", ")}\n`);
    await Promise.all(own.map((container) => this.#attach(container)));
    const unsubscribe = this.#options.onInterrupt(() => this.#interrupt());
    this.#options.onDetach?.(() => this.#abort.abort());
    const watching = this.#watch(events);
    const beside = this.#options.beside?.(this.#abort.signal);
    try {
      await this.#start();
      if (this.#running.size === 0) this.#abort.abort();
      await watching;
      await this.#stopping;
      await Promise.all(this.#outputs);
      this.#abort.abort(); // nothing is left beside which to go on
      await beside;
    } finally {
      unsubscribe();
      this.#abort.abort();
    }
    if (this.#failure !== undefined) throw this.#failure;
    return this.#isInterrupted ? 130 : this.#exitCode;
  }

  async #start(): Promise<void> {
    this.#starting = startProject(this.#work, this.#project, {
      containers: this.#options.containers,
      waits: false,
      waitSeconds: 0,
      signal: this.#halt.signal,
      hookOutput: this.#hookOutput,
    });
    try {
      await this.#starting;
    } catch (error) {
      // What is being stopped need not start any more.
      if (this.#stopping !== undefined) return;
      this.#abort.abort();
      throw error;
    }
  }

  readonly #hookOutput =
    (source: string) =>
    (text: string): void =>
      this.#options.printer.take(source, 1, Buffer.from(text));

  #short(name: string): string {
    return shortName(this.#project.name, name);
  }

  async #attach({ id, name }: ObservedContainer): Promise<void> {
    const short = this.#short(name);
    const { ended, close } = await attachOutput(this.#work.client, id, (fd, data) =>
      this.#options.printer.take(short, fd, data),
    );
    this.#attached.set(id, close);
    this.#abort.signal.addEventListener("abort", close);
    this.#outputs.push(ended);
  }

  async #watch(events: AsyncIterable<EventMessage>): Promise<void> {
    try {
      for await (const event of events) {
        await this.#onEvent(event);
        if (this.#running.size === 0) return;
      }
    } catch (error) {
      if (!this.#abort.signal.aborted) throw error;
    }
  }

  async #onEvent({ Action, Actor, timeNano }: EventMessage): Promise<void> {
    const { ID: id, Attributes: attributes } = Actor;
    const service = attributes[label.service] ?? "";
    const { shown } = this.#options;
    if (shown.length > 0 && !shown.includes(service)) return;
    const name = this.#short(attributes["name"] ?? id);
    const nanos = String(timeNano);
    const time = `${nanos.slice(0, -9)}.${nanos.slice(-9)}`;
    if (Action === "die") this.#ends.set(id, time);
    if (Action === "kill") this.#signalled.add(id);
    else if (Action === "start") this.#onStart(id, name, this.#ends.get(id) ?? time);
    else if (Action === "die") await this.#onDie(id, name, service, Number(attributes["exitCode"] ?? 0));
    else if (Action === "destroy") this.#running.delete(id);
  }

  /** Output of a container that comes back, or comes in later, is read from its log: it may speak before its start is told. */
  #onStart(id: string, name: string, since: string): void {
    this.#running.add(id);
    this.#awaited.delete(id);
    if (this.#attached.has(id) && !this.#restarting.has(id)) return;
    this.#attached.set(id, () => {});
    const sink = (fd: 1 | 2, data: Uint8Array): void => this.#options.printer.take(name, fd, data);
    const reading = orNothing(
      readLog(this.#work.client, id, { follow: true, since }, sink, this.#abort.signal),
    ).then(
      () => {},
      (error: unknown) => {
        if (!this.#abort.signal.aborted) throw error;
      },
    );
    this.#outputs.push(reading);
  }

  async #onDie(id: string, name: string, service: string, code: number): Promise<void> {
    const state = (await orNothing(this.#work.client.call(containerInspect, { id })))?.State;
    const isBack = state !== undefined && (state.Restarting || state.Running);
    this.#options.printer.status(name, `exited with code ${code}${isBack ? " (restarting)" : ""}`);
    const { onExit, exitCodeFrom } = this.#options;
    const mayReturn = this.#signalled.delete(id) && this.#stopping === undefined && onExit === "ignore";
    if (isBack || mayReturn) this.#restarting.add(id);
    if (isBack) return;
    if (mayReturn) {
      this.#awaited.add(id);
      setTimeout(() => this.#isGone(id), RESTART_MS);
      return;
    }
    this.#running.delete(id);
    if (exitCodeFrom !== "" && service === exitCodeFrom && !this.#hasCode) {
      this.#exitCode = code;
      this.#hasCode = true;
    }
    if (this.#stopping !== undefined || onExit === "ignore") return;
    if (onExit === "stop on failure" && code === 0) return;
    if (exitCodeFrom === "") this.#exitCode = code;
    this.#say("Aborting on container exit...");
    this.#stop();
  }

  /** Takes a container that was not started again for one that has ended. */
  #isGone(id: string): void {
    if (!this.#awaited.delete(id)) return;
    this.#running.delete(id);
    if (this.#running.size === 0) this.#abort.abort();
  }

  #say(details: string): void {
    this.#work.progress.on({ id: "Compose", text: "Stopping", status: "working", details });
  }

  #interrupt(): void {
    this.#isInterrupted = true;
    if (this.#stopping === undefined) {
      this.#say("Gracefully Stopping... press Ctrl+C again to force");
      this.#stop();
    } else this.#kill();
  }

  #stop(): void {
    this.#halt.abort();
    this.#stopping = this.#ending(async () => {
      await this.#starting?.catch(() => {}); // ignored: run() reports it
      const containers = await observeContainers(this.#work.client, this.#project.name);
      const { timeoutSeconds, targets } = this.#options;
      const project = withSelected(this.#project, targets, "none");
      await stopProject(this.#work, project, containers, timeoutSeconds, this.#hookOutput);
    });
  }

  #kill(): void {
    void this.#ending(async () => {
      const containers = await observeContainers(this.#work.client, this.#project.name);
      const { services } = withSelected(this.#project, this.#options.targets, "none");
      const own = containers.filter(
        ({ service, state }) => Object.hasOwn(services, service) && state === "running",
      );
      await killContainers(this.#work, own, "SIGKILL");
    });
  }

  async #ending(action: () => Promise<void>): Promise<void> {
    try {
      await action();
    } catch (error) {
      this.#failure ??= error;
    }
    const left = await observeContainers(this.#work.client, this.#project.name);
    // What was never started dies no death that would be told, and its output does not end.
    for (const { id, state } of left) {
      if (state !== "created") continue;
      this.#running.delete(id);
      this.#attached.get(id)?.();
    }
    if (this.#running.size === 0) this.#abort.abort();
  }
}
