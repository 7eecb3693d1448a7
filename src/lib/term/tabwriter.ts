// Elastic tab stops as Go's text/tabwriter lays them out (flags 0): cells end with a tab, a column is a run of
// consecutive lines that have that cell, and its width is its widest cell plus padding, at least the minimum. The
// text after a line's last tab belongs to no column. Widths are counted in code points.

export interface TabOptions {
  readonly minWidth: number;
  readonly padding: number;
}

/** Docker's tables. */
export const tableTabs: TabOptions = { minWidth: 10, padding: 3 };

/** Lays out the text; only whole lines should be passed. */
export function layoutTabs(text: string, options: TabOptions = tableTabs): string {
  const lines = text.split("\n").map((line) => line.split("\t"));
  const out: string[][] = lines.map(() => []);
  format(lines, out, [], 0, lines.length, options);
  return out.map((parts) => parts.join("")).join("\n");
}

/** Lays out lines [from, to), whose first `widths.length` columns are known already. */
function format(
  lines: readonly (readonly string[])[],
  out: string[][],
  widths: readonly number[],
  from: number,
  to: number,
  options: TabOptions,
): void {
  const column = widths.length;
  let done = from;
  for (let at = from; at < to; at++) {
    if (column >= cells(lines, at) - 1) continue;
    emit(lines, out, widths, done, at);
    let end = at;
    let width = options.minWidth;
    for (; end < to && column < cells(lines, end) - 1; end++) {
      width = Math.max(width, runes(lines[end]?.[column] ?? "") + options.padding);
    }
    format(lines, out, [...widths, width], at, end, options);
    done = end;
    at = end - 1;
  }
  emit(lines, out, widths, done, to);
}

function emit(
  lines: readonly (readonly string[])[],
  out: string[][],
  widths: readonly number[],
  from: number,
  to: number,
): void {
  for (let at = from; at < to; at++) {
    const line = lines[at] ?? [];
    for (const [column, cell] of line.entries()) {
      const width = column < line.length - 1 ? (widths[column] ?? 0) : 0;
      out[at]?.push(cell, " ".repeat(Math.max(0, width - runes(cell))));
    }
  }
}

function cells(lines: readonly (readonly string[])[], at: number): number {
  return lines[at]?.length ?? 0;
}

function runes(text: string): number {
  let count = 0;
  for (const _ of text) count++;
  return count;
}
