// Variables and quotes in the words of a Dockerfile, as BuildKit's shell lexer treats them: `$name`, `${name}` and the
// modifiers `-`, `:-`, `+`, `:+`, `?`, `:?`, `#`, `##`, `%`, `%%`, `/`, `//`; single and double quotes; the escape
// character. It is not a shell: no commands, no arithmetic. Output size and nesting are bounded, because
// `ENV a=$a$a` doubles.

import { replacePattern, trimPrefix, trimSuffix } from "./shell-pattern.ts";
import { isSpace } from "./space.ts";
import { syntaxError, withPlace } from "./syntax-error.ts";

/** Looks a variable up; undefined means not set. */
export type Lookup = (name: string) => string | undefined;

/** Longest result of one expansion, in UTF-16 units. */
export const MAX_EXPANDED_LENGTH = 1 << 20;
const MAX_DEPTH = 50;

export interface ExpandOptions {
  /** The escape character, `\` unless the directive says otherwise. */
  readonly escape?: string;
  /** Leave quotes in the result. */
  readonly keepQuotes?: boolean;
  /** Leave escape characters in the result. */
  readonly keepEscapes?: boolean;
  /** Leave references to unset variables as they are. */
  readonly keepUnset?: boolean;
  /** Quotes are characters like any other (heredocs). */
  readonly ignoreQuotes?: boolean;
}

/** The characters of a word and a position in them. */
class Cursor {
  private readonly chars: readonly string[];
  private at = 0;
  constructor(text: string) {
    this.chars = [...text];
  }
  peek(): string | undefined {
    return this.chars[this.at];
  }
  next(): string | undefined {
    return this.chars[this.at++];
  }
}

/** Collects the words of a line while its characters come by. */
class WordList {
  readonly words: string[] = [];
  private word = "";
  private isInWord = false;

  add(c: string): void {
    if (!isSpace(c)) this.addRaw(c);
    else if (this.isInWord && this.word !== "") this.finish();
  }

  addRaw(text: string): void {
    this.word += text;
    this.isInWord = true;
  }

  finish(): readonly string[] {
    if (this.word !== "") this.words.push(this.word);
    this.word = "";
    this.isInWord = false;
    return this.words;
  }
}

const SPECIAL_PARAMETERS = "@*#?-$!0";

class Expansion {
  private readonly cursor: Cursor;
  private readonly lookup: Lookup;
  private readonly options: ExpandOptions;
  private readonly escape: string;
  private length = 0;
  private depth = 0;

  constructor(text: string, lookup: Lookup, options: ExpandOptions) {
    this.cursor = new Cursor(text);
    this.lookup = lookup;
    this.options = options;
    this.escape = options.escape ?? "\\";
  }

  /** Reads up to `stop`, which is consumed, or to the end. */
  readUntil(stop: string | undefined, keepEscapes: boolean): { text: string; words: readonly string[] } {
    if (++this.depth > MAX_DEPTH) throw syntaxError("substitutions are nested too deeply");
    const words = new WordList();
    let text = "";
    for (let c = this.cursor.peek(); c !== undefined; c = this.cursor.peek()) {
      if (c === stop) {
        this.cursor.next();
        this.depth--;
        return { text, words: words.finish() };
      }
      const special = this.readSpecial(c, keepEscapes);
      if (special !== undefined) {
        text += this.counted(special);
        if (c === "$") for (const x of special) words.add(x);
        else words.addRaw(special);
        continue;
      }
      this.cursor.next();
      if (c !== this.escape) {
        words.add(c);
        text += c;
        continue;
      }
      const escaped = this.cursor.next();
      if (keepEscapes) {
        words.addRaw(c);
        text += c;
      }
      if (escaped === undefined) break;
      words.addRaw(escaped);
      text += escaped;
    }
    if (stop !== undefined)
      throw syntaxError(`unexpected end of statement while looking for matching ${stop}`);
    this.depth--;
    return { text, words: words.finish() };
  }

  private readSpecial(c: string, keepEscapes: boolean): string | undefined {
    if (c === "$") return this.readVariable();
    if (c === "<") return this.readHeredocMark();
    if (this.options.ignoreQuotes) return undefined;
    if (c === "'") return this.readSingleQuoted();
    if (c === '"') return this.readDoubleQuoted(keepEscapes);
    return undefined;
  }

  private counted(text: string): string {
    this.length += text.length;
    if (this.length > MAX_EXPANDED_LENGTH)
      throw syntaxError(`expansion is longer than ${MAX_EXPANDED_LENGTH} characters`);
    return text;
  }

  private readSingleQuoted(): string {
    this.cursor.next();
    const quote = this.options.keepQuotes ? "'" : "";
    let text = quote;
    for (;;) {
      const c = this.cursor.next();
      if (c === undefined)
        throw syntaxError("unexpected end of statement while looking for matching single-quote");
      if (c === "'") return text + quote;
      text += c;
    }
  }

  private readDoubleQuoted(keepEscapes: boolean): string {
    this.cursor.next();
    const quote = this.options.keepQuotes ? '"' : "";
    let text = quote;
    for (;;) {
      const c = this.cursor.peek();
      if (c === undefined)
        throw syntaxError("unexpected end of statement while looking for matching double-quote");
      if (c === "$") {
        text += this.counted(this.readVariable());
        continue;
      }
      this.cursor.next();
      if (c === '"') return text + quote;
      if (c !== this.escape) {
        text += c;
        continue;
      }
      if (keepEscapes) text += c;
      const escaped = this.cursor.peek();
      if (escaped === undefined) continue;
      if (escaped === '"' || escaped === "$" || escaped === this.escape) text += this.cursor.next();
      else text += c;
    }
  }

