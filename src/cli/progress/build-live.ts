// A build on a terminal: finished steps with the time they took, running ones with their clock and last lines of output,
// redrawn in place. When it is over everything stays as it was last drawn.

import { ellipsis, textWidth } from "../../lib/term/width.ts";
import { humanSize } from "../../lib/units/size.ts";
import { type BuildView, secondsOf, type Status, type StatusVertex, warningsText } from "./build-plain.ts";

/** Lines of output shown below a running step. */
const OUTPUT_LINES = 6;
const REDRAW_MS = 120;
const CLEAR_LINE = "\u001b[2K";
const BLUE = "\u001b[34m";
const RED = "\u001b[31m";
const DIM = "\u001b[2m";
const RESET = "\u001b[0m";

/** Returns a line of output without what moves the cursor or changes colours. */
function plainText(text: string): string {
  const escape = String.fromCharCode(0x1b);
  const bare = text
    .split(escape)
    .map((part, i) => (i === 0 ? part : part.replace(/^\[[0-9;?]*[A-Za-z]/, "")));
  return [...bare.join("")].filter((c) => c >= " ").join("");
}

interface Step {
  readonly name: string;
  started?: number;
  completed?: number;
  isCached: boolean;
  error: string;
  output: string[];
  rest: string;
  /** What is under way in it, such as layers that are pulled. */
  readonly parts: Map<string, { readonly current: number; readonly total: number; readonly isOver: boolean }>;
}

export interface LiveOptions {
  readonly write: (text: string) => void;
  readonly columns: number;
  readonly rows: number;
  /** Seconds since the epoch. */
  readonly now?: () => number;
}

export class LiveView implements BuildView {
  private readonly options: LiveOptions;
  private readonly steps = new Map<string, Step>();
  private readonly warnings: string[] = [];
  private readonly startedAt: number;
  private drawn = 0;
  private readonly timer: NodeJS.Timeout;

  constructor(options: LiveOptions) {
    this.options = options;
    this.startedAt = this.now();
    this.timer = setInterval(() => this.draw(), REDRAW_MS);
    this.timer.unref();
  }

  private now(): number {
    return this.options.now?.() ?? Date.now() / 1000;
  }

  push(status: Status): void {
    for (const vertex of status.vertexes ?? []) this.vertex(vertex);
    for (const s of status.statuses ?? []) {
      const parts = this.steps.get(s.vertex ?? "")?.parts;
      parts?.set(s.id ?? "", {
        current: s.current ?? 0,
        total: s.total ?? 0,
        isOver: s.completed !== undefined,
      });
    }
    for (const { short } of status.warnings ?? [])
      this.warnings.push(plainText(Buffer.from(short ?? []).toString("utf8")));
    for (const log of status.logs ?? []) {
      const step = this.steps.get(log.vertex ?? "");
      if (step === undefined) continue;
      const lines = (step.rest + Buffer.from(log.data ?? []).toString("utf8")).split("\n");
      step.rest = lines.pop() ?? "";
      step.output = [...step.output, ...lines].slice(-OUTPUT_LINES);
    }
  }

  private vertex(vertex: StatusVertex): void {
    const digest = vertex.digest ?? "";
    let step = this.steps.get(digest);
    if (step === undefined) {
      step = { name: vertex.name ?? "", isCached: false, error: "", output: [], rest: "", parts: new Map() };
      this.steps.set(digest, step);
    }
    if (vertex.started !== undefined) step.started ??= secondsOf(vertex.started);
    if (vertex.completed !== undefined) step.completed = secondsOf(vertex.completed);
    step.isCached = vertex.isCached ?? false;
    step.error = vertex.error ?? "";
  }

  /** The lines as they should stand now. */
  lines(): string[] {
    const shown = [...this.steps.values()].filter((s) => s.started !== undefined);
    const done = shown.filter((s) => s.completed !== undefined).length;
    const total = this.steps.size;
    const isOver = done === total && total > 0;
    const took = (this.now() - this.startedAt).toFixed(1);
    const head = `[+] Building ${took}s (${done}/${total})${isOver ? " FINISHED" : ""}`;
    return [head, ...shown.flatMap((step) => this.stepLines(step))];
  }

  private stepLines(step: Step): string[] {
    const end = step.completed ?? this.now();
    const took = `${Math.max(0, end - (step.started ?? end)).toFixed(1)}s`;
    const state = step.error !== "" ? "ERROR" : step.isCached ? "CACHED" : "";
    const name = `${state === "" ? "" : `${state} `}${step.name}`;
    const color = step.error !== "" ? RED : step.completed === undefined ? "" : BLUE;
    const line = this.spread(` => ${name}`, took);
    const lines = [color === "" ? line : `${color}${line}${RESET}`];
    if (step.completed !== undefined) return lines;
    for (const [id, part] of step.parts) {
      const size = part.total > 0 ? `${humanSize(part.current)} / ${humanSize(part.total)}` : "";
      if (!part.isOver) lines.push(this.spread(` => => ${id}`, size));
    }
    const output = [...step.output, ...(step.rest === "" ? [] : [step.rest])].slice(-OUTPUT_LINES);
    const plain = output.map((text) => plainText(text));
    return [...lines, ...plain.map((text) => `${DIM}${ellipsis(` => => # ${text}`, this.columns)}${RESET}`)];
  }

  private get columns(): number {
    return Math.max(20, this.options.columns - 1);
  }

  /** Text on the left, the rest at the right margin. */
  private spread(left: string, right: string): string {
    const text = ellipsis(left, this.columns - right.length - 1);
    return text + " ".repeat(Math.max(1, this.columns - textWidth(text) - right.length)) + right;
  }

  private draw(): void {
    const all = this.lines();
    const room = Math.max(4, this.options.rows - 2);
    // Of more lines than fit the last ones are shown, below the head.
    const lines = all.length <= room ? all : [all[0] as string, ...all.slice(-(room - 1))];
    const up = this.drawn > 0 ? `\u001b[${this.drawn}A` : "";
    const spare = Math.max(0, this.drawn - lines.length);
    const blank = `${CLEAR_LINE}\n`.repeat(spare) + (spare > 0 ? `\u001b[${spare}A` : "");
    this.options.write(`${up}${lines.map((line) => `${CLEAR_LINE}${line}\n`).join("")}${blank}`);
    this.drawn = lines.length;
  }

  end(): void {
    clearInterval(this.timer);
    const up = this.drawn > 0 ? `\u001b[${this.drawn}A\u001b[J` : "";
    this.options.write(`${up}${this.lines().join("\n")}\n${warningsText(this.warnings)}`);
  }
}
