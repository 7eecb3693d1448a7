// Finds what is wrong with a JSON text, in the words of Go's encoding/json, because users and test suites know
// those sentences from Docker. It builds no value: JSON.parse does, and this runs only after that failed
// (parse.ts). Linear, without recursion.

/** Why a text is not one JSON value. */
export interface JsonProblem {
  readonly kind: "empty" | "truncated" | "syntax" | "trailing";
  /** Go's sentence; for "trailing" the one of json.Unmarshal. */
  readonly text: string;
}

type Next = "value" | "firstItem" | "firstKey" | "key" | "colon" | "objectEnd" | "arrayEnd" | "done";

const NUMBER_START = /[-0-9]/;
const SPACE = /[ \t\r\n]/;

class Scanner {
  readonly #source: string;
  #at = 0;
  readonly #open: string[] = [];
  #problem: JsonProblem | undefined;

  constructor(source: string) {
    this.#source = source;
  }

  scan(): JsonProblem | undefined {
    let next: Next = "value";
    for (;;) {
      while (this.#at < this.#source.length && SPACE.test(this.#char())) this.#at++;
      if (this.#at >= this.#source.length) return this.#atEnd(next);
      next = this.#step(next);
      if (this.#problem) return this.#problem;
    }
  }

  #char(): string {
    return this.#source.charAt(this.#at);
  }

  #atEnd(next: Next): JsonProblem | undefined {
    if (next === "done") return undefined;
    const isEmpty = next === "value" && this.#open.length === 0;
    return { kind: isEmpty ? "empty" : "truncated", text: "unexpected end of JSON input" };
  }

  #fail(context: string): Next {
    if (this.#at >= this.#source.length) {
      this.#problem = { kind: "truncated", text: "unexpected end of JSON input" };
    } else {
      const text = `invalid character ${quoteCharacter(this.#source.codePointAt(this.#at) ?? 0)} ${context}`;
      this.#problem = { kind: context === "after top-level value" ? "trailing" : "syntax", text };
    }
    return "done";
  }

  #step(next: Next): Next {
    const c = this.#char();
    switch (next) {
      case "firstItem":
        return c === "]" ? this.#close() : this.#value(c);
      case "value":
        return this.#value(c);
      case "firstKey":
        return c === "}" ? this.#close() : this.#key(c);
      case "key":
        return this.#key(c);
      case "colon":
        if (c !== ":") return this.#fail("after object key");
        this.#at++;
        return "value";
      case "objectEnd":
        if (c === "}") return this.#close();
        if (c !== ",") return this.#fail("after object key:value pair");
        this.#at++;
        return "key";
      case "arrayEnd":
        if (c === "]") return this.#close();
        if (c !== ",") return this.#fail("after array element");
        this.#at++;
        return "value";
      case "done":
        return this.#fail("after top-level value");
    }
  }

  #afterValue(): Next {
    const top = this.#open[this.#open.length - 1];
    if (top === undefined) return "done";
    return top === "{" ? "objectEnd" : "arrayEnd";
  }

  #close(): Next {
    this.#at++;
    this.#open.pop();
    return this.#afterValue();
  }

  #key(c: string): Next {
    if (c !== '"') return this.#fail("looking for beginning of object key string");
    this.#string();
    return "colon";
  }

  #value(c: string): Next {
    if (c === "{" || c === "[") {
      this.#open.push(c);
      this.#at++;
      return c === "{" ? "firstKey" : "firstItem";
    }
    if (c === '"') this.#string();
    else if (c === "t") this.#literal("true");
    else if (c === "f") this.#literal("false");
    else if (c === "n") this.#literal("null");
    else if (NUMBER_START.test(c)) this.#number();
    else return this.#fail("looking for beginning of value");
    return this.#afterValue();
  }

  #literal(word: string): void {
    for (let i = 1; i < word.length; i++) {
      this.#at++;
      if (this.#char() !== word[i]) {
        this.#fail(`in literal ${word} (expecting '${word[i]}')`);
        return;
      }
    }
    this.#at++;
  }

  #string(): void {
    for (this.#at++; this.#at < this.#source.length; this.#at++) {
      const c = this.#char();
      if (c === '"') {
        this.#at++;
        return;
      }
      if (c < " ") break;
      if (c === "\\" && !this.#escape()) return;
    }
    this.#fail("in string literal");
  }

  #escape(): boolean {
    this.#at++;
    const c = this.#char();
    if (c === "u") {
      for (let i = 0; i < 4; i++) {
        this.#at++;
        if (!/[0-9a-fA-F]/.test(this.#char())) {
          this.#fail("in \\u hexadecimal character escape");
          return false;
        }
      }
      return true;
    }
    if (c !== "" && '"\\/bfnrt'.includes(c)) return true;
    this.#fail("in string escape code");
    return false;
  }

  #digits(context: string): boolean {
    if (!/[0-9]/.test(this.#char())) {
      this.#fail(context);
      return false;
    }
    while (/[0-9]/.test(this.#char())) this.#at++;
    return true;
  }

  #number(): void {
    if (this.#char() === "-") this.#at++;
    if (this.#char() === "0") this.#at++;
    else if (!this.#digits("in numeric literal")) return;
    if (this.#char() === ".") {
      this.#at++;
      if (!this.#digits("after decimal point in numeric literal")) return;
    }
    if (this.#char() === "e" || this.#char() === "E") {
      this.#at++;
      if (this.#char() === "+" || this.#char() === "-") this.#at++;
      this.#digits("in exponent of numeric literal");
    }
  }
}

/** Returns the character in single quotes as Go's scanner prints it. */
function quoteCharacter(codePoint: number): string {
  const c = String.fromCodePoint(codePoint);
  if (c === "'") return `'\\''`;
  if (c === '"') return `'"'`;
  return `'${JSON.stringify(c).slice(1, -1)}'`;
}

/** Returns what is wrong with the text, undefined when it is exactly one JSON value. */
export function findJsonProblem(source: string): JsonProblem | undefined {
  return new Scanner(source).scan();
}
