// What a hook prints: shown as it comes, and its last lines kept for the message when it fails.

/** Takes a hook's output. */
export type HookOutput = (text: string) => void;

/** As much as an error message shows. */
const MAX_LINES = 10;
const MAX_LENGTH = 2048;

export class HookSaid {
  readonly #output: HookOutput | undefined;
  readonly #streams = {
    1: { decoder: new TextDecoder(), last: "" },
    2: { decoder: new TextDecoder(), last: "" },
  };

  constructor(output: HookOutput | undefined) {
    this.#output = output;
  }

  take(fd: 1 | 2, data: Uint8Array): void {
    const stream = this.#streams[fd];
    const text = stream.decoder.decode(data, { stream: true });
    stream.last = lastLines(stream.last + text);
    this.#output?.(text);
  }

  /** Ends an unfinished line; returns the last lines of stderr, or of stdout when that is silent. */
  end(): string {
    const [stdout, stderr] = [this.#streams[1].last, this.#streams[2].last];
    if ([stdout, stderr].some((text) => text !== "" && !text.endsWith("\n"))) this.#output?.("\n");
    return shown(stderr) || shown(stdout);
  }
}

/** Keeps enough of the end: a hook may print as much as it likes. */
function lastLines(text: string): string {
  return text
    .split("\n")
    .slice(-MAX_LINES - 1)
    .join("\n")
    .slice(-2 * MAX_LENGTH);
}

/** What a terminal would show of the lines: of one that is written over and over the last state. */
function shown(text: string): string {
  return text
    .split("\n")
    .map((line) => line.replace(/\r+$/, "").replace(/^.*\r/s, ""))
    .filter((line) => line.trim() !== "")
    .slice(-MAX_LINES)
    .join("\n")
    .trim()
    .slice(-MAX_LENGTH);
}
