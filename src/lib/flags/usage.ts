// The options block of a help page, laid out as pflag lays it out: flags in alphabetical order, the usage texts
// in one column, wrapped to the terminal's width.

import type { FlagTable } from "./spec.ts";

/** Fewer columns than this are not worth a column of text of its own. */
const narrow = 24;
/** pflag's tolerance: a line may be this much longer rather than leave a short rest on the next. */
const slop = 5;

/** Returns the lines that describe the table's visible flags, wrapped at `width` columns, each ended by a newline. */
export function flagUsages(table: FlagTable, width: number): string {
  const rows: { head: string; text: string }[] = [];
  for (const name of Object.keys(table).sort()) {
    const spec = table[name];
    if (spec === undefined || spec.hidden === true || spec.deprecated !== undefined || spec.os !== undefined)
      continue;
    const isShort = spec.short !== undefined && spec.shortDeprecated === undefined;
    const label = isShort ? `  -${spec.short}, --${name}` : `      --${name}`;
    const shown =
      spec.defaultText === undefined || spec.defaultText === "" ? "" : ` (default ${spec.defaultText})`;
    rows.push({ head: spec.type === "" ? label : `${label} ${spec.type}`, text: `${spec.usage}${shown}` });
  }
  const column = Math.max(0, ...rows.map((row) => row.head.length)) + 3;
  return rows.map((row) => `${row.head.padEnd(column)}${wrap(row.text, column, width)}\n`).join("");
}

function wrap(text: string, indent: number, width: number): string {
  if (width === 0) return text.replaceAll("\n", `\n${" ".repeat(indent)}`);
  let left = indent;
  let room = width - left;
  let out = "";
  if (room < narrow) {
    left = 16;
    room = width - left;
    out = `\n${" ".repeat(left)}`;
  }
  if (room < narrow) return text.replaceAll("\n", `\n${" ".repeat(left)}`);
  room -= slop;
  const margin = `\n${" ".repeat(left)}`;
  let rest = text;
  for (let first = true; first || rest !== ""; first = false) {
    const [line, tail] = takeLine(room, rest);
    out += `${first ? "" : margin}${line.replaceAll("\n", margin)}`;
    rest = tail;
  }
  return out;
}

function takeLine(room: number, text: string): [string, string] {
  if (room + slop > text.length) return [text, ""];
  const blank = lastBlank(text.slice(0, room));
  if (blank <= 0) return [text, ""];
  const newline = text.slice(0, room).lastIndexOf("\n");
  if (newline > 0 && newline < blank) return [text.slice(0, newline), text.slice(newline + 1)];
  return [text.slice(0, blank), text.slice(blank + 1)];
}

function lastBlank(text: string): number {
  return Math.max(text.lastIndexOf(" "), text.lastIndexOf("\t"), text.lastIndexOf("\n"));
}
