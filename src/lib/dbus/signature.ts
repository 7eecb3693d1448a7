// D-Bus signatures as trees (D-Bus specification, "Type System"). A variant says its own.

import { Fault } from "../errors.ts";

export type BasicCode = "y" | "b" | "n" | "q" | "i" | "u" | "x" | "t" | "d" | "s" | "o" | "g" | "h";

export type DbusType =
  | { kind: "basic"; code: BasicCode }
  | { kind: "variant" }
  | { kind: "array"; of: DbusType }
  /** Also a dictionary's entry. */
  | { kind: "struct"; fields: readonly DbusType[] };

const BASIC: ReadonlySet<string> = new Set("ybnqiuxtdsogh");
/** The specification's limit for arrays and for structs, taken together. */
const MAX_DEPTH = 64;

export function malformed(why: string): Fault {
  return new Fault("invalidParameter", `malformed D-Bus data: ${why}`, { code: "dbus.malformed" });
}

/** Returns the types of a signature. Throws Fault for what is none. */
export function parseSignature(text: string): DbusType[] {
  let at = 0;
  const take = (depth: number): DbusType => {
    if (depth > MAX_DEPTH) throw malformed("a signature nests too deeply");
    const code = text[at++] ?? "";
    if (BASIC.has(code)) return { kind: "basic", code: code as BasicCode };
    if (code === "v") return { kind: "variant" };
    if (code === "a") return { kind: "array", of: take(depth + 1) };
    const end = code === "(" ? ")" : code === "{" ? "}" : "";
    if (end === "") throw malformed(`"${text}" is not a signature`);
    const fields: DbusType[] = [];
    while (text[at] !== end) fields.push(take(depth + 1));
    at++;
    if (fields.length === 0 || (code === "{" && fields.length !== 2))
      throw malformed(`"${text}" is not a signature`);
    return { kind: "struct", fields };
  };
  const types: DbusType[] = [];
  while (at < text.length) types.push(take(0));
  return types;
}

/** Returns what the start of a value of this type is a multiple of. */
export function alignmentOf(type: DbusType): 1 | 2 | 4 | 8 {
  if (type.kind === "struct") return 8;
  if (type.kind === "array") return 4;
  if (type.kind === "variant") return 1;
  return ALIGNMENT[type.code];
}

const ALIGNMENT: Readonly<Record<BasicCode, 1 | 2 | 4 | 8>> = {
  y: 1,
  b: 4,
  n: 2,
  q: 2,
  i: 4,
  u: 4,
  x: 8,
  t: 8,
  d: 8,
  s: 4,
  o: 4,
  g: 1,
  h: 4,
};
