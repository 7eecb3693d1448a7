// A project as YAML, as Docker Compose prints it. Not a general YAML writer: block style only, Go's rules for quotes.

import { formatDuration } from "../../lib/units/duration.ts";
import { config, network, secret, volume } from "../schema/file.ts";
import { service as serviceShape } from "../schema/service.ts";
import type { ObjectShape, Shape } from "../schema/shape.ts";
import { printNumber } from "../tree/node.ts";
import { type Project, sortedEntries } from "./project.ts";
import { hostLines, isOmitted, printFloat32, withoutNames, withoutResolvedContent } from "./render-json.ts";
import { table } from "../../lib/table.ts";

/** A scalar that needs no quotes whatever it looks like. */
class Bare {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

type Yaml = Bare | string | readonly Yaml[] | Map<string, Yaml>;

const nothing = new Bare("null");

/** Returns the project as YAML. */
export function renderProjectYaml(project: Project): string {
  const root = new Map<string, Yaml>([["name", project.name]]);
  root.set("services", namedYaml(serviceShape, withoutNames(project.services)));
  const add = (name: string, shape: Shape, values: Readonly<Record<string, unknown>>): void => {
    if (Object.keys(values).length > 0) root.set(name, namedYaml(shape, values));
  };
  add("networks", network, project.networks);
  add("volumes", volume, project.volumes);
  add("secrets", secret, project.secrets);
  add("configs", config, withoutResolvedContent(project.configs));
  for (const [name, value] of sortedEntries(project.extensions)) root.set(name, anyYaml(value));
  return block(root, "");
}

/** Returns any value as YAML. */
export function renderAnyYaml(value: unknown): string {
  return block(anyYaml(value), "");
}

function namedYaml(shape: Shape, values: Readonly<Record<string, unknown>>): Yaml {
  return new Map(naturalEntries(values).map(([name, value]) => [name, toYaml(shape, value)]));
}

function toYaml(shape: Shape, value: unknown): Yaml {
  if (value === null || value === undefined) return nothing;
  switch (shape.kind) {
    case "text":
      return value as string;
    case "bool":
    case "int":
    case "count":
      return new Bare(String(value as number));
    case "float":
      return new Bare(printFloat32(value as number));
    case "bytes":
      return String(value as number);
    case "duration":
      return formatDuration(value as number);
    case "mode":
      return `0${(value as number).toString(8)}`;
    case "command":
      return value as readonly string[];
    case "pairs":
      return new Map(
        naturalEntries(value as Record<string, string | null>).map(([name, text]) => [name, text ?? nothing]),
      );
    case "hosts":
      return hostLines(value as Record<string, readonly string[]>);
    case "list":
      return (value as readonly unknown[]).map((item) => toYaml(shape.item, item));
    case "map":
      return namedYaml(shape.value, value as Record<string, unknown>);
    case "either":
      return typeof value === "object"
        ? objectYaml(shape.object, value as Record<string, unknown>)
        : toYaml(shape.scalar, value);
    case "any":
      return anyYaml(value);
    case "object":
      return objectYaml(shape, value as Record<string, unknown>);
  }
}

function objectYaml(shape: ObjectShape, value: Readonly<Record<string, unknown>>): Yaml {
  const members = new Map<string, Yaml>();
  for (const [name, field] of Object.entries(shape.fields)) {
    const member = value[name];
    if (member === undefined || member === null || isOmitted(field, member)) continue;
    const rendered = toYaml(field, member);
    if (field.isEmbedded === true && rendered instanceof Map && rendered.size === 0) continue;
    members.set(name, rendered);
  }
  for (const [name, member] of sortedEntries(value))
    if (name.startsWith("x-") && !Object.hasOwn(shape.fields, name)) members.set(name, anyYaml(member));
  return members;
}

function anyYaml(value: unknown): Yaml {
  if (value === null || value === undefined) return nothing;
  if (typeof value === "number") return new Bare(printNumber(value));
  if (typeof value === "boolean") return new Bare(String(value));
  if (typeof value === "string") return value;
  if (Array.isArray(value)) return value.map(anyYaml);
  return new Map(
    naturalEntries(value as Record<string, unknown>).map(([name, member]) => [name, anyYaml(member)]),
  );
}

/** compat: Go's YAML package sorts keys with numbers in them by these numbers. */
function naturalEntries<T>(record: Readonly<Record<string, T>>): [string, T][] {
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

/** Writes a collection in block style, every line ended. */
function block(node: Yaml, indent: string): string {
  if (node instanceof Map) {
    let text = "";
    for (const [name, member] of node) {
      const head = `${indent}${key(name)}:`;
      text += `${head}${afterKey(member, indent, head.length)}`;
    }
    return text === "" ? `${indent}{}\n` : text;
  }
  if (Array.isArray(node)) {
    return (node as readonly Yaml[]).map((item) => `${indent}- ${inItem(item, `${indent}  `)}`).join("");
  }
  return `${indent}${scalarText(node as Bare | string, indent, indent.length)}\n`;
}

/** What follows a key that ends at a column. */
function afterKey(node: Yaml, indent: string, column: number): string {
  if (isEmpty(node)) return ` ${node instanceof Map ? "{}" : "[]"}\n`;
  if (node instanceof Map || Array.isArray(node)) return `\n${block(node, `${indent}  `)}`;
  return ` ${scalarText(node as Bare | string, indent, column + 1)}\n`;
}

/** What follows a dash: the first member stands on its line. */
function inItem(node: Yaml, indent: string): string {
  if (isEmpty(node)) return node instanceof Map ? "{}\n" : "[]\n";
  if (node instanceof Map || Array.isArray(node)) return block(node, indent).slice(indent.length);
  return `${scalarText(node as Bare | string, indent.slice(2), indent.length)}\n`;
}

function isEmpty(node: Yaml): boolean {
  return (node instanceof Map && node.size === 0) || (Array.isArray(node) && node.length === 0);
}

const key = (name: string): string => scalarText(name, undefined, 0);

/** Lines are folded at the first blank behind this column. */
const WIDTH = 80;

/** Returns a scalar's text; `indent` is the one of its line, undefined where it must not be folded. */
function scalarText(node: Bare | string, indent: string | undefined, column: number): string {
  if (node instanceof Bare) return node.text;
  const isSpecial = /[^\P{C}\n]|[\u2028\u2029\uFEFF]|[\u{10000}-\u{10FFFF}]/u.test(node);
  if (indent !== undefined && node.includes("\n") && !isSpecial && !/[ \t]$|[ \t]\n/.test(node))
    return literal(node, `${indent}  `);
  const folded = (text: string, start: number): string =>
    indent === undefined ? text : fold(text, column + start, `\n${indent}  `);
  if (looksLikeAnother(node) || isSpecial || node.includes("\n")) return folded(doubleQuoted(node), 0);
  if (isPlain(node) && !looksLikeOld(node)) return folded(node, 0);
  return folded(`'${node.replaceAll("'", "''")}'`, 0);
}

/** Breaks a line at single blanks behind the width. */
function fold(text: string, column: number, lineBreak: string): string {
  let at = column;
  let result = "";
  const chars = [...text];
  for (const [index, char] of chars.entries()) {
    const isBreak =
      char === " " &&
      at > WIDTH &&
      chars[index - 1] !== " " &&
      chars[index + 1] !== " " &&
      index < chars.length - 1;
    if (isBreak) {
      result += lineBreak;
      at = lineBreak.length - 1;
    } else {
      result += char;
      at++;
    }
  }
  return result;
}

const shortEscapes: Readonly<Record<string, string>> = table({
  "\0": "0",
  "\x07": "a",
  "\b": "b",
  "\t": "t",
  "\n": "n",
  "\v": "v",
  "\f": "f",
  "\r": "r",
  "\x1b": "e",
  '"': '"',
  "\\": "\\",
  "\u0085": "N",
  "\u2028": "L",
  "\u2029": "P",
});

function doubleQuoted(text: string): string {
  const escaped = text.replace(/["\\]|[^\P{C}]|[\u2028\u2029\uFEFF]|[\u{10000}-\u{10FFFF}]/gu, (char) => {
    const short = shortEscapes[char];
    if (short !== undefined) return `\\${short}`;
    const hex = (char.codePointAt(0) as number).toString(16).toUpperCase();
    if (hex.length <= 2) return `\\x${hex.padStart(2, "0")}`;
    return hex.length <= 4 ? `\\u${hex.padStart(4, "0")}` : `\\U${hex.padStart(8, "0")}`;
  });
  return `"${escaped}"`;
}

function literal(text: string, indent: string): string {
  const chomping = text.endsWith("\n\n") ? "+" : text.endsWith("\n") ? "" : "-";
  const lines = text.replace(/\n$/, "").split("\n");
  const hint = /^[ \n]/.test(text) ? "2" : "";
  return `|${hint}${chomping}\n${lines.map((line) => (line === "" ? "" : `${indent}${line}`)).join("\n")}`;
}

/** A text that older YAML reads as something else: a boolean, a number with base 60, a merge key. */
function looksLikeOld(text: string): boolean {
  if (/^(?:y|Y|yes|Yes|YES|on|On|ON|n|N|no|No|NO|off|Off|OFF|<<)$/.test(text)) return true;
  return /^[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?$/.test(text);
}

/** A text that would be read as something else: a number, a boolean, null, a date. */
function looksLikeAnother(text: string): boolean {
  if (text === "") return true;
  if (/^(?:~|null|Null|NULL|true|True|TRUE|false|False|FALSE)$/.test(text)) return true;
  if (/^[-+]?(?:\.inf|\.Inf|\.INF)$|^\.(?:nan|NaN|NAN)$/.test(text)) return true;
  if (/^[-+]?(?:0b[01_]+|0o?[0-7_]+|0x[0-9a-fA-F_]+|[0-9][0-9_]*)$/.test(text)) return true;
  if (/^[-+]?(?:\.[0-9]+|[0-9][0-9_]*(?:\.[0-9_]*)?)(?:[eE][-+]?[0-9]+)?$/.test(text)) return true;
  return /^\d{4}-\d{1,2}-\d{1,2}(?:[Tt ]+\d{1,2}:\d{1,2}:\d{1,2}(?:\.\d*)?(?:Z| ?[-+]\d.*)?)?$/.test(text);
}

function isPlain(text: string): boolean {
  if (/^[#,[\]{}&*!|>'"%@`]/.test(text) || /^[-?:](?:\s|$)/.test(text)) return false;
  if (/^(?:---|\.\.\.)/.test(text)) return false;
  return !/: |:$| #|^\s|\s$|\n|[^\P{C}]/u.test(text);
}
