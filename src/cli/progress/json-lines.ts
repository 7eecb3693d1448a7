// Prints progress streams (pull, push, load, import, build) as Docker's client does: on a terminal every id has a line
// of its own that is redrawn in place, elsewhere only lines without a progress bar appear.

import type { ProgressDetail, ProgressLine } from "../../api/schemas/progress.ts";
import { formatDuration } from "../../lib/units/duration.ts";
import { humanSize } from "../../lib/units/size.ts";
import { exitWith } from "../failure.ts";
import { writeAll } from "../output.ts";

export interface DisplayOptions {
  readonly fd: 1 | 2;
  readonly isTerminal: boolean;
  /** Columns of the terminal; 200 when unknown. */
  readonly columns?: number;
  /** Suppresses everything but errors. */
  readonly isQuiet?: boolean;
  readonly onAux?: (line: ProgressLine) => void;
  /** Takes the text in place of the descriptor. */
  readonly write?: (text: string) => void;
}

/** Prints a stream to its end. Throws a Fault when the stream reports an error. */
export async function displayLines(
  lines: AsyncIterable<ProgressLine>,
  options: DisplayOptions,
): Promise<void> {
  const display = new Display(options);
  for await (const line of lines) display.show(line);
}

/** One stream's display; keeps which id has which line. */
export class Display {
  readonly #options: DisplayOptions;
  #rows = new Map<string, number>();

  constructor(options: DisplayOptions) {
    this.#options = options;
  }

  /** Prints one line. Throws a Fault when the line is an error. */
  show(line: ProgressLine): void {
    if (line.aux !== undefined && line.aux !== null) {
      this.#options.onAux?.(line);
      return;
    }
    const message = line.errorDetail?.message ?? line.error;
    if (message !== undefined && message !== "") throw exitWith(line.errorDetail?.code || 1, message);
    if (this.#options.isQuiet !== true) this.#write(this.#place(line));
  }

  #write(text: string): void {
    if (this.#options.write === undefined) writeAll(this.#options.fd, text);
    else this.#options.write(text);
  }

  /** Moves to the id's line, prints, and moves back. */
  #place(line: ProgressLine): string {
    const { isTerminal } = this.#options;
    const id = line.id ?? "";
    const hasBar = line.progressDetail !== undefined && line.progressDetail !== null;
    if (id === "" || (!hasBar && (line.progress ?? "") === "")) {
      // Whatever is not about a line of its own ends the block of lines above.
      this.#rows = new Map();
      return this.#text(line, hasBar);
    }
    let before = "";
    let row = this.#rows.get(id);
    if (row === undefined) {
      row = this.#rows.size;
      this.#rows.set(id, row);
      if (isTerminal) before = "\n";
    }
    const up = this.#rows.size - row;
    const text = this.#text(line, hasBar);
    return isTerminal ? `${before}\u001b[${up}A${text}\u001b[${up}B` : `${before}${text}`;
  }

  #text(line: ProgressLine, hasBar: boolean): string {
    const { isTerminal, columns = 200 } = this.#options;
    const bar = hasBar ? progressBar(line.progressDetail ?? {}, columns) : "";
    const id = (line.id ?? "") === "" ? "" : `${line.id}: `;
    const stream = line.stream ?? "";
    if (isTerminal && stream === "" && hasBar) return `\u001b[2K\r${id}${line.status ?? ""} ${bar}\r`;
    if (hasBar && bar !== "") return "";
    if (hasBar && isTerminal) return `${id}${line.status ?? ""} ${bar}`;
    if (!hasBar && (line.progress ?? "") !== "") return `${id}${line.status ?? ""} ${line.progress}`;
    if (stream !== "") return `${id}${stream}`;
    return `${id}${line.status ?? ""}\n`;
  }
}

/** Draws `[====>    ]  1.2MB/3.4MB`, with the time left where there is room. */
function progressBar(detail: ProgressDetail, columns: number): string {
  const { current = 0, total = 0, units = "", start = 0 } = detail;
  if (current <= 0 && total <= 0) return "";
  if (total <= 0) return units === "" ? humanSize(current).padStart(8) : `${current} ${units}`;
  const filled = Math.min(50, Math.trunc(Math.trunc((current / total) * 100) / 2));
  const box = columns > 110 ? `[${"=".repeat(filled)}>${" ".repeat(50 - filled)}] ` : "";
  return `${box}${counts(detail, current, total)}${timeLeft({ current, total, start }, filled, columns)}`;
}

function counts({ hidecounts, units = "" }: ProgressDetail, current: number, total: number): string {
  if (hidecounts === true) return "";
  if (units !== "") return current > total ? `${current} ${units}` : `${current}/${total} ${units}`;
  const now = humanSize(current).padStart(8);
  return current > total ? now : `${now}/${humanSize(total)}`;
}

function timeLeft(
  { current, total, start }: { current: number; total: number; start: number },
  filled: number,
  columns: number,
): string {
  if (columns <= 50 || current <= 0 || start <= 0 || filled >= 50) return "";
  const perUnit = (Date.now() - start * 1000) / current;
  return ` ${formatDuration(Math.round(((total - current) * perUnit) / 1000) * 1e9)}`;
}
