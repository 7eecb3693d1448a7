// Tokens of Go's text/template language. Turns the whole template into an array of tokens; the last one is
// always `eof` or `error` (whose value is the message). It does not check grammar, only what Go's scanner
// checks, with Go's wording (package text/template/parse, Go 1.24). Offsets are UTF-16 indices of the source.

/** Sort of token; keywords carry their own word as the type. */
export type TokenType =
  | "eof"
  | "error"
  | "text"
  | "open"
  | "close"
  | "space"
  | "assign"
  | "declare"
  | "pipe"
  | "leftParen"
  | "rightParen"
  | "char"
  | "charConstant"
  | "string"
  | "rawString"
  | "number"
  | "complex"
  | "bool"
  | "field"
  | "variable"
  | "identifier"
  | "dot"
  | Keyword;

export type Keyword =
  | "block"
  | "break"
  | "continue"
  | "define"
  | "else"
  | "end"
  | "if"
  | "range"
  | "nil"
  | "template"
  | "with";

export interface Token {
  readonly type: TokenType;
  readonly pos: number;
  readonly line: number;
  readonly value: string;
}

const keywords: ReadonlySet<string> = new Set<Keyword>([
  "block",
  "break",
  "continue",
  "define",
  "else",
  "end",
  "if",
  "range",
  "nil",
  "template",
  "with",
]);

const word = /[\p{L}\p{Nd}_]*/uy;
const blank = /[ \t\r\n]/;
const terminators = " \t\r\n.,|:()";

/** Tells whether the token type is one of the reserved words. */
export function isKeyword(type: TokenType): type is Keyword {
  return keywords.has(type);
}

/** Splits a template into tokens; never throws: a scanning error is the last token. */
export function tokenize(source: string): Token[] {
  const scanner = new Scanner(source);
  scanner.run();
  return scanner.tokens;
}

class Scanner {
  readonly tokens: Token[] = [];
  private readonly source: string;
  private pos = 0;
  private line = 1;
  private parens = 0;

  constructor(source: string) {
    this.source = source;
  }

  run(): void {
    while (this.text()) {
      while (this.inside()) {
        // one token of an action per turn
      }
      if (this.tokens.at(-1)?.type === "error") return;
    }
  }

  /** Scans text up to and including an opening delimiter; false at the end of the input or after an error. */
  private text(): boolean {
    for (;;) {
      const open = this.source.indexOf("{{", this.pos);
      const end = open < 0 ? this.source.length : open;
      const trims = open >= 0 && hasLeftTrim(this.source, open + 2);
      const raw = this.source.slice(this.pos, end);
      const kept = trims ? raw.replace(/[ \t\r\n]+$/, "") : raw;
      this.countLines(kept);
      if (kept !== "") this.push("text", this.pos, kept, this.line - newlines(kept));
      this.countLines(raw.slice(kept.length));
      this.pos = end;
      if (open < 0) {
        this.push("eof", this.pos, "");
        return false;
      }
      const after = open + (trims ? 4 : 2);
      if (this.source.startsWith("/*", after)) {
        if (!this.comment(after)) return false;
        continue;
      }
      this.push("open", open, "{{");
      this.countLines(this.source.slice(open, after));
      this.pos = after;
      this.parens = 0;
      return true;
    }
  }

  private comment(start: number): boolean {
    const close = this.source.indexOf("*/", start + 2);
    if (close < 0) return this.fail("unclosed comment");
    const end = close + 2;
    const trims = hasRightTrim(this.source, end) && this.source.startsWith("}}", end + 2);
    if (!trims && !this.source.startsWith("}}", end)) {
      return this.fail("comment ends before closing delimiter");
    }
    this.countLines(this.source.slice(start, end));
    this.pos = end + (trims ? 4 : 2);
    if (trims) this.skipBlanks();
    return true;
  }

  /** Scans one token inside an action; false when the action is closed or broken. */
  private inside(): boolean {
    const { source, pos } = this;
    const closing = this.closeLength(pos);
    if (closing > 0) {
      if (this.parens > 0) return this.fail("unclosed left paren");
      return this.close(closing);
    }
    if (pos >= source.length) return this.fail("unclosed action");
    const char = source.charAt(pos);
    if (blank.test(char)) return this.space();
    switch (char) {
      case "=":
        return this.emit("assign", 1);
      case ":":
        return source.charAt(pos + 1) === "=" ? this.emit("declare", 2) : this.fail("expected :=");
      case "|":
        return this.emit("pipe", 1);
      case '"':
        return this.quoted('"', "string", "unterminated quoted string");
      case "'":
        return this.quoted("'", "charConstant", "unterminated character constant");
      case "`":
        return this.rawQuoted();
      case "$":
        return this.named("variable");
      case "(":
        this.parens++;
        return this.emit("leftParen", 1);
      case ")":
        if (--this.parens < 0) return this.fail("unexpected right paren");
        return this.emit("rightParen", 1);
      case ".":
        return /[0-9]/.test(source.charAt(pos + 1)) ? this.number() : this.named("field");
    }
    if (/[0-9+-]/.test(char)) return this.number();
    if (this.wordEnd(pos) > pos) return this.identifier();
    if (char >= " " && char <= "~") return this.emit("char", 1);
    return this.fail(`unrecognized character in action: ${describeRune(source, pos)}`);
  }

  private closeLength(pos: number): number {
    if (hasRightTrim(this.source, pos) && this.source.startsWith("}}", pos + 2)) return 4;
    return this.source.startsWith("}}", pos) ? 2 : 0;
  }

