// Prints the output of several containers, each line behind the container's name in a colour of its own.

export interface LogPrinterOptions {
  readonly hasColor: boolean;
  readonly hasPrefix: boolean;
  readonly hasTimestamps?: boolean;
  readonly write: (fd: 1 | 2, text: string) => void;
}

const rainbow = ["36", "33", "32", "35", "34", "36;1", "33;1", "32;1", "35;1", "34;1"];

export class LogPrinter {
  readonly #options: LogPrinterOptions;
  readonly #colors = new Map<string, string>();
  /** Unfinished lines by container and stream. */
  readonly #rest = new Map<string, { decoder: TextDecoder; text: string }>();
  #width = 0;

  constructor(options: LogPrinterOptions) {
    this.#options = options;
  }

  /** Makes a name known, so that the column is as wide as the widest from the first line on. */
  register(name: string): void {
    if (this.#colors.has(name)) return;
    this.#colors.set(name, rainbow[this.#colors.size % rainbow.length] as string);
    this.#width = Math.max(this.#width, name.length);
  }

  /** Takes a piece of a container's output; whole lines are printed. */
  take(name: string, fd: 1 | 2, data: Uint8Array): void {
    const key = `${fd} ${name}`;
    let rest = this.#rest.get(key);
    if (rest === undefined) {
      rest = { decoder: new TextDecoder(), text: "" };
      this.#rest.set(key, rest);
    }
    const lines = (rest.text + rest.decoder.decode(data, { stream: true })).split("\n");
    rest.text = lines.pop() ?? "";
    if (lines.length > 0) this.#print(name, fd, lines);
  }

  /** Prints what a container has left unfinished. */
  end(name: string): void {
    for (const fd of [1, 2] as const) {
      const rest = this.#rest.get(`${fd} ${name}`);
      this.#rest.delete(`${fd} ${name}`);
      if (rest !== undefined && rest.text !== "") this.#print(name, fd, [rest.text]);
    }
  }

  /** Says something of a container. */
  status(name: string, message: string): void {
    this.end(name);
    this.register(name);
    this.#options.write(
      1,
      this.#colored(name, `${this.#options.hasColor ? "\r\x1b[K" : ""}${name} ${message}\n`),
    );
  }

  /** Says what the watching of files does. */
  watching(message: string): void {
    const { hasColor, hasPrefix, write } = this.#options;
    const mark = `${" ".repeat(this.#width + 1)} ⦿ `;
    const prefix = !hasPrefix ? "" : hasColor ? `\x1b[92m${mark}\x1b[0m` : mark;
    write(1, `${prefix}${message}\n`);
  }

  #print(name: string, fd: 1 | 2, lines: readonly string[]): void {
    this.register(name);
    const { hasPrefix, hasTimestamps, write } = this.#options;
    const prefix = hasPrefix ? this.#colored(name, `${name.padEnd(this.#width + 1)} | `) : "";
    const time = hasTimestamps === true ? `${new Date().toISOString().replace("Z", "000000Z")} ` : "";
    // A terminal's lines end with a carriage return as well.
    write(fd, lines.map((line) => `${prefix}${time}${line.replace(/\r$/, "")}\n`).join(""));
  }

  #colored(name: string, text: string): string {
    return this.#options.hasColor ? `\x1b[${this.#colors.get(name)}m${text}\x1b[0m` : text;
  }
}
