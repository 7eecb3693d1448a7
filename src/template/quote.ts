// Go's string literals: strconv.Quote and strconv.Unquote. Strings are JavaScript strings; a \xNN escape that
// does not form valid UTF-8 becomes U+FFFD, since Berth has no byte strings in templates.

import { table } from "../lib/table.ts";

const short: Readonly<Record<string, string>> = table({
  "\u0007": "\\a",
  "\b": "\\b",
  "\f": "\\f",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
  "\v": "\\v",
  "\\": "\\\\",
});

const long: Readonly<Record<string, string>> = table({
  a: "\u0007",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
  "\\": "\\",
  "'": "'",
  '"': '"',
});

/** Returns the text as a Go string literal in double quotes (strconv.Quote). */
export function quote(text: string): string {
  return `"${escape(text, '"')}"`;
}

/** Returns the character as a Go rune literal in single quotes (strconv.QuoteRune). */
export function quoteRune(text: string): string {
  return `'${escape(text, "'")}'`;
}

function escape(text: string, mark: string): string {
  let out = "";
  for (const char of text) {
    const code = char.codePointAt(0) ?? 0;
    if (char === mark) out += `\\${mark}`;
    else if (short[char] !== undefined) out += short[char];
    else if (code < 0x20 || code === 0x7f) out += `\\x${hex(code, 2)}`;
    else if (code >= 0xd800 && code <= 0xdfff) out += "\ufffd";
    else if (char !== " " && /[\p{C}\p{Z}]/u.test(char)) {
      out += code > 0xffff ? `\\U${hex(code, 8)}` : `\\u${hex(code, 4)}`;
    } else out += char;
  }
  return out;
}

function hex(code: number, width: number): string {
  return code.toString(16).padStart(width, "0");
}

/** Returns the text of a Go string, raw string or rune literal with its quotes, or undefined when it is malformed. */
export function unquote(literal: string): string | undefined {
  const mark = literal.charAt(0);
  if (literal.length < 2 || literal.at(-1) !== mark) return undefined;
  const body = literal.slice(1, -1);
  if (mark === "`") return body.includes("`") ? undefined : body.replaceAll("\r", "");
  if (!body.includes("\\")) return body.includes(mark) || body.includes("\n") ? undefined : body;
  const bytes: number[] = [];
  let out = "";
  const flush = (): void => {
    if (bytes.length > 0) out += new TextDecoder().decode(Uint8Array.from(bytes.splice(0)));
  };
  for (let at = 0; at < body.length; ) {
    const char = body.charAt(at);
    if (char === mark || char === "\n") return undefined;
    if (char !== "\\") {
      flush();
      out += char;
      at++;
      continue;
    }
    const escape = readEscape(body, at + 1, mark);
    if (escape === undefined) return undefined;
    if (escape.byte) bytes.push(escape.code);
    else {
      flush();
      out += String.fromCodePoint(escape.code);
    }
    at = escape.end;
  }
  flush();
  return out;
}

function readEscape(
  body: string,
  at: number,
  mark: string,
): { code: number; byte: boolean; end: number } | undefined {
  const char = body.charAt(at);
  if ((char === "'" || char === '"') && char !== mark) return undefined;
  const simple = long[char];
  if (simple !== undefined) return { code: simple.charCodeAt(0), byte: false, end: at + 1 };
  const digits = { x: 2, u: 4, U: 8 }[char];
  const text = digits === undefined ? body.slice(at, at + 3) : body.slice(at + 1, at + 1 + digits);
  const pattern = digits === undefined ? /^[0-7]{3}$/ : /^[0-9a-fA-F]+$/;
  if (!pattern.test(text) || text.length !== (digits ?? 3)) return undefined;
  const code = Number.parseInt(text, digits === undefined ? 8 : 16);
  const byte = digits === undefined || char === "x";
  if (byte ? code > 255 : code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return undefined;
  return { code, byte: byte && code > 127, end: at + text.length + (digits === undefined ? 0 : 1) };
}
