// Runs programs for the end-to-end tests: to their end with what they printed, or alive with a text to wait for.
// Nothing here polls: waits end by what a program prints or by its end, and every program has a time limit.
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";

/** What a program that has ended left. */
export interface Outcome {
  /** Exit status; 128 + n when signal n ended it, as a shell has it. */
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
  /** Standard output, byte for byte. */
  readonly bytes: Buffer;
}

export interface CommandOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly input?: string | Uint8Array;
  /** Milliseconds until the program is killed and the call fails; 30 000 when absent, and more in an emulated machine. */
  readonly timeoutMs?: number;
}

/** An emulated machine (tools/vm.ts) needs more time for everything. */
const SLOWNESS = Number(process.env["BERTH_TEST_SLOWNESS"] ?? 1);
const DEFAULT_TIMEOUT_MS = 30_000;
const SIGNAL_NUMBERS: Readonly<Record<string, number>> = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGKILL: 9,
  SIGPIPE: 13,
  SIGTERM: 15,
};

/** Runs a program to its end. */
export function run(argv: readonly string[], options: CommandOptions = {}): Promise<Outcome> {
  const live = new Live(argv, options);
  live.stdin.end(options.input ?? "");
  return live.ended;
}

/** A program that runs while the test looks at it. */
export class Live {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #stdout: Buffer[] = [];
  readonly #stderr: Buffer[] = [];
  readonly #watchers = new Set<() => void>();
  /** Resolves when the program has ended and its output is read; rejects when it took too long. */
  readonly ended: Promise<Outcome>;
  hasEnded = false;

  constructor(argv: readonly string[], options: CommandOptions = {}) {
    const [file = "", ...args] = argv;
    this.#child = spawn(file, args, {
      stdio: "pipe",
      ...(options.env === undefined ? {} : { env: options.env }),
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    });
    this.#child.stdin.on("error", () => {}); // ignored: a program may end without reading what it was given
    this.#collect(this.#child.stdout, this.#stdout);
    this.#collect(this.#child.stderr, this.#stderr);
    this.ended = this.#wait(argv, (options.timeoutMs ?? DEFAULT_TIMEOUT_MS) * SLOWNESS);
    this.ended.catch(() => {}); // ignored: whoever awaits it hears of it
  }

  #collect(stream: NodeJS.ReadableStream, into: Buffer[]): void {
    stream.on("data", (chunk: Buffer) => {
      into.push(chunk);
      for (const look of this.#watchers) look();
    });
  }

  #wait(argv: readonly string[], timeoutMs: number): Promise<Outcome> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#child.kill("SIGKILL");
        reject(
          new Error(`still running after ${timeoutMs} ms: ${argv.join(" ")}\n${this.output}${this.errors}`),
        );
      }, timeoutMs);
      this.#child.once("error", (error) => {
        clearTimeout(timer);
        reject(error);
      });
      this.#child.once("close", (code, signal) => {
        clearTimeout(timer);
        this.hasEnded = true;
        for (const look of this.#watchers) look();
        const bytes = Buffer.concat(this.#stdout);
        const status = code ?? 128 + (SIGNAL_NUMBERS[signal ?? ""] ?? 0);
        resolve({ status, stdout: bytes.toString(), stderr: this.errors, bytes });
      });
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }
  get stdin(): NodeJS.WritableStream {
    return this.#child.stdin;
  }
  /** Standard output so far. */
  get output(): string {
    return Buffer.concat(this.#stdout).toString();
  }
  /** Standard error so far. */
  get errors(): string {
    return Buffer.concat(this.#stderr).toString();
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Resolves when `pattern` is in standard output or standard error; fails when the program ends without it. */
  async prints(pattern: RegExp | string, limitMs = DEFAULT_TIMEOUT_MS): Promise<void> {
    const timeoutMs = limitMs * SLOWNESS;
    const isThere = (): boolean =>
      [this.output, this.errors].some((text) =>
        typeof pattern === "string" ? text.includes(pattern) : pattern.test(text),
      );
    let look = (): void => {};
    let timer: NodeJS.Timeout | undefined;
    try {
      await new Promise<void>((resolve, reject) => {
        const say = (why: string): Error =>
          new Error(`${why} ${pattern}; it printed:\n${this.output}${this.errors}`);
        look = () => {
          if (isThere()) resolve();
          else if (this.hasEnded) reject(say("ended without"));
        };
        timer = setTimeout(() => reject(say(`did not print within ${timeoutMs} ms`)), timeoutMs);
        this.#watchers.add(look);
        look();
      });
    } finally {
      this.#watchers.delete(look);
      clearTimeout(timer);
    }
  }
}
