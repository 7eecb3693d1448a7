// Here-documents of RUN, COPY and ADD: `<<EOF`, `<<-EOF`, `<<"EOF"`, several in a line.

import { expandWords } from "./expand.ts";

/** One here-document. `content` is empty until the lines are read. */
export interface Heredoc {
  readonly name: string;
  /** Variables in the content are replaced: the word was not quoted. */
  readonly isExpanded: boolean;
  /** `<<-`: leading tabs are dropped. */
  readonly isChomped: boolean;
  readonly content: string;
}

const MARK = /^(\d*)<<(-?)\s*([^<]*)$/;
const UNSET = (): undefined => undefined;
const countQuotes = (text: string): number => text.split(/['"]/).length;

/** Reads one word as the start of a here-document; undefined when it is none. */
export function parseHeredocMark(word: string): Heredoc | undefined {
  const match = MARK.exec(word);
  const rest = match?.[3] ?? "";
  if (match === null || rest === "") return undefined;
  let words: readonly string[];
  let raw: readonly string[];
  try {
    words = expandWords(rest, UNSET, { keepUnset: true });
    raw = expandWords(rest, UNSET, { keepUnset: true, keepQuotes: true });
  } catch {
    return undefined; // ignored: unbalanced quotes are no name
  }
  const name = words[0];
  if (words.length !== 1 || name === undefined || raw[0] === undefined) return undefined;
  return {
    name,
    isExpanded: countQuotes(name) === countQuotes(raw[0]),
    isChomped: match[2] === "-",
    content: "",
  };
}

/** Finds the here-documents that a line opens, in order. */
export function findHeredocs(line: string): Heredoc[] {
  let words: readonly string[];
  try {
    words = expandWords(line, UNSET, { keepUnset: true, keepQuotes: true, keepEscapes: true });
  } catch {
    return []; // ignored: a line with unbalanced quotes opens no here-document; its instruction reports what is wrong
  }
  return words.map(parseHeredocMark).filter((heredoc) => heredoc !== undefined);
}

/** Returns the content as the command sees it: leading tabs dropped where `<<-` asked for it. */
export function heredocText(heredoc: Heredoc): string {
  return heredoc.isChomped ? heredoc.content.replace(/^\t+/gm, "") : heredoc.content;
}
