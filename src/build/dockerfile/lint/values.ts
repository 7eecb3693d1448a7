// Words with the values that are known, and the names that have none.

import { expandWord, expandWords } from "../expand.ts";

/** A word with its variables replaced. */
export interface Expanded {
  readonly text: string;
  /** Names that had a value. */
  readonly matched: ReadonlySet<string>;
  /** Names that had none, whatever the word makes of that. */
  readonly unmatched: ReadonlySet<string>;
}

export type Values = ReadonlyMap<string, string>;

/** Replaces the variables of a word; undefined where the word is none, of which the build tells with its place. */
export function expandKnown(
  word: string,
  values: Values,
  options: { escape: string; ignoreQuotes?: boolean },
): Expanded | undefined {
  const matched = new Set<string>();
  const unmatched = new Set<string>();
  const lookup = (name: string): string | undefined => {
    (values.has(name) ? matched : unmatched).add(name);
    return values.get(name);
  };
  try {
    return { text: expandWord(word, lookup, options), matched, unmatched };
  } catch {
    return undefined; // ignored: the build reports it
  }
}

/** Replaces the variables of a word, which may become several. */
export function wordsKnown(word: string, values: Values, escape: string): readonly string[] {
  try {
    return expandWords(word, (name) => values.get(name), { escape });
  } catch {
    return []; // ignored: the build reports it
  }
}
