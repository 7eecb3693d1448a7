// Progress as plain lines and as JSON, one line an event; and which printer is meant.

import { goJson } from "../../lib/json/go-json.ts";
import { DRY_RUN, type Progress, type ProgressEvent, type Terminal, quietProgress } from "./progress.ts";
import { TtyProgress } from "./tty.ts";

export interface PrinterOptions extends Terminal {
  /** auto, tty, plain, json, quiet, or empty. */
  readonly mode: string;
  /** never, always, auto. */
  readonly ansi: string;
  readonly isTerminal: boolean;
}

const modes = ["", "auto", "tty", "plain", "json", "quiet", "none"];

/** Returns the printer for a mode, undefined when there is no such mode. */
export function progressPrinter(options: PrinterOptions): Progress | undefined {
  const { mode, ansi, isTerminal, isDryRun, write } = options;
  if (!modes.includes(mode)) return undefined;
  if (mode === "quiet" || mode === "none") return quietProgress;
  if (mode === "json") return new JsonProgress(write, isDryRun);
  const wantsTty = mode === "tty" || (mode !== "plain" && isTerminal && ansi !== "never");
  return wantsTty ? new TtyProgress(options) : new PlainProgress(write, isDryRun);
}

class PlainProgress implements Progress {
  readonly #write: (text: string) => void;
  readonly #prefix: string;

  constructor(write: (text: string) => void, isDryRun: boolean) {
    this.#write = write;
    this.#prefix = isDryRun ? DRY_RUN : "";
  }

  start(): void {}

  on({ id, text, details = "", parent }: ProgressEvent): void {
    // A layer's progress would be a line for every few kilobytes.
    if (parent !== undefined) return;
    this.#write(`${this.#prefix} ${id} ${text} ${details}\n`);
  }

  aside(write: () => void): void {
    write();
  }

  done(): void {}
}

class JsonProgress implements Progress {
  readonly #write: (text: string) => void;
  readonly #isDryRun: boolean;

  constructor(write: (text: string) => void, isDryRun: boolean) {
    this.#write = write;
    this.#isDryRun = isDryRun;
  }

  start(): void {}

  on({ id, text, status, details, parent, current, total }: ProgressEvent): void {
    const names = { working: "Working", done: "Done", warning: "Warning", error: "Error" } as const;
    const line = {
      ...(this.#isDryRun ? { dry_run: true } : {}),
      ...(id === "" ? {} : { id }),
      ...(parent === undefined ? {} : { parent_id: parent }),
      status: names[status],
      text,
      ...(details === undefined ? {} : { details }),
      ...(current === undefined ? {} : { current }),
      ...(total === undefined ? {} : { total }),
    };
    this.#write(`${goJson(line)}\n`);
  }

  aside(write: () => void): void {
    write();
  }

  done(): void {}
}