  /** `<<` and the blanks behind it belong together, so that `<< EOF` stays one word. */
  private readHeredocMark(): string {
    this.cursor.next();
    if (this.cursor.peek() !== "<") return "<";
    this.cursor.next();
    let text = "<<";
    for (let c = this.cursor.peek(); c === "\t" || c === "\r" || c === " "; c = this.cursor.peek()) {
      text += c;
      this.cursor.next();
    }
    return text;
  }

  private readVariable(): string {
    this.cursor.next();
    if (this.cursor.peek() === "{") {
      this.cursor.next();
      return this.readBraced();
    }
    const name = this.readName();
    if (name === "") return "$";
    const value = this.lookup(name);
    return value ?? (this.options.keepUnset ? `$${name}` : "");
  }

  private readName(): string {
    const first = this.cursor.peek();
    if (first === undefined) return "";
    const part = /\p{Nd}/u.test(first) ? /\p{Nd}/u : /[\p{L}\p{Nd}_]/u;
    if (!/\p{Nd}/u.test(first) && SPECIAL_PARAMETERS.includes(first)) return this.cursor.next() as string;
    let name = "";
    for (let c = this.cursor.peek(); c !== undefined && part.test(c); c = this.cursor.peek()) {
      name += c;
      this.cursor.next();
    }
    return name;
  }

  private readBraced(): string {
    const first = this.cursor.peek();
    if (first === undefined) throw syntaxError("syntax error: missing '}'");
    if (first === "{" || first === "}" || first === ":") throw syntaxError("syntax error: bad substitution");
    const name = this.readName();
    const operator = this.cursor.next();
    if (operator === "}") {
      const value = this.lookup(name);
      return value ?? (this.options.keepUnset ? `\${${name}}` : "");
    }
    if (operator === undefined) throw syntaxError("syntax error: missing '}'");
    if (operator === "/") return this.readReplacement(name);
    const isColon = operator === ":";
    const modifier = isColon ? this.cursor.next() : operator;
    const shown = isColon ? `:${modifier ?? "\uFFFD"}` : (modifier ?? "\uFFFD");
    const isTrim = modifier === "#" || modifier === "%";
    if (modifier === undefined || !"+-?#%".includes(modifier) || (isColon && isTrim)) {
      if (isColon && !isTrim) this.readOperand("}", false);
      throw syntaxError(`unsupported modifier (${shown}) in substitution`);
    }
    const word = this.readOperand("}", isTrim);
    const value = this.lookup(name);
    if (this.options.keepUnset && value === undefined) return `\${${name}${shown}${word}}`;
    return applyModifier({ name, modifier, isColon, word, value });
  }

  private readOperand(stop: string, keepEscapes: boolean): string {
    try {
      return this.readUntil(stop, keepEscapes).text;
    } catch (error) {
      if (this.cursor.peek() !== undefined) throw error;
      throw syntaxError(
        stop === "}" ? "syntax error: missing '}'" : `syntax error: missing '${stop}' in \${}`,
      );
    }
  }

  private readReplacement(name: string): string {
    const all = this.cursor.peek() === "/";
    if (all) this.cursor.next();
    const pattern = this.readOperand("/", true);
    const replacement = this.readOperand("}", true);
    const value = this.lookup(name);
    if (this.options.keepUnset && value === undefined) return `\${${name}/${pattern}/${replacement}}`;
    return replacePattern(value ?? "", pattern, replacement, { all });
  }
}

interface Modification {
  name: string;
  modifier: string;
  isColon: boolean;
  word: string;
  value: string | undefined;
}

function applyModifier({ name, modifier, isColon, word, value }: Modification): string {
  const isMissing = value === undefined || (isColon && value === "");
  if (modifier === "-") return isMissing ? word : value;
  if (modifier === "+") return isMissing ? "" : word;
  if (modifier === "?") {
    if (!isMissing) return value;
    const reason = value === undefined ? "is not allowed to be unset" : "is not allowed to be empty";
    throw syntaxError(`${name}: ${word === "" ? reason : word}`);
  }
  const longest = word.startsWith(modifier);
  const pattern = longest ? word.slice(1) : word;
  if (modifier === "%") return trimSuffix(value ?? "", pattern, { longest });
  return trimPrefix(value ?? "", pattern, { longest });
}

function run(
  text: string,
  lookup: Lookup,
  options: ExpandOptions,
): { text: string; words: readonly string[] } {
  try {
    return new Expansion(text, lookup, options).readUntil(undefined, options.keepEscapes ?? false);
  } catch (error) {
    throw withPlace(error, `failed to process ${JSON.stringify(text)}: `);
  }
}

/** Returns `text` with quotes removed and variables replaced; blanks stay. Throws Fault `dockerfile.syntax`. */
export function expandWord(text: string, lookup: Lookup, options: ExpandOptions = {}): string {
  return run(text, lookup, options).text;
}

/** Returns the words that `text` falls into after expansion; quoted blanks do not separate. Throws Fault `dockerfile.syntax`. */
export function expandWords(text: string, lookup: Lookup, options: ExpandOptions = {}): readonly string[] {
  return run(text, lookup, options).words;
}
