// Reads .env files: `KEY=value`, `export KEY=value`, quotes, comments, values over several lines, variables in values.
// The raw format takes every line as it is.

import { Fault } from "../../lib/errors.ts";
import { type Lookup, substitute } from "./substitute.ts";
import { table } from "../../lib/table.ts";

/** Escapes that double quotes know; `\$` is left to the substitution as `$$`. */
const ESCAPE = /\\(?:[abcfnrtv$"\\]|0\d{0,3})/g;
const escapes: Readonly<Record<string, string>> = table({
  a: "\x07",
  b: "\b",
  c: "\\c",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
  $: "$$",
  '"': '"',
  "\\": "\\",
});

export interface DotenvOptions {
  /** Shown in errors. */
  readonly file: string;
  /** Values that variables in values have before the file's own. */
  readonly lookup: Lookup;
  readonly onUnset?: ((name: string) => void) | undefined;
}

/** Reads a file's text into `variables`. Throws a Fault that names the line. */
export function parseDotenv(text: string, variables: Map<string, string>, options: DotenvOptions): void {
  new DotenvParser(text.replace(/^\uFEFF/, ""), variables, options).run();
}

/** Reads the raw format: what follows the first "=" is the value, whatever it is. */
export function parseRawEnv(text: string, variables: Map<string, string>): void {
  for (const line of text.replace(/^\uFEFF/, "").split("\n")) {
    const trimmed = line.replace(/\r$/, "");
    if (trimmed.trim() === "" || trimmed.trimStart().startsWith("#")) continue;
    const equals = trimmed.indexOf("=");
    if (equals > 0) variables.set(trimmed.slice(0, equals), trimmed.slice(equals + 1));
  }
}

class DotenvParser {
  readonly #text: string;
  readonly #variables: Map<string, string>;
  readonly #options: DotenvOptions;
  #at = 0;

  constructor(text: string, variables: Map<string, string>, options: DotenvOptions) {
    this.#text = text;
    this.#variables = variables;
    this.#options = options;
  }

  run(): void {
    for (;;) {
      this.#skip(/\s+/y);
      if (this.#at >= this.#text.length) return;
      if (this.#text.charAt(this.#at) === "#") this.#skip(/[^\n]*/y);
      else this.#statement();
    }
  }

  #skip(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0] ?? "";
    this.#at += found.length;
    return found;
  }

  #statement(): void {
    this.#skip(/export(?:[^\S\n])+/y);
    const start = this.#at;
    const written = this.#skip(/[\p{L}\p{N}_.\-[\]\t\v\f\r \u0085\u00A0]*/uy);
    const next = this.#text.charAt(this.#at);
    if (next !== "" && next !== "=" && next !== ":" && next !== "\n") {
      const line = this.#text.slice(start).split("\n", 1)[0] as string;
      throw this.#fault(
        `unexpected character ${JSON.stringify(next)} in variable name ${JSON.stringify(line)}`,
      );
    }
    const name = written.trim();
    if (name.includes(" ")) throw this.#fault("key cannot contain a space");
    if (next === "" || next === "\n") {
      // A name alone: the value is the one that it has already.
      const inherited = this.#options.lookup(name);
      if (inherited !== undefined) this.#variables.set(name, inherited);
      return;
    }
    this.#at++;
    this.#skip(/[^\S\n]*/y);
    this.#variables.set(name, this.#value());
  }

  #value(): string {
    const quote = this.#text.charAt(this.#at);
    if (quote !== '"' && quote !== "'") {
      const line = this.#skip(/[^\n]*/y);
      return this.#expand((line.split(" #", 1)[0] as string).trimEnd());
    }
    const body = this.#quoted(quote);
    return quote === "'" ? body : this.#expand(body.replace(ESCAPE, unescape));
  }

  #quoted(quote: string): string {
    const start = this.#at++;
    let body = "";
    for (; this.#at < this.#text.length; this.#at++) {
      const char = this.#text.charAt(this.#at);
      if (char === quote) {
        this.#at++;
        return body;
      }
      if (char === "\\" && this.#at + 1 < this.#text.length) {
        const next = this.#text.charAt(++this.#at);
        body += next === quote ? next : `\\${next}`;
      } else body += char;
    }
    this.#at = start;
    throw this.#fault(`unterminated quoted value ${this.#text.slice(start).split("\n", 1)[0]}`);
  }

  #expand(value: string): string {
    try {
      return substitute(value, {
        lookup: (name) => this.#options.lookup(name) ?? this.#variables.get(name),
        onUnset: this.#options.onUnset,
      });
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      throw this.#fault(error.message);
    }
  }

  #fault(message: string): Fault {
    const line = this.#text.slice(0, this.#at).split("\n").length;
    return new Fault("invalidParameter", `failed to read ${this.#options.file}: line ${line}: ${message}`, {
      code: "compose.dotenv",
    });
  }
}

function unescape(match: string): string {
  const body = match.slice(1);
  const known = escapes[body];
  if (known !== undefined) return known;
  // An octal number has a zero and three digits more.
  return /^0[0-3][0-7]{2}$/.test(body) ? String.fromCharCode(Number.parseInt(body, 8)) : match;
}
