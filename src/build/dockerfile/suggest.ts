// "did you mean": the nearest of some words by edit distance, as BuildKit offers it for instructions and flags.

/** Distances from here on are no resemblance. */
const TOO_FAR = 3;

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(substitution, (row[j] as number) + 1, (next[j - 1] as number) + 1));
    }
    row = next;
  }
  return row[b.length] as number;
}

/** Returns the option nearest to `word`, undefined when none is near or one is equal. */
export function findNearest(word: string, options: readonly string[]): string | undefined {
  if (word.length > 64 || options.includes(word)) return undefined;
  let best: string | undefined;
  let bestDistance = TOO_FAR;
  for (const option of options) {
    const distance = editDistance(word, option);
    if (distance >= bestDistance) continue;
    best = option;
    bestDistance = distance;
  }
  return best;
}

/** Returns ` (did you mean x?)` or "". Without `isCaseSensitive` the suggestion takes the case of the word. */
export function suggestion(
  word: string,
  options: readonly string[],
  how: { isCaseSensitive: boolean },
): string {
  if (how.isCaseSensitive) {
    const match = findNearest(word, options);
    return match === undefined ? "" : ` (did you mean ${match}?)`;
  }
  const match = findNearest(
    word.toLowerCase(),
    options.map((o) => o.toLowerCase()),
  );
  if (match === undefined) return "";
  return ` (did you mean ${word === word.toUpperCase() && word !== word.toLowerCase() ? match.toUpperCase() : match}?)`;
}
