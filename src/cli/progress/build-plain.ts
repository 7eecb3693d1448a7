// A build's status messages as lines that only ever grow: one block per step, `#3 0.12 output`, `#3 DONE 0.4s`.

import type { statusResponse } from "../../lib/build-protocol/control.ts";
import { humanSize } from "../../lib/units/size.ts";

export type Status = Partial<ReturnType<typeof statusResponse.decode>>;
export type StatusVertex = NonNullable<Status["vertexes"]>[number];
type Timestamp = NonNullable<StatusVertex["started"]>;

/** Something that shows the progress of a build. */
export interface BuildView {
  push(status: Status): void;
  /** Shows the end state; nothing comes after it. */
  end(): void;
}

export const secondsOf = (t: Timestamp | undefined): number => (t?.seconds ?? 0) + (t?.nanos ?? 0) / 1e9;

interface Step {
  readonly index: number;
  readonly name: string;
  startedAt: number;
  isOver: boolean;
  /** Output of a line that has not ended. */
  rest: string;
  readonly statuses: Set<string>;
}

export class PlainView implements BuildView {
  private readonly write: (text: string) => void;
  private readonly steps = new Map<string, Step>();
  private count = 0;
  /** The step whose block is being written. */
  private current = 0;
  /** What is wrong with the Dockerfile; shown at the end. */
  private readonly warnings: string[] = [];

  constructor(write: (text: string) => void) {
    this.write = write;
  }

  push(status: Status): void {
    for (const vertex of status.vertexes ?? []) this.vertex(vertex);
    for (const s of status.statuses ?? []) {
      const step = this.steps.get(s.vertex ?? "");
      if (step === undefined || s.completed === undefined || step.statuses.has(s.id ?? "")) continue;
      step.statuses.add(s.id ?? "");
      const size = (s.total ?? 0) > 0 ? ` ${humanSize(s.current ?? 0)} / ${humanSize(s.total ?? 0)}` : "";
      this.line(step, `${s.id}${size} done`);
    }
    for (const { short } of status.warnings ?? [])
      this.warnings.push(Buffer.from(short ?? []).toString("utf8"));
    for (const log of status.logs ?? []) {
      const step = this.steps.get(log.vertex ?? "");
      if (step !== undefined)
        this.output(step, Buffer.from(log.data ?? []).toString("utf8"), secondsOf(log.timestamp));
    }
  }

  private vertex(vertex: StatusVertex): void {
    const digest = vertex.digest ?? "";
    if (vertex.started === undefined && vertex.completed === undefined) return;
    let step = this.steps.get(digest);
    if (step === undefined) {
      step = {
        index: ++this.count,
        name: vertex.name ?? "",
        startedAt: secondsOf(vertex.started),
        isOver: false,
        rest: "",
        statuses: new Set(),
      };
      this.steps.set(digest, step);
    }
    if (vertex.completed === undefined || step.isOver) return;
    step.isOver = true;
    if (step.rest !== "") this.output(step, "\n", secondsOf(vertex.completed));
    const took = Math.max(0, secondsOf(vertex.completed) - step.startedAt).toFixed(1);
    const error = vertex.error ?? "";
    if (error !== "") this.line(step, error.includes("cancel") ? "CANCELED" : `ERROR: ${error}`);
    else this.line(step, vertex.isCached ? "CACHED" : `DONE ${took}s`);
  }

  private output(step: Step, text: string, at: number): void {
    const lines = (step.rest + text).split("\n");
    step.rest = lines.pop() ?? "";
    const since = Math.max(0, at - step.startedAt).toFixed(3);
    for (const line of lines)
      this.line(step, `${since} ${line.split("\r").at(-1) || line.replaceAll("\r", "")}`);
  }

  private line(step: Step, text: string): void {
    if (this.current !== step.index) {
      this.write(`${this.current === 0 ? "" : "\n"}#${step.index} ${step.name}\n`);
      this.current = step.index;
    }
    this.write(`#${step.index} ${text}\n`);
  }

  end(): void {
    if (this.current !== 0) this.write("\n");
    this.write(warningsText(this.warnings));
  }
}

/** The list of warnings below a build, as Docker's client prints it. */
export function warningsText(warnings: readonly string[]): string {
  if (warnings.length === 0) return "";
  const count = warnings.length === 1 ? "1 warning" : `${warnings.length} warnings`;
  return ` ${count} found (use --check to expand):\n${warnings.map((text) => ` - ${text}\n`).join("")}`;
}

/** `--progress rawjson`: one JSON document per message, as BuildKit's clients write it. */
export class JsonView implements BuildView {
  private readonly write: (text: string) => void;

  constructor(write: (text: string) => void) {
    this.write = write;
  }

  push(status: Status): void {
    const time = (t: Timestamp | undefined) =>
      t === undefined ? undefined : new Date(Math.floor(secondsOf(t) * 1000)).toISOString();
    const document = {
      vertexes: status.vertexes?.map((v) => ({
        digest: v.digest,
        inputs: v.inputs,
        name: v.name,
        started: time(v.started),
        completed: time(v.completed),
        cached: v.isCached || undefined,
        error: v.error || undefined,
      })),
      statuses: status.statuses?.map((s) => ({
        id: s.id,
        vertex: s.vertex,
        name: s.name,
        total: s.total,
        current: s.current,
        timestamp: time(s.timestamp),
        started: time(s.started),
        completed: time(s.completed),
      })),
      logs: status.logs?.map((l) => ({
        vertex: l.vertex,
        stream: l.stream,
        data: Buffer.from(l.data ?? []).toString("base64"),
        timestamp: time(l.timestamp),
      })),
      warnings: status.warnings?.map((w) => ({
        vertex: w.vertex,
        level: w.level,
        short: Buffer.from(w.short ?? []).toString("base64"),
        detail: w.detail?.map((d) => Buffer.from(d).toString("base64")),
        url: w.url || undefined,
      })),
    };
    const kept = Object.fromEntries(Object.entries(document).filter(([, list]) => (list?.length ?? 0) > 0));
    if (Object.keys(kept).length > 0) this.write(`${JSON.stringify(kept)}\n`);
  }

  end(): void {
    // Nothing is open.
  }
}
