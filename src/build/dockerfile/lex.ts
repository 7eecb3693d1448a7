// Physical lines of a Dockerfile to logical ones: byte-order mark, parser directives, comments, continuation lines and
// here-documents. Knows which instructions may open here-documents, and nothing else about instructions.
// Bounded: file, line and instruction counts are limited before anything is built.

import { findHeredocs, type Heredoc } from "./heredoc.ts";
import { parseJsonWords, splitLine } from "./split.ts";
import { type LineRange, syntaxError } from "./syntax-error.ts";

export const MAX_DOCKERFILE_BYTES = 4 << 20;
/** Docker's limit on one physical line, its line break included. */
const MAX_LINE_BYTES = 65_535;
/** Each one becomes a line of the history, and an image's configuration is written once per line. */
const MAX_INSTRUCTIONS = 2_000;

/** One instruction as a line of text. */
export interface LogicalLine {
  readonly text: string;
  readonly lines: LineRange;
  readonly heredocs: readonly Heredoc[];
  /** Comments directly above it, without `#`. */
  readonly comments?: readonly string[];
  /** An empty line stands between its continued lines. */
  readonly hasEmptyContinuation?: boolean;
}

/** The parser directives at the top of the file. */
export interface Directives {
  readonly escape: string;
  readonly syntax?: string;
  readonly check?: string;
}

export interface LexedFile {
  readonly directives: Directives;
  readonly instructions: readonly LogicalLine[];
  readonly warnings: readonly string[];
}

const DIRECTIVE = /^#\s*([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(.+?)\s*$/;
const DIRECTIVE_NAMES = new Set(["escape", "syntax", "check"]);
const isComment = (line: string): boolean => /^\s*#/.test(line);
const stripBreak = (line: string): string => line.replace(/[\r\n]+$/, "");

/** Splits after every line feed, which stays. */
function physicalLines(text: string): string[] {
  return text.match(/[^\n]*\n|[^\n]+$/g) ?? [];
}

class Lexer {
  private readonly lines: readonly string[];
  private at = 0;
  private readonly directives = new Map<string, string>();
  private areDirectivesOver = false;
  private readonly instructions: LogicalLine[] = [];
  private readonly warnings: string[] = [];
  private comments: string[] = [];

  constructor(text: string) {
    this.lines = physicalLines(text.replace(/^\uFEFF/, ""));
  }

  run(): LexedFile {
    while (this.at < this.lines.length) this.readInstruction();
    if (this.instructions.length === 0)
      throw syntaxError("file with no instructions", { start: this.at, end: this.at });
    const syntax = this.directives.get("syntax");
    const check = this.directives.get("check");
    return {
      directives: {
        escape: this.escape,
        ...(syntax === undefined ? {} : { syntax }),
        ...(check === undefined ? {} : { check }),
      },
      instructions: this.instructions,
      warnings: this.warnings,
    };
  }

  private get escape(): string {
    return this.directives.get("escape") ?? "\\";
  }

  private next(): string {
    const line = this.lines[this.at++] as string;
    if (line.length > MAX_LINE_BYTES || Buffer.byteLength(line) > MAX_LINE_BYTES) {
      throw syntaxError(`dockerfile line greater than max allowed size of ${MAX_LINE_BYTES}`, {
        start: this.at,
        end: this.at,
      });
    }
    return line;
  }

  /** Takes a directive; returns whether the line was one. */
  private readDirective(line: string): boolean {
    if (this.areDirectivesOver) return false;
    const match = DIRECTIVE.exec(line);
    const name = match?.[1]?.toLowerCase() ?? "";
    if (match === null || !DIRECTIVE_NAMES.has(name)) {
      this.areDirectivesOver = true;
      return false;
    }
    const place = { start: this.at, end: this.at };
    if (this.directives.has(name)) throw syntaxError(`only one ${name} parser directive can be used`, place);
    const value = match[2] as string;
    if (name === "escape" && value !== "`" && value !== "\\") {
      throw syntaxError(`invalid escape token '${value}' does not match \` or \\`, place);
    }
    this.directives.set(name, value);
    return true;
  }

