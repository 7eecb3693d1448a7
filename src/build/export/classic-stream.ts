// Build events as the JSON lines of `POST /build` (version 1): what the docker CLI without BuildKit and docker-py print.
// Stages that are built at the same time come out one after another, in the order of the Dockerfile: the first unfinished
// stage is live, the others wait in a bounded buffer.

import type { BuildEvent } from "../events.ts";
import type { Fault } from "../../lib/errors.ts";
import { shortId } from "../../lib/id.ts";

/** One line of the stream; the server writes it as JSON followed by CRLF. */
export type ClassicLine = Readonly<Record<string, unknown>>;

/** Output of a waiting stage beyond this is cut. */
const MAX_WAITING_BYTES = 16 << 20;

type StageEvent =
  | Exclude<Extract<BuildEvent, { at: unknown }>, { type: "step-failed" }>
  | Extract<BuildEvent, { type: "stage-done" }>;

const stream = (text: string): ClassicLine => ({ stream: text });
const stageOf = (event: StageEvent): number => ("at" in event ? event.at.stage : event.stage);

/** What the renderer keeps of one stage. */
class StageOutput {
  readonly waiting: StageEvent[] = [];
  private waitingBytes = 0;
  isDone = false;
  /** The last step whose header was shown. */
  step = 0;
  /** Pull progress of a step that has not begun. */
  private readonly early: Extract<BuildEvent, { type: "pull" }>[] = [];
  private readonly decoders = new Map<string, TextDecoder>();

  wait(event: StageEvent): void {
    if (event.type === "output") {
      if (this.waitingBytes > MAX_WAITING_BYTES) return;
      this.waitingBytes += event.bytes.length;
      if (this.waitingBytes > MAX_WAITING_BYTES) {
        const bytes = Buffer.from(`\n[output clipped, more than ${MAX_WAITING_BYTES} bytes were waiting]\n`);
        this.waiting.push({ ...event, bytes });
        return;
      }
    }
    this.waiting.push(event);
  }

  /** Characters may be split between two pieces of output. */
  decode(name: "stdout" | "stderr", bytes: Uint8Array): string {
    let decoder = this.decoders.get(name);
    if (decoder === undefined) {
      decoder = new TextDecoder();
      this.decoders.set(name, decoder);
    }
    return decoder.decode(bytes, { stream: true });
  }

  keepEarly(event: Extract<BuildEvent, { type: "pull" }>): boolean {
    if (event.at.step <= this.step) return false;
    this.early.push(event);
    return true;
  }

  takeEarly(step: number): ClassicLine[] {
    return this.early.filter((e) => e.at.step === step).map((e) => e.line);
  }
}

/** Turns events into lines, one at a time. */
export class ClassicRenderer {
  private total = 0;
  private stages = new Map<number, StageOutput>();

  /** Returns the lines that an event makes ready. */
  push(event: BuildEvent): ClassicLine[] {
    switch (event.type) {
      case "planned":
        this.total = event.total;
        this.stages = new Map(event.stages.map((index) => [index, new StageOutput()]));
        return [];
      case "warning":
        return [stream(`[Warning] ${event.message}\n`)];
      case "graph":
      case "work":
      case "transferred":
      case "exporting":
      case "step-failed":
        return [];
      case "unused-args":
        return [stream(`[Warning] One or more build-args [${event.names.join(" ")}] were not consumed\n`)];
      case "built":
        return [stream(`Successfully built ${shortId(event.imageId)}\n`)];
      case "tagged":
        return [stream(`Successfully tagged ${event.name}\n`)];
      case "failed":
        return [...this.flush(), errorLine(event.fault)];
      default:
        return this.pushStage(event);
    }
  }

  private get live(): number | undefined {
    for (const [index, output] of this.stages) if (!output.isDone) return index;
    return undefined;
  }

  private outputOf(index: number): StageOutput {
    let output = this.stages.get(index);
    if (output === undefined) {
      output = new StageOutput();
      this.stages.set(index, output);
    }
    return output;
  }

  private pushStage(event: StageEvent): ClassicLine[] {
    const index = stageOf(event);
    const output = this.outputOf(index);
    if (index !== this.live) {
      output.wait(event);
      return [];
    }
    const lines = this.render(event, output);
    while (output.isDone) {
      const next = this.live;
      if (next === undefined) break;
      const following = this.outputOf(next);
      for (const waited of following.waiting.splice(0)) lines.push(...this.render(waited, following));
      if (!following.isDone) break;
    }
    return lines;
  }

  /** Everything that waits, when no more will come. */
  private flush(): ClassicLine[] {
    const lines: ClassicLine[] = [];
    for (const output of this.stages.values()) {
      const started = output.waiting.some(
        (e) => e.type !== "step" && e.type !== "done" && e.type !== "stage-done",
      );
      if (!started) continue;
      for (const event of output.waiting.splice(0)) lines.push(...this.render(event, output));
    }
    return lines;
  }

  private render(event: StageEvent, output: StageOutput): ClassicLine[] {
    switch (event.type) {
      case "step":
        output.step = event.at.step;
        return [
          stream(`Step ${event.at.step}/${this.total} : ${event.text}`),
          stream("\n"),
          ...output.takeEarly(event.at.step),
        ];
      case "pull":
        return output.keepEarly(event) ? [] : [event.line];
      case "triggers":
        return [stream(`# Executing ${event.count} build trigger${event.count > 1 ? "s" : ""}\n`)];
      case "cached":
        return [stream(" ---> Using cache\n")];
      case "running":
        return [stream(` ---> Running in ${shortId(event.containerId)}\n`)];
      case "output": {
        const text = output.decode(event.stream, event.bytes);
        if (text === "") return [];
        return [stream(event.stream === "stderr" ? `\u001b[91m${text}\u001b[0m` : text)];
      }
      case "removed":
        return [stream(`Removing intermediate container ${shortId(event.containerId)}\n`)];
      case "note":
        return [stream(`${event.message}\n`)];
      case "done":
        return [stream(` ---> ${shortId(event.imageId)}\n`)];
      case "stage-done":
        output.isDone = true;
        return event.imageId === "" ? [] : [{ aux: { ID: event.imageId } }];
    }
  }
}

/** Returns the line that ends a failed build; `code` is the exit code of a failing RUN. */
export function errorLine(fault: Fault): ClassicLine {
  const code = fault.detail.exitCode;
  return {
    errorDetail: { ...(typeof code === "number" ? { code } : {}), message: fault.message },
    error: fault.message,
  };
}

/** Renders a whole stream of events. */
export async function* classicStream(events: AsyncIterable<BuildEvent>): AsyncIterable<ClassicLine> {
  const renderer = new ClassicRenderer();
  for await (const event of events) yield* renderer.push(event);
}
