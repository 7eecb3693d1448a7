// What an attack has at hand: a private daemon, hostile images, and a directory of the host's that no container was given.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { baseImageTar } from "../e2e/base-image.ts";
import { type CommandOptions, type Live, type Outcome, run } from "../e2e/command.ts";
import { clients, type DaemonOptions, TestDaemon } from "../e2e/harness.ts";
import { ROOT } from "./weaken.ts";

const berth = clients[0] as (typeof clients)[number];

/** A file of the host's with a content that nobody can guess. */
export class Canary {
  readonly dir: string;
  readonly secret: string;
  #before = "";

  private constructor(dir: string, secret: string) {
    this.dir = dir;
    this.secret = secret;
  }

  static async make(): Promise<Canary> {
    const dir = await mkdtemp(join(tmpdir(), "berth-canary-"));
    const canary = new Canary(dir, `secret-${crypto.randomUUID()}`);
    await writeFile(join(dir, "file"), `${canary.secret}\n`, { mode: 0o640 });
    await mkdir(join(dir, "sub"));
    canary.#before = await canary.#picture();
    return canary;
  }

  async #picture(): Promise<string> {
    const script = `cd "$1" && find . -printf '%p %y %m %U:%G %s %T@ %C@ %n\\n' | sort; cat file`;
    return (await run(["sh", "-c", script, "sh", this.dir])).stdout;
  }

  /** What was changed in the directory, and whether its secret is in one of the texts: what an attacker got. */
  async damage(...texts: readonly string[]): Promise<string[]> {
    const now = await this.#picture();
    const got = texts.filter((t) => t.includes(this.secret)).map(() => "the host's secret");
    return now === this.#before ? got : [...got, `the host's directory: ${this.#before} is now ${now}`];
  }

  async remove(): Promise<void> {
    await rm(this.dir, { recursive: true, force: true });
  }
}

/** A daemon under attack. */
export class Bed implements AsyncDisposable {
  readonly daemon: TestDaemon;
  readonly canary: Canary;
  #images = 0;

  private constructor(daemon: TestDaemon, canary: Canary) {
    this.daemon = daemon;
    this.canary = canary;
  }

  /** Starts a daemon with the images `busybox` and `attacker`, which is busybox with test/security/attacker.c. */
  static async open(options: DaemonOptions = {}): Promise<Bed> {
    const bed = new Bed(await TestDaemon.start(options), await Canary.make());
    await bed.image("attacker", "");
    return bed;
  }

  /**
   * Makes an image: busybox and /attacker, changed by a shell script that runs in the root file system's directory on the host, with
   * the canary's directory in $CANARY. Returns its name.
   */
  async image(name: string, script: string): Promise<string> {
    const dir = await mkdtemp(join(tmpdir(), "berth-attack-image-"));
    try {
      const steps = `tar x && install -m 755 "$ATTACKER" attacker && ${script || ":"}`;
      const env = {
        PATH: process.env["PATH"] ?? "",
        CANARY: this.canary.dir,
        ATTACKER: await attackerProgram(),
      };
      const made = await run(["sh", "-ec", steps], { cwd: dir, env, input: await baseImageTar() });
      assert.equal(made.status, 0, made.stderr);
      const { bytes } = await run(["tar", "-C", dir, "--numeric-owner", "-c", "."]);
      await this.importTar(name, bytes);
    } finally {
      await rm(dir, { recursive: true, force: true });
    }
    return name;
  }

  /** The same under a name of its own. */
  hostileImage(script: string): Promise<string> {
    return this.image(`hostile-${++this.#images}`, script);
  }

  async importTar(name: string, tar: Uint8Array): Promise<void> {
    const url = `http://localhost/images/create?fromSrc=-&repo=${name}&tag=latest`;
    const argv = ["curl", "-sf", "--unix-socket", this.daemon.socket, "-T", "-", "-X", "POST", url];
    const { status, stdout } = await run(argv, { input: tar });
    assert.equal(status, 0, stdout);
  }

  /** Runs the client to its end, whatever its status. */
  berth(...args: string[]): Promise<Outcome> {
    return this.daemon.run(berth, args, { timeoutMs: 60_000 });
  }

  /** Runs the client, which has to succeed; returns its output. */
  text(args: readonly string[], options: CommandOptions = {}): Promise<string> {
    return this.daemon.text(berth, args, { timeoutMs: 60_000, ...options });
  }

  /** What a command in a new container prints, both streams and the client's own errors. */
  async output(...args: string[]): Promise<string> {
    const { stdout, stderr } = await this.berth("run", "--rm", ...args);
    return stdout + stderr;
  }

  live(...args: string[]): Live {
    return this.daemon.live(berth, args);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.daemon.close();
    } finally {
      await this.canary.remove();
    }
  }
}

const digestOf = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex").slice(0, 12);

let built: Promise<string> | undefined;

/** The attackers' program, static. */
export function attackerProgram(): Promise<string> {
  built ??= build();
  return built;
}

async function build(): Promise<string> {
  const source = join(import.meta.dirname, "attacker.c");
  const dir = join(ROOT, "build/security");
  const path = join(dir, `attacker-${digestOf(await readFile(source))}`);
  if (existsSync(path)) return path;
  await mkdir(dir, { recursive: true });
  const fresh = `${path}.${process.pid}`;
  const { status, stderr } = await run([
    "gcc",
    "-std=gnu11",
    "-O1",
    "-Wall",
    "-static",
    "-s",
    "-o",
    fresh,
    source,
  ]);
  assert.equal(status, 0, stderr);
  await run(["mv", fresh, path]);
  return path;
}
