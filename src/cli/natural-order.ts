// The order of names that Docker's lists have.

/** Orders numbers within text by their value (80 before 443) and everything else by bytes. */
export function naturally(a: string, b: string): number {
  const split = (text: string): string[] => text.match(/\d+|\D/g) ?? [];
  const left = split(a);
  const right = split(b);
  for (const [index, part] of left.entries()) {
    const other = right[index];
    if (other === undefined) return 1;
    if (part === other) continue;
    const areNumbers = /^\d/.test(part) && /^\d/.test(other);
    return areNumbers ? Number(part) - Number(other) : part < other ? -1 : 1;
  }
  return left.length - right.length;
}
