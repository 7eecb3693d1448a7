// The order in which Go's YAML package prints the keys of a mapping.

/** compat: Go's YAML package sorts keys with numbers in them by these numbers. */
export function naturalEntries<T>(record: Readonly<Record<string, T>>): [string, T][] {
  return Object.entries(record).sort(([a], [b]) => compareKeys(a, b));
}

function compareKeys(a: string, b: string): number {
  const [left, right] = [[...a], [...b]];
  const isDigit = (char: string | undefined): boolean => char !== undefined && /\d/.test(char);
  const isLetter = (char: string | undefined): boolean => char !== undefined && /\p{L}/u.test(char);
  let digits = false;
  for (let i = 0; i < left.length && i < right.length; i++) {
    const [l, r] = [left[i] as string, right[i] as string];
    if (l === r) {
      digits = isDigit(l);
      continue;
    }
    if (isLetter(l) && isLetter(r)) return l < r ? -1 : 1;
    if (isLetter(l) || isLetter(r)) return digits === isLetter(l) ? -1 : 1;
    if (!isDigit(l) || !isDigit(r)) return l < r ? -1 : 1;
    return compareNumbers(left, right, i);
  }
  return left.length - right.length;
}

function compareNumbers(left: readonly string[], right: readonly string[], at: number): number {
  let start = at;
  const isDigit = (char: string | undefined): boolean => char !== undefined && /\d/.test(char);
  if (left[at] === "0" || right[at] === "0") {
    while (start > 0 && isDigit(left[start - 1])) start--;
  }
  const number = (chars: readonly string[]): [number, number] => {
    let end = start;
    let value = 0;
    while (isDigit(chars[end])) value = value * 10 + Number(chars[end++]);
    return [value, end];
  };
  const [[a, endA], [b, endB]] = [number(left), number(right)];
  if (a !== b) return a - b;
  if (endA !== endB) return endA - endB;
  return (left[at] as string) < (right[at] as string) ? -1 : 1;
}
