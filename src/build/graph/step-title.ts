// How a step is called where BuildKit's clients show it: the instruction with its variables replaced, a script by its first line.

import { type ExpandOptions, expandWord } from "../dockerfile/expand.ts";
import { heredocText, parseHeredocMark } from "../dockerfile/heredoc.ts";
import type { StageInstruction } from "../dockerfile/instructions.ts";

export interface TitleScope {
  readonly escape: string;
  /** Returns the value of a variable, undefined for none. */
  lookup(name: string): string | undefined;
}

function expanded(text: string, scope: TitleScope, options: ExpandOptions): string {
  try {
    const title = expandWord(text, (name) => scope.lookup(name), { ...options, escape: scope.escape });
    return title.replace(/^\S+/, (verb) => verb.toUpperCase());
  } catch {
    return text; // ignored: what a shell makes of it is the shell's business
  }
}

/** Returns the title of what has a line of its own; undefined for other instructions. */
export function stepTitle(instruction: StageInstruction, scope: TitleScope): string | undefined {
  const { kind, text } = instruction;
  if (kind === "copy" || kind === "add" || kind === "workdir") return expanded(text, scope, {});
  if (kind !== "run") return undefined;
  const [script] = instruction.heredocs;
  const isScript = script !== undefined && parseHeredocMark(instruction.command.words[0] ?? "") !== undefined;
  const [first = "", ...more] = isScript ? heredocText(script).trim().split(/\r?\n/) : [];
  const summary = isScript ? ` (${first}${more.length > 0 ? "..." : ""})` : "";
  return expanded(text + summary, scope, { keepQuotes: true, keepUnset: true });
}
