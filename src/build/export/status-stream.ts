// Build events as BuildKit's status messages: what `docker build`, buildx and Compose draw their step list from. Vertices
// are the steps that do something; each is named when the graph is known, begins and ends once, and carries its output.

import { canonicalString, parseReference } from "../../oci/reference.ts";
import { createHash } from "node:crypto";
import type { statusResponse, vertex as vertexType } from "../../lib/build-protocol/control.ts";
import type { BuildEvent, PlannedStep, StepRef } from "../events.ts";
import { explainForBuildKit } from "./explain.ts";

export type StatusMessage = Partial<ReturnType<typeof statusResponse.decode>>;
type Vertex = Partial<ReturnType<typeof vertexType.decode>>;
type Timestamp = NonNullable<Vertex["started"]>;

/** One line of the step list. */
interface Line {
  readonly digest: string;
  name: string;
  readonly inputs: readonly string[];
  started?: Timestamp;
  isOver: boolean;
  isCached: boolean;
}

const DEFINITION = "[internal] load build definition from ";

const keyOf = (at: StepRef): string => `${at.stage}:${at.step}`;

export interface StatusOptions {
  /** What tells this build's vertices from another's. */
  readonly buildId: string;
  readonly dockerfileName?: string;
  /** The platform built for, where there are several. */
  readonly platform?: string;
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
}

export class StatusRenderer {
  private readonly options: StatusOptions;
  private readonly lines = new Map<string, Line>();
  private readonly definition: Line;
  /** Work beside the steps, by name. */
  private readonly works = new Map<string, Line>();
  /** What FROM names, and the lines of pulls, by step. */
  private readonly froms = new Map<string, string>();
  private readonly loads = new Map<string, Line>();
  /** When transfers began, by vertex and what is transferred. */
  private readonly transfers = new Map<string, Timestamp>();

  constructor(options: StatusOptions) {
    this.options = options;
    const name = `${DEFINITION}${options.dockerfileName ?? "Dockerfile"}`;
    this.definition = this.lineOf("definition", name.replace("[", `[${this.of}`));
  }

  /** What names begin with, where there are several platforms. */
  private get of(): string {
    return this.options.platform === undefined ? "" : `${this.options.platform} `;
  }

  private now(): Timestamp {
    const ms = this.options.now?.() ?? Date.now();
    return { seconds: Math.floor(ms / 1000), nanos: Math.round((ms % 1000) * 1e6) };
  }

  private lineOf(key: string, name: string, inputs: readonly string[] = []): Line {
    const hash = createHash("sha256").update(`${this.options.buildId}\0${key}`).digest("hex");
    return { digest: `sha256:${hash}`, name, inputs, isOver: false, isCached: false };
  }

  private show(line: Line, more: Vertex = {}): StatusMessage {
    const { digest, name, inputs, isCached, started } = line;
    return {
      vertexes: [
        {
          digest,
          name,
          inputs: [...inputs],
          isCached,
          ...(started === undefined ? {} : { started }),
          ...more,
        },
      ],
    };
  }

  private begin(line: Line): StatusMessage[] {
    if (line.started !== undefined) return [];
    line.started = this.now();
    return [this.show(line)];
  }

  private end(line: Line, error = ""): StatusMessage[] {
    if (line.isOver) return [];
    const begun = this.begin(line);
    line.isOver = true;
    return [...begun, this.show(line, { completed: this.now(), ...(error === "" ? {} : { error }) })];
  }

  /** Returns the messages that an event makes. */
  push(event: BuildEvent): StatusMessage[] {
    switch (event.type) {
      case "planned":
        return this.end(this.definition);
      case "work": {
        const line = this.lineOfWork(event.what);
        return event.isOver ? this.end(line, event.error) : this.begin(line);
      }
      case "transferred": {
        const { what, name, bytes: current, isOver } = event;
        const line = this.lineOfWork(what);
        return [...this.begin(line), this.transfer(line, { id: name, name, current, total: 0, isOver })];
      }
      case "graph":
        return this.name(event.steps);
      case "warning":
        return [this.warning(event)];
      case "unused-args":
        return [
          this.warning({ message: `One or more build-args [${event.names.join(" ")}] were not consumed` }),
        ];
      case "built":
        return this.export(event.imageId);
      case "tagged":
        return this.exportStep(`naming to ${canonicalString(parseReference(event.name))}`);
      case "exporting":
        return this.exportStep(event.what);
      case "failed":
        return this.lines.size === 0 ? this.end(this.definition, event.fault.message) : [];
      case "stage-done":
        return [];
      default:
        return this.pushStep(event);
    }
  }

  private name(steps: readonly PlannedStep[]): StatusMessage[] {
    const totals = new Map<number, number>();
    for (const { at } of steps) totals.set(at.stage, (totals.get(at.stage) ?? 0) + 1);
    const counts = new Map<number, number>();
    const shown: StatusMessage[] = [...this.loads.values()].flatMap((line) => this.end(line));
    for (const { at, stageName, text, isRepeated } of steps) {
      const index = (counts.get(at.stage) ?? 0) + 1;
      counts.set(at.stage, index);
      if (isRepeated === true) continue;
      const total = String(totals.get(at.stage));
      const prefix = stageName === "" ? "" : `${stageName} `;
      const name = `[${this.of}${prefix}${String(index).padStart(total.length)}/${total}] ${text}`;
      const before = [...this.lines.values()].at(-1);
      const inputs = index > 1 && before !== undefined ? [before.digest] : [];
      const line = this.lineOf(keyOf(at), name, inputs);
      this.lines.set(keyOf(at), line);
      shown.push(this.show(line));
    }
    return shown;
  }

