// Output behind a prefix, whole lines only, so that several writers do not mix.

export class PrefixedOutput {
  readonly #prefix: string;
  readonly #write: (text: string) => void;
  #rest = "";

  constructor(prefix: string, write: (text: string) => void) {
    this.#prefix = prefix;
    this.#write = write;
  }

  write(text: string): void {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop() ?? "";
    if (lines.length > 0) this.#write(lines.map((line) => `${this.#prefix}${line}\n`).join(""));
  }

  end(): void {
    if (this.#rest !== "") this.#write(`${this.#prefix}${this.#rest}\n`);
    this.#rest = "";
  }
}
