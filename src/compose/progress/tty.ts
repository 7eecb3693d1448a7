// Progress on a terminal: a line for every resource, redrawn in place ten times a second while work goes on.

import { humanSize } from "../../lib/units/size.ts";
import {
  DRY_RUN,
  type Progress,
  type ProgressEvent,
  type ProgressStatus,
  type Terminal,
} from "./progress.ts";

interface Task {
  readonly id: string;
  readonly parent: string | undefined;
  readonly started: number;
  ended: number | undefined;
  status: ProgressStatus;
  text: string;
  details: string;
  current: number;
  total: number;
}

const frames = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
const marks: Readonly<Record<Exclude<ProgressStatus, "working">, string>> = {
  done: "✔",
  warning: "!",
  error: "✘",
};
const colors: Readonly<Record<ProgressStatus, string>> = {
  working: "\x1b[34m",
  done: "\x1b[32m",
  warning: "\x1b[33m",
  error: "\x1b[31m",
};
const reset = "\x1b[0m";
const intervalMs = 100;

/** How full a layer is. */
const levels = [" ", "⡀", "⣀", "⣄", "⣤", "⣦", "⣶", "⣷", "⣿"];

/** The resource that is no resource: what is said of it is for the user alone. */
const THE_COMMAND = "Compose";

export class TtyProgress implements Progress {
  readonly #options: Terminal;
  readonly #tasks = new Map<string, Task>();
  #operation = "";
  #lines = 0;
  #frame = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: Terminal) {
    this.#options = options;
  }

  start(operation: string): void {
    this.#operation = operation;
    this.#tasks.clear();
    this.#lines = 0;
    this.#timer = setInterval(() => this.#draw(), intervalMs);
  }

  on(event: ProgressEvent): void {
    const isStart = event.text === "Starting" || event.text === "Started";
    if (this.#options.isAttached && isStart && this.#operation !== "start") return;
    const { id, text, status, details = "", parent } = event;
    if (id === THE_COMMAND) {
      this.aside(() => this.#options.write(`${colors.error}${details}${reset}\n`));
      return;
    }
    this.#note(event);
    if (this.#timer !== undefined || parent !== undefined) return;
    const color = colors[status === "working" ? "done" : status];
    this.#options.write(`${id} ${color}${text}${reset} ${details}\n`);
  }

  done(): void {
    if (this.#timer === undefined) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#draw();
    this.#lines = 0;
  }

  /** What has been drawn goes, and comes back below what is written. */
  aside(write: () => void): void {
    if (this.#lines > 0) this.#options.write(`\x1b[${this.#lines}A\r\x1b[J`);
    this.#lines = 0;
    write();
  }

  #note({ id, parent, text, status, details = "", current = 0, total = 0 }: ProgressEvent): void {
    let task = this.#tasks.get(id);
    if (task === undefined) {
      task = { id, parent, started: Date.now(), ended: undefined, status, text, details, current, total };
      this.#tasks.set(id, task);
    }
    task.text = text;
    task.details = details;
    task.current = Math.max(task.current, current);
    task.total = Math.max(task.total, total);
    task.status = status;
    task.ended = status === "working" ? undefined : (task.ended ?? Date.now());
  }

  #draw(): void {
    const { columns, rows } = this.#options.size();
    const all = [...this.#tasks.values()].filter(({ parent }) => parent === undefined);
    if (all.length === 0) return;
    this.#frame++;
    const room = Math.max(1, rows - 2);
    const shown = all.length > room ? all.slice(0, room - 1) : all;
    const done = [...this.#tasks.values()].filter(({ status }) => status !== "working").length;
    const head = `[+] ${this.#operation} ${done}/${this.#tasks.size}`;
    const lines = [head.padEnd(columns - 1), ...this.#rows(shown, columns)];
    if (shown.length < all.length) lines.push(` ... ${all.length - shown.length} more`.padEnd(columns - 1));
    const up = this.#lines === 0 ? "" : `\x1b[${this.#lines}A`;
    this.#lines = lines.length;
    this.#options.write(`\x1b[?25l${up}\r${lines.join("\n")}\n\x1b[?25h`);
  }

  #rows(tasks: readonly Task[], columns: number): string[] {
    const names = tasks.map(
      (task) => `${this.#options.isDryRun ? DRY_RUN : ""}${task.id}${this.#parts(task)}`,
    );
    const width = Math.min(Math.max(...names.map((name) => name.length)), Math.max(10, columns - 30));
    return tasks.map((task, index) => {
      const name = (names[index] as string).slice(0, width).padEnd(width);
      const mark = task.status === "working" ? frames[this.#frame % frames.length] : marks[task.status];
      const seconds = `${(((task.ended ?? Date.now()) - task.started) / 1000).toFixed(1)}s`;
      const rest = columns - width - 5 - task.text.length - seconds.length - 1;
      const details = task.details.replace(/\s+/g, " ").slice(0, Math.max(0, rest - 2));
      const gap = " ".repeat(Math.max(1, rest - (details === "" ? 0 : details.length + 1)));
      const color = colors[task.status];
      const status = `${color}${task.text}${reset}${details === "" ? "" : ` ${details}`}`;
      return ` ${color}${mark}${reset} ${name} ${status}${gap}\x1b[34m${seconds}${reset}`;
    });
  }

  /** The layers of an image: how full each is, and how much that is together. */
  #parts(task: Task): string {
    const parts = [...this.#tasks.values()].filter(({ parent }) => parent === task.id);
    if (parts.length === 0 || task.status !== "working") return "";
    const bar = parts.map(({ status, current, total }) => {
      const share = status === "working" ? (total === 0 ? 0 : Math.min(1, current / total)) : 1;
      return levels[Math.floor(share * (levels.length - 1))];
    });
    const sum = (pick: (part: Task) => number): number =>
      parts.reduce((total, part) => total + pick(part), 0);
    const total = sum((part) => part.total);
    const amount = total === 0 ? "" : ` ${humanSize(sum((part) => part.current))} / ${humanSize(total)}`;
    return ` [${bar.join("")}]${amount}`;
  }
}