  private warning(event: {
    readonly message: string;
    readonly url?: string;
    readonly detail?: string;
    readonly line?: number;
  }): StatusMessage {
    return {
      warnings: [
        {
          vertex: this.definition.digest,
          level: 1,
          short: Buffer.from(event.message),
          ...(event.detail === undefined ? {} : { detail: [Buffer.from(event.detail)] }),
          ...(event.url === undefined ? {} : { url: event.url }),
        },
      ],
    };
  }

  /** Base images are pulled before the graph is known: they have lines of their own. */
  private pushEarly(event: Extract<BuildEvent, { at: StepRef }>): StatusMessage[] {
    const key = keyOf(event.at);
    if (event.type === "step")
      this.froms.set(key, event.text.replace(/^FROM\s+(?:--\S+\s+)*/i, "").split(/\s/)[0] ?? "");
    if (event.type !== "pull") return [];
    let line = this.loads.get(key);
    if (line === undefined) {
      line = this.lineOf(`load:${key}`, `[${this.of}internal] pull ${this.froms.get(key) ?? "image"}`);
      this.loads.set(key, line);
    }
    return [...this.begin(line), ...this.pull(line, event.line)];
  }

  private pushStep(event: Extract<BuildEvent, { at: StepRef }>): StatusMessage[] {
    const line = this.lines.get(keyOf(event.at));
    if (line === undefined) return this.pushEarly(event);
    switch (event.type) {
      case "step":
      case "running":
        return this.begin(line);
      case "cached":
        line.isCached = true;
        return [];
      case "output":
        return [...this.begin(line), this.log(line, event.bytes, event.stream === "stderr" ? 2 : 1)];
      case "note":
        return [this.log(line, Buffer.from(`${event.message}\n`), 2)];
      case "pull":
        return [...this.begin(line), ...this.pull(line, event.line)];
      case "step-failed":
        return this.end(line, explainForBuildKit(event.fault));
      case "done":
        return this.end(line);
      default:
        return [];
    }
  }

  private log(line: Line, data: Uint8Array, stream: number): StatusMessage {
    return { logs: [{ vertex: line.digest, timestamp: this.now(), stream, data: Uint8Array.from(data) }] };
  }

  private pull(line: Line, progress: Readonly<Record<string, unknown>>): StatusMessage[] {
    const { id, status, progressDetail } = progress as {
      id?: unknown;
      status?: unknown;
      progressDetail?: { current?: unknown; total?: unknown };
    };
    if (typeof id !== "string" || typeof status !== "string") return [];
    const isOver = status === "Pull complete" || status === "Already exists";
    const { current, total } = progressDetail ?? {};
    const sizes = {
      current: typeof current === "number" ? current : 0,
      total: typeof total === "number" ? total : 0,
    };
    return [this.transfer(line, { id, name: status, ...sizes, isOver })];
  }

  private transfer(
    line: Line,
    what: { id: string; name: string; current: number; total: number; isOver: boolean },
  ): StatusMessage {
    const { isOver, ...shown } = what;
    const key = `${line.digest}/${what.id}`;
    const timestamp = this.now();
    const started = this.transfers.get(key) ?? timestamp;
    this.transfers.set(key, started);
    const completed = isOver ? { completed: timestamp } : {};
    return { statuses: [{ ...shown, vertex: line.digest, timestamp, started, ...completed }] };
  }

  private lineOfWork(what: string): Line {
    const name = what.replace("[", `[${this.of}`);
    if (what.startsWith(DEFINITION)) {
      this.definition.name = name;
      return this.definition;
    }
    const line = this.works.get(what) ?? this.lineOf(`work:${what}`, name);
    this.works.set(what, line);
    return line;
  }

  private get exporting(): Line {
    let line = this.lines.get("export");
    if (line === undefined) {
      line = this.lineOf("export", `${this.of}exporting to image`);
      this.lines.set("export", line);
    }
    return line;
  }

  private export(imageId: string): StatusMessage[] {
    return [...this.exportStep("exporting layers"), ...this.exportStep(`writing image ${imageId}`)];
  }

  /** Adds a line to the last vertex, which ends with `finish`. */
  exportStep(what: string): StatusMessage[] {
    const line = this.exporting;
    const begun = this.begin(line);
    const timestamp = this.now();
    const status = { id: what, vertex: line.digest, name: what, timestamp, started: timestamp };
    return [...begun, { statuses: [{ ...status, completed: timestamp }] }];
  }

  /** Ends what still stands open, when the build has ended. */
  finish(): StatusMessage[] {
    return [...this.works.values(), ...this.loads.values(), ...this.lines.values()].flatMap((line) =>
      line.started === undefined ? [] : this.end(line),
    );
  }
}
