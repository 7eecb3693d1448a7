// What an explanation consists of, and its text. The builders beside this file are pure over what the API says; commands/explain/
// asks for it.
import { Fault } from "../../lib/errors.ts";
import { humanDuration } from "../../lib/units/duration.ts";
import { parseNano } from "../../lib/time.ts";

/** Sentences; the names are those of the JSON form. */
export interface Explanation {
  /** What is explained, such as `container web`. */
  readonly Subject: string;
  /** How it stands, in one sentence. */
  readonly Verdict: string;
  /** From the nearest cause to the one behind it. */
  readonly Because: readonly string[];
  /** What else is known of it. */
  readonly Facts: readonly string[];
  /** The last lines that the container wrote. */
  readonly Log: readonly string[];
  /** What to do. */
  readonly Advice: readonly string[];
  /** What could not be found out, and why. */
  readonly Unknown: readonly string[];
}

/** Collects the sentences of an explanation. */
export class Findings {
  readonly because: string[] = [];
  readonly facts: string[] = [];
  readonly log: string[] = [];
  readonly advice: string[] = [];
  readonly unknown: string[] = [];

  explain(Subject: string, Verdict: string): Explanation {
    return {
      Subject,
      Verdict,
      Because: this.because,
      Facts: this.facts,
      Log: this.log,
      Advice: [...new Set(this.advice)],
      Unknown: [...new Set(this.unknown)],
    };
  }
}

// Logs and errors come out of containers: control characters must not reach the terminal.
// oxlint-disable-next-line no-control-regex -- exactly these are meant
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/g;
export const printable = (text: string): string =>
  text.replace(CONTROL, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, "0")}`);

/** Returns the text for people. */
export function explanationText(e: Explanation): string {
  const part = (title: string, lines: readonly string[], mark: string): string[] =>
    lines.length === 0 ? [] : ["", `${title}:`, ...lines.map((line) => `  ${mark}${printable(line)}`)];
  return [
    printable(`${e.Subject} ${e.Verdict}`),
    ...e.Because.map((line, depth) => printable(`${"  ".repeat(depth + 1)}because ${line}`)),
    ...part("Also", e.Facts, "- "),
    ...part("Its last lines", e.Log, "| "),
    ...part("What to do", e.Advice, "- "),
    ...part("Not known", e.Unknown, "- "),
  ]
    .map((line) => `${line}\n`)
    .join("");
}

/** Returns what the daemon alone knows, undefined where it is none of ours (404 for every name). */
export async function ifKnown<T>(ask: Promise<T>): Promise<T | undefined> {
  try {
    return await ask;
  } catch (error) {
    if (error instanceof Fault && error.code === "daemon.error") return undefined;
    throw error;
  }
}

/** Returns how long ago a time of the API was: `3 minutes`. */
export function since(time: string, nowMs: number): string {
  const nano = parseNano(time);
  return nano === null ? "some time" : humanDuration(Math.max(0, nowMs * 1e6 - Number(nano))).toLowerCase();
}

/** `a, b and c`; at most `limit` of them by name. */
export function listed(names: readonly string[], limit = 5): string {
  const shown = names.slice(0, limit);
  const more = names.length - shown.length;
  if (more > 0) return `${shown.join(", ")} and ${more} more`;
  return shown.length < 2 ? shown.join("") : `${shown.slice(0, -1).join(", ")} and ${shown.at(-1)}`;
}