  private close(length: number): false {
    const at = this.pos + length - 2;
    this.countLines(this.source.slice(this.pos, at));
    this.pos += length;
    this.push("close", at, "}}");
    if (length === 4) this.skipBlanks();
    return false;
  }

  private space(): boolean {
    const start = this.pos;
    let end = start;
    while (blank.test(this.source.charAt(end))) end++;
    // A trim marker takes the last blank with it, so leave that one to close().
    if (hasRightTrim(this.source, end - 1) && this.source.startsWith("}}", end + 1)) end--;
    if (end === start) return true;
    const text = this.source.slice(start, end);
    this.push("space", start, text);
    this.countLines(text);
    this.pos = end;
    return true;
  }

  private quoted(quote: string, type: TokenType, message: string): boolean {
    for (let at = this.pos + 1; at < this.source.length; at++) {
      const char = this.source.charAt(at);
      if (char === "\n") break;
      if (char === quote) return this.emit(type, at + 1 - this.pos);
      if (char === "\\") {
        at++;
        if (this.source.charAt(at) === "\n") break;
      }
    }
    return this.fail(message);
  }

  private rawQuoted(): boolean {
    const end = this.source.indexOf("`", this.pos + 1);
    if (end < 0) return this.fail("unterminated raw quoted string");
    return this.emit("rawString", end + 1 - this.pos);
  }

  private named(type: "field" | "variable"): boolean {
    const start = this.pos + 1;
    if (this.atTerminator(start)) return this.emit(type === "field" ? "dot" : type, 1);
    const end = this.wordEnd(start);
    if (!this.atTerminator(end)) return this.fail(`bad character ${describeRune(this.source, end)}`);
    return this.emit(type, end - this.pos);
  }

  private identifier(): boolean {
    const end = this.wordEnd(this.pos);
    const text = this.source.slice(this.pos, end);
    if (!this.atTerminator(end)) return this.fail(`bad character ${describeRune(this.source, end)}`);
    if (keywords.has(text)) return this.emit(text as Keyword, text.length);
    return this.emit(text === "true" || text === "false" ? "bool" : "identifier", text.length);
  }

  private number(): boolean {
    const first = this.numberEnd(this.pos);
    if (first.bad) return this.badNumber(first.end);
    const sign = this.source.charAt(first.end);
    if (sign !== "+" && sign !== "-") return this.emit("number", first.end - this.pos);
    const second = this.numberEnd(first.end);
    if (second.bad || this.source.charAt(second.end - 1) !== "i") return this.badNumber(second.end);
    return this.emit("complex", second.end - this.pos);
  }

  private numberEnd(start: number): { end: number; bad: boolean } {
    const pattern =
      /[+-]?(?:0[xX][0-9a-fA-F_]*(?:\.[0-9a-fA-F_]*)?(?:[pP][+-]?[0-9_]*)?|0[oO][0-7_]*(?:\.[0-7_]*)?|0[bB][01_]*(?:\.[01_]*)?|[0-9_]*(?:\.[0-9_]*)?(?:[eE][+-]?[0-9_]*)?)i?/y;
    pattern.lastIndex = start;
    const end = start + (pattern.exec(this.source)?.[0].length ?? 0);
    const next = this.source.codePointAt(end);
    if (next === undefined || this.wordEnd(end) === end) return { end, bad: false };
    return { end: end + (next > 0xffff ? 2 : 1), bad: true };
  }

  private badNumber(end: number): boolean {
    return this.fail(`bad number syntax: ${JSON.stringify(this.source.slice(this.pos, end))}`);
  }

  private wordEnd(at: number): number {
    word.lastIndex = at;
    return at + (word.exec(this.source)?.[0].length ?? 0);
  }

  private atTerminator(at: number): boolean {
    return (
      at >= this.source.length ||
      terminators.includes(this.source.charAt(at)) ||
      this.source.startsWith("}}", at)
    );
  }

  private skipBlanks(): void {
    while (this.pos < this.source.length && blank.test(this.source.charAt(this.pos))) {
      if (this.source.charAt(this.pos) === "\n") this.line++;
      this.pos++;
    }
  }

  private emit(type: TokenType, length: number): true {
    const text = this.source.slice(this.pos, this.pos + length);
    this.push(type, this.pos, text);
    this.countLines(text);
    this.pos += length;
    return true;
  }

  private fail(message: string): false {
    this.push("error", this.pos, message);
    return false;
  }

  private push(type: TokenType, pos: number, value: string, line = this.line): void {
    this.tokens.push({ type, pos, line, value });
  }

  private countLines(text: string): void {
    this.line += newlines(text);
  }
}

function newlines(text: string): number {
  let count = 0;
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) count++;
  return count;
}

function hasLeftTrim(source: string, at: number): boolean {
  return source.charAt(at) === "-" && blank.test(source.charAt(at + 1));
}

function hasRightTrim(source: string, at: number): boolean {
  return blank.test(source.charAt(at)) && source.charAt(at + 1) === "-";
}

/** Renders a character as Go's %#U: `U+0040 '@'`, without the quoted part when it cannot be printed. */
function describeRune(source: string, at: number): string {
  const code = source.codePointAt(at);
  if (code === undefined) return "U+FFFFFFFFFFFFFFFF";
  const hex = code.toString(16).toUpperCase().padStart(4, "0");
  const text = String.fromCodePoint(code);
  return /[\p{C}\p{Z}]/u.test(text) && text !== " " ? `U+${hex}` : `U+${hex} '${text}'`;
}
