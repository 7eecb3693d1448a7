// Splits a command line into words: quotes, escapes, blanks; no variables. An operator of the shell ends the command.
// compat: the rules are those of the package that Docker Compose uses, not sh's: a backslash escapes any character in
// double quotes, `$(…)` and backquotes are kept as they are, and what follows `;`, `&`, `|`, `<` or `>` is dropped.

import { Fault } from "../../lib/errors.ts";

export interface Words {
  readonly words: readonly string[];
  /** What was dropped: an operator and all that follows. */
  readonly dropped: string;
}

/** Returns the words. Throws a Fault for what is not closed. */
export function splitWords(line: string): Words {
  const splitter = new Splitter();
  let index = 0;
  while (index < line.length && splitter.take(line.charAt(index))) index++;
  return { words: splitter.end(), dropped: line.slice(index) };
}

class Splitter {
  readonly #words: string[] = [];
  #word = "";
  #isWord = false;
  #isEscaped = false;
  /** What is open: a quote, a backquote, or "$" for `$(`. */
  #open: "" | "'" | '"' | "`" | "$" = "";

  /** Takes a character; false when the command ends in front of it. */
  take(char: string): boolean {
    if (this.#isEscaped) {
      this.#isEscaped = false;
      return this.#add(char);
    }
    if (char === "\\" && this.#open !== "'") {
      this.#isEscaped = true;
      return true;
    }
    if (this.#open === "'" || this.#open === '"') {
      if (char !== this.#open) return this.#add(char);
      this.#open = "";
      return true;
    }
    if (this.#open !== "") {
      if (char === (this.#open === "$" ? ")" : "`")) this.#open = "";
      return this.#add(char);
    }
    return this.#outside(char);
  }

  #outside(char: string): boolean {
    if (char === "'" || char === '"') {
      this.#open = char;
      this.#isWord = true;
      return true;
    }
    if (/\s/.test(char)) {
      if (this.#isWord) this.#words.push(this.#word);
      this.#word = "";
      this.#isWord = false;
      return true;
    }
    if (";&|<>".includes(char)) return false;
    if (char === "`") this.#open = "`";
    if (char === "(" && !this.#word.endsWith("$")) throw unclosed();
    if (char === "(" || char === ")") this.#open = "$";
    return this.#add(char);
  }

  #add(char: string): true {
    this.#word += char;
    this.#isWord = true;
    return true;
  }

  end(): readonly string[] {
    if (this.#isEscaped || this.#open !== "") throw unclosed();
    return this.#isWord ? [...this.#words, this.#word] : this.#words;
  }
}

function unclosed(): Fault {
  return new Fault("invalidParameter", "invalid command line string", { code: "compose.short-form" });
}