  /** Returns the line without its continuation character, and whether it had one. */
  private cutContinuation(line: string): { text: string; continues: boolean } {
    const trimmed = line.replace(/[ \t]+$/, "");
    const e = this.escape;
    // An escape character before it makes it an ordinary character.
    const continues = trimmed.endsWith(e) && !trimmed.slice(0, -1).endsWith(e);
    return continues ? { text: trimmed.slice(0, -1), continues } : { text: line, continues };
  }

  private noteComment(line: string): void {
    const comment = line.trim().slice(1).trim();
    if (comment === "") this.comments = [];
    else this.comments.push(comment);
  }

  private readInstruction(): void {
    const raw = stripBreak(this.next()).trimStart();
    if (isComment(raw)) {
      if (!this.readDirective(raw)) this.noteComment(raw);
      return;
    }
    this.areDirectivesOver = true;
    const start = this.at;
    const first = this.cutContinuation(raw);
    if (first.text === "" && !first.continues) return;
    const rest = first.continues ? this.readContinuation() : { text: "", hasEmptyLine: false };
    const text = first.text + rest.text;
    if (rest.hasEmptyLine) this.warnings.push(`Empty continuation line found in: ${text}`);
    const heredocs = this.readHeredocs(text, start);
    if (text.trim() === "") return;
    const lines = { start, end: this.at };
    const { comments } = this;
    this.instructions.push({
      text,
      lines,
      heredocs,
      ...(comments.length === 0 ? {} : { comments }),
      ...(rest.hasEmptyLine ? { hasEmptyContinuation: true } : {}),
    });
    this.comments = [];
    if (this.instructions.length > MAX_INSTRUCTIONS) {
      throw syntaxError(`more than ${MAX_INSTRUCTIONS} instructions`, { start, end: this.at });
    }
  }

  private readContinuation(): { text: string; hasEmptyLine: boolean } {
    let text = "";
    let hasEmptyLine = false;
    while (this.at < this.lines.length) {
      const line = stripBreak(this.next());
      if (isComment(line)) continue;
      if (line.trim() === "") {
        hasEmptyLine = true;
        continue;
      }
      const part = this.cutContinuation(line);
      text += part.text;
      if (!part.continues) break;
    }
    return { text, hasEmptyLine };
  }

  private readHeredocs(text: string, start: number): Heredoc[] {
    if (!text.includes("<<") || !mayOpenHeredoc(text, this.escape)) return [];
    return findHeredocs(text).map((heredoc) => {
      let content = "";
      while (this.at < this.lines.length) {
        const line = this.next();
        const candidate = stripBreak(line);
        if ((heredoc.isChomped ? candidate.replace(/^\t+/, "") : candidate) === heredoc.name) {
          return { ...heredoc, content };
        }
        content += line;
      }
      throw syntaxError("unterminated heredoc", { start, end: this.at });
    });
  }
}

/** RUN, COPY and ADD in shell form, also behind ONBUILD. */
function mayOpenHeredoc(text: string, escape: string): boolean {
  let line = splitLine(text, escape);
  if (line.keyword.toLowerCase() === "onbuild") line = splitLine(line.rest, escape);
  if (!["run", "copy", "add"].includes(line.keyword.toLowerCase())) return false;
  try {
    return parseJsonWords(line.rest) === undefined;
  } catch {
    return false; // ignored: the instruction's parser reports it with its place
  }
}

/** Reads the lines of a Dockerfile. Throws Fault `dockerfile.syntax`. */
export function lexDockerfile(text: string): LexedFile {
  if (text.length > MAX_DOCKERFILE_BYTES)
    throw syntaxError(`the Dockerfile is larger than ${MAX_DOCKERFILE_BYTES} bytes`);
  return new Lexer(text).run();
}
