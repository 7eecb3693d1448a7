// A daemon whose data root is a file system of its own on a disk that fails, fills up or is stuck when it is told to (bad-disk.py).
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Live, type Outcome, run } from "../e2e/command.ts";
import { type DaemonOptions, TestDaemon } from "../e2e/harness.ts";

const SERVER = join(import.meta.dirname, "bad-disk.py");
const LIFE_MS = 600_000;

export class BadDisk implements AsyncDisposable {
  readonly #dir: string;
  readonly #server: Live;
  #answers = 0;

  private constructor(dir: string, server: Live) {
    this.#dir = dir;
    this.#server = server;
  }

  /** Makes a disk of so many mebibytes; `options` are those of mkfs.ext4. */
  static async make(mebibytes: number, ...options: string[]): Promise<BadDisk> {
    const dir = await mkdtemp(join(tmpdir(), "berth-disk-"));
    const argv = ["python3", SERVER, dir, String(mebibytes), ...options];
    const server = new Live(argv, { timeoutMs: LIFE_MS });
    await server.prints("ready");
    return new BadDisk(dir, server);
  }

  /** Starts a daemon on it. */
  async start(options: DaemonOptions = {}): Promise<TestDaemon> {
    const script = 'mkdir -p "$1" && mount --bind "$0" "$1" && shift && exec "$@"';
    const wrap = (argv: string[]): string[] => {
      const dataRoot = argv[argv.indexOf("--data-root") + 1] as string;
      return this.#enter("unshare", "-m", "sh", "-c", script, join(this.#dir, "disk"), dataRoot, ...argv);
    };
    const daemon = await TestDaemon.start({ ...options, wrap });
    await mkdir(daemon.path("data/containers"), { recursive: true }); // where the harness looks for what is left
    return daemon;
  }

  /** In the mount namespace in which the disk is. */
  #enter(...argv: string[]): string[] {
    return ["nsenter", `--mount=/proc/${this.#server.pid}/ns/mnt`, "--", ...argv];
  }

  run(...argv: string[]): Promise<Outcome> {
    return run(this.#enter(...argv));
  }

  /** Path of a file on it, for `run`. */
  path(...parts: string[]): string {
    return join(this.#dir, "disk", ...parts);
  }

  /** Takes all of its room but so many bytes, in place of what was taken before. */
  async leave(bytes: number): Promise<void> {
    await this.free();
    // Written to the end, with what is kept back for directories, and then shortened: a file's map takes room, too.
    const script = `cd "$0" && sync -f .
      fallocate -l $(( $(stat -f -c "%a * %S" .) * 7 / 8 )) filler/most; cat /dev/zero >filler/data 2>/dev/null; sync -f .
      while mkdir -p filler/$((n += 1)) 2>/dev/null; do :; done; truncate -s -"$1" filler/data; sync -f .`;
    await this.run("mkdir", this.path("filler"));
    const { status, stderr } = await this.run("sh", "-c", script, this.path(), String(bytes));
    if (status !== 0) throw new Error(stderr);
  }

  async free(): Promise<void> {
    await this.run("rm", "-rf", this.path("filler"));
  }

  /** Tells it what to do (see bad-disk.py) and returns when it does. */
  async tell(command: string): Promise<void> {
    this.#answers++;
    this.#server.stdin.write(`${command}\n`);
    await this.#server.prints(new RegExp(`(done[^]*){${this.#answers}}`), LIFE_MS);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.stdin.end();
    await this.#server.ended;
    await rm(this.#dir, { recursive: true, force: true });
  }
}
