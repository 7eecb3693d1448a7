// The line of keys below the output of `up` on a terminal: w switches the watching of files on and off, d leaves the containers
// running and ends the command. The line is taken away before anything is written and put back after it.

import { readFileSync } from "node:fs";
import { print } from "../../output.ts";

export interface MenuOptions {
  readonly detach: () => void;
  /** Switches the watching of files; returns a reason where that cannot be. */
  readonly toggleWatch: () => string | undefined;
  readonly isWatching: () => boolean;
}

const key = (name: string): string => `\x1b[1;38;2;0;0;0;48;2;255;255;255m${name}\x1b[0m`;
const faint = (text: string): string => `\x1b[2m${text}\x1b[0m`;

const CTRL_C = "\x03";
const CTRL_Z = "\x1a";

export class Menu {
  readonly #options: MenuOptions;
  #isOpen = false;
  /** What the last key led to, until the next one. */
  #notice = "";
  readonly #onData = (chunk: Buffer): void => {
    for (const char of chunk.toString()) if (this.#isOpen) this.#onKey(char);
  };

  constructor(options: MenuOptions) {
    this.#options = options;
  }

  /** Takes the terminal and shows the line, unless the terminal is another's. */
  open(): void {
    if (!isInForeground()) return;
    const { stdin } = process;
    stdin.setRawMode(true);
    stdin.on("data", this.#onData);
    stdin.resume();
    this.#isOpen = true;
    this.#show();
  }

  /** Takes the line away and gives the terminal back. */
  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    const { stdin } = process;
    stdin.off("data", this.#onData);
    stdin.pause();
    stdin.setRawMode(false);
    print("\r\x1b[K");
  }

  /** Runs what writes to the terminal, without the line in its way. */
  around(write: () => void): void {
    if (!this.#isOpen) return write();
    print("\r\x1b[K");
    write();
    this.#show();
  }

  #show(): void {
    const watch = this.#options.isWatching() ? " Disable Watch" : " Enable Watch";
    const keys = `${key("w")}${faint(watch)}   ${key("d")}${faint(" Detach")}`;
    print(`\r\x1b[K${keys}${this.#notice === "" ? "" : `   ${this.#notice}`}`);
  }

  #onKey(char: string): void {
    this.#notice = "";
    if (char === "d") {
      this.close();
      this.#options.detach();
    } else if (char === "w") {
      this.#notice = this.#options.toggleWatch() ?? "";
      this.#show();
    } else if (char === CTRL_C) {
      // The next one is the terminal's own again, whatever happens meanwhile.
      this.close();
      process.kill(process.pid, "SIGINT");
    } else if (char === CTRL_Z) {
      this.close();
      process.once("SIGCONT", () => this.open());
      process.kill(process.pid, "SIGTSTP");
    } else if (char === "\r") this.around(() => print("\n"));
  }
}

/** Whether the terminal is this job's: the kernel stops one in the background that changes the terminal (`up &`). */
function isInForeground(): boolean {
  // proc(5): pid (command) state ppid group session tty group-in-the-foreground …
  const fields = readFileSync("/proc/self/stat", "utf8")
    .replace(/^.*\) /s, "")
    .split(" ");
  return fields[2] === fields[5];
}
