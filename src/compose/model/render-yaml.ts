// A project as YAML, as Docker Compose prints it. Not a general YAML writer: block style only, Go's rules for quotes.

import { table } from "../../lib/table.ts";
import { Bare, type Printed, printedAny, printedProject, yamlForm } from "./printed.ts";
import type { Project } from "./project.ts";

/** Returns the project as YAML. */
export function renderProjectYaml(project: Project): string {
  const root = printedProject(yamlForm, project);
  if (project.name === "") root.delete("name");
  return block(root, "");
}

/** Returns any value as YAML. */
export function renderAnyYaml(value: unknown): string {
  return block(printedAny(yamlForm, value), "");
}

/** Writes a collection in block style, every line ended. */
function block(node: Printed, indent: string): string {
  if (node instanceof Map) {
    let text = "";
    for (const [name, member] of node) {
      const head = `${indent}${key(name)}:`;
      text += `${head}${afterKey(member, indent, head.length)}`;
    }
    return text === "" ? `${indent}{}\n` : text;
  }
  if (Array.isArray(node)) {
    return (node as readonly Printed[]).map((item) => `${indent}- ${inItem(item, `${indent}  `)}`).join("");
  }
  return `${indent}${scalarText(node as Bare | string, indent, indent.length)}\n`;
}

/** What follows a key that ends at a column. */
function afterKey(node: Printed, indent: string, column: number): string {
  if (isEmpty(node)) return ` ${node instanceof Map ? "{}" : "[]"}\n`;
  if (node instanceof Map || Array.isArray(node)) return `\n${block(node, `${indent}  `)}`;
  return ` ${scalarText(node as Bare | string, indent, column + 1)}\n`;
}

/** What follows a dash: the first member stands on its line. */
function inItem(node: Printed, indent: string): string {
  if (isEmpty(node)) return node instanceof Map ? "{}\n" : "[]\n";
  if (node instanceof Map || Array.isArray(node)) return block(node, indent).slice(indent.length);
  return `${scalarText(node as Bare | string, indent.slice(2), indent.length)}\n`;
}

function isEmpty(node: Printed): boolean {
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
