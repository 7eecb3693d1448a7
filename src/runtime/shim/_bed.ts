// What the shim's tests stand on: the real keel, a root made of busybox, plans by hand. Everything is below one private directory; what a test
// starts is killed by `close`, whatever became of the test.

import { execFileSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Keel, startKeel } from "../../linux/keel.ts";
import { host, inner, type ExecPlan, type Op, type ShimPlan } from "../../linux/ops.ts";
import {
  connectShim,
  openAttach,
  openExec,
  openShimEvents,
  type ShimClient,
  type ShimExecExit,
  type ShimExit,
  type StreamChoice,
} from "./client.ts";

const REPOSITORY = new URL("../../..", import.meta.url).pathname;
/** Another build, such as the sanitized one, may be put in its place. */
const KEEL = process.env["BERTH_TEST_KEEL"] ?? join(REPOSITORY, "build/keel");
const BUSYBOX = "/bin/busybox";

/** Why these tests cannot run here, or false. */
export const skip: string | false =
  process.getuid?.() !== 0 ? "needs root" : existsSync(BUSYBOX) ? false : "needs busybox-static";

export const CLONE = {
  ns: 0x20000,
  cgroup: 0x2000000,
  uts: 0x4000000,
  ipc: 0x8000000,
  pid: 0x20000000,
  net: 0x40000000,
} as const;
export const ALL_NAMESPACES = Object.values(CLONE).reduce((a, b) => a | b, 0);
export const MS = { rdonly: 1, nosuid: 2, nodev: 4, noexec: 8 } as const;
export const ENV = ["PATH=/bin", "LANG=C"];
/** Docker's default set. */
export const CAPS = 0xa80425fb;

export interface RunOptions {
  argv?: readonly string[];
  env?: readonly string[];
  /** Replace the standard root, before the standard mounts. */
  root?: Op;
  /** Between the standard mounts and pivot. */
  mounts?: readonly Op[];
  /** Between pivot and exec. */
  settings?: readonly Op[];
  plan?: Partial<ShimPlan>;
  /** Leave the barrier out: the process runs at once. */
  isImmediate?: boolean;
}

export interface Run {
  id: string;
  plan: ShimPlan;
  socketPath: string;
  shimPid: number;
  pid: number;
  warnings: string[];
  shim: ShimClient;
  exit: Promise<ShimExit | "lost">;
  execExits: ShimExecExit[];
  eventWarnings: string[];
}

export interface Output {
  stdout: Buffer;
  stderr: Buffer;
}

/** Undoes Docker's multiplexing. */
export function demultiplex(bytes: Buffer): Output {
  const parts: [Buffer[], Buffer[]] = [[], []];
  let at = 0;
  while (at < bytes.length) {
    const size = bytes.readUInt32BE(at + 4);
    parts[bytes[at] === 2 ? 1 : 0].push(bytes.subarray(at + 8, at + 8 + size));
    at += 8 + size;
  }
  return { stdout: Buffer.concat(parts[0]), stderr: Buffer.concat(parts[1]) };
}

/** Reads a stream to its end. */
export function readAll(stream: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  return new Promise((resolve) => {
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    stream.once("close", () => resolve(Buffer.concat(chunks)));
    stream.resume();
  });
}

/** Resolves when what was read satisfies the condition; fails with what came instead when the stream ends. */
export function readUntil(stream: Socket, isEnough: (text: string) => boolean): Promise<string> {
  let text = "";
  return new Promise((resolve, reject) => {
    const onData = (chunk: Buffer): void => {
      text += chunk.toString("latin1");
      if (!isEnough(text)) return;
      stream.pause(); // what comes now is for the next reader
      stream.off("data", onData);
      stream.off("close", onClose);
      resolve(text);
    };
    const onClose = (): void => reject(new Error(`the stream ended after ${JSON.stringify(text)}`));
    stream.on("data", onData);
    stream.once("close", onClose);
    stream.resume();
  });
}

export function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

/** Waits for a process that is not our child. */
export async function untilGone(pid: number): Promise<void> {
  for (let i = 0; i < 500 && isAlive(pid); i++) await new Promise((resolve) => setTimeout(resolve, 10));
  if (isAlive(pid)) throw new Error(`process ${pid} is still there`);
}

const PASSWD = "root:x:0:0::/root:/bin/sh\nweb:x:1000:1001::/home/web:/bin/sh\n";
const GROUP = "root:x:0:\nwheel:x:10:web\naudio:x:29:web\nwebs:x:1001:\n";

export class Bed {
  readonly dir: string;
  readonly root: string;
  readonly target: string;
  #keel: Keel;
  #count = 0;
  readonly #pids: number[] = [];

  private constructor(dir: string, keel: Keel) {
    this.dir = dir;
    this.root = join(dir, "root");
    this.target = join(dir, "target");
    this.#keel = keel;
  }

  static async open(): Promise<Bed> {
    execFileSync("flock", ["/tmp/berth-build.lock", "make", "-s", "-C", join(REPOSITORY, "native")]);
    const dir = mkdtempSync(join(tmpdir(), "berth-shim-"));
    const bed = new Bed(dir, await startKeel({ keelPath: KEEL, socketPath: join(dir, "agent.sock") }));
    mkdirSync(bed.target);
    bed.makeRoot(bed.root);
    return bed;
  }

  makeRoot(root: string): void {
    for (const name of ["bin", "etc", "tmp", "home/web"])
      mkdirSync(join(root, name), { recursive: true, mode: 0o755 });
    cpSync(BUSYBOX, join(root, "bin/busybox"));
    for (const applet of execFileSync(BUSYBOX, ["--list"], { encoding: "utf8" }).trim().split("\n"))
      if (applet !== "busybox") symlinkSync("busybox", join(root, "bin", applet));
    writeFileSync(join(root, "etc/passwd"), PASSWD);
    writeFileSync(join(root, "etc/group"), GROUP);
  }

  get keel(): Keel {
    return this.#keel;
  }

  /** Lets the agent die and starts another. */
  async replaceKeel(): Promise<void> {
    await this.#keel.close();
    this.#keel = await startKeel({ keelPath: KEEL, socketPath: join(this.dir, "agent2.sock") });
  }

  makePlan(options: RunOptions): ShimPlan {
    const id = `c${++this.#count}`;
    const stateDir = join(this.dir, "state", id);
    mkdirSync(stateDir, { recursive: true, mode: 0o700 });
    const isTty = options.plan?.isTty ?? false;
    return {
      id,
      stateDir,
      isTty,
      hasStdin: false,
      stdinOnce: false,
      rows: 0,
      columns: 0,
      cloneFlags: ALL_NAMESPACES,
      joins: [],
      cgroups: [],
      cgroup2: "",
      oomFile: "",
      log: { kind: "json-file", path: join(stateDir, "log"), maxSizeBytes: 0, maxFiles: 1, attrs: "" },
      spill: { dir: stateDir, limitBytes: 0 },
      exitOps: [],
      health: null,
      ops: [
        options.root ?? inner.root({ kind: "dir", path: this.root }, this.target),
        inner.mount("proc", "proc", "/proc", MS.nosuid | MS.nodev | MS.noexec),
        inner.mount("tmpfs", "tmpfs", "/dev", MS.nosuid, "mode=755"),
        inner.mount(
          "devpts",
          "devpts",
          "/dev/pts",
          MS.nosuid | MS.noexec,
          "newinstance,ptmxmode=0666,mode=0620,gid=5",
        ),
        inner.device("/dev/null", "c", 1, 3, 0o666),
        inner.device("/dev/tty", "c", 5, 0, 0o666),
        inner.device("/dev/zero", "c", 1, 5, 0o666),
        inner.symlink("pts/ptmx", "/dev/ptmx"),
        inner.symlink("/proc/self/fd", "/dev/fd"),
        inner.symlink("/proc/self/fd/1", "/dev/stdout"),
        ...(isTty ? [inner.console()] : []),
        ...(options.mounts ?? []),
        inner.pivot(),
        inner.chdir("/"),
        ...(options.settings ?? []),
        ...(options.isImmediate ? [] : [inner.barrier()]),
        inner.exec(options.argv ?? ["true"], options.env ?? ENV),
      ],
      ...options.plan,
    };
  }

  /** Starts a container that waits at its barrier and listens to it. */
  async create(options: RunOptions = {}): Promise<Run> {
    const plan = this.makePlan(options);
    const { results } = await this.#keel.run([host.shim(plan)]);
    return this.adopt(plan, results[0]);
  }

  /** Listens to a container that was started by hand; `result` is what its `shim` operation gave. */
  async adopt(plan: ShimPlan, result: unknown): Promise<Run> {
    const [shimPid, pid, warnings] = result as [number, number, Buffer[]];
    this.#pids.push(shimPid);
    const socketPath = join(plan.stateDir, "shim.sock");
    const exit = Promise.withResolvers<ShimExit | "lost">();
    const execExits: ShimExecExit[] = [];
    const eventWarnings: string[] = [];
    await openShimEvents(socketPath, {
      onExit: exit.resolve,
      onExecExit: (e) => execExits.push(e),
      onWarning: (w) => eventWarnings.push(w),
      onLost: () => exit.resolve("lost"),
    });
    const shim = await connectShim(socketPath);
    return {
      id: plan.id,
      plan,
      socketPath,
      shimPid,
      pid,
      warnings: warnings.map(String),
      shim,
      exit: exit.promise,
      execExits,
      eventWarnings,
    };
  }

  /** Runs a container to its end and returns everything it said. */
  async run(options: RunOptions = {}): Promise<Output & { exit: ShimExit; run: Run }> {
    const run = await this.create(options);
    const { stream } = await openAttach(run.socketPath, { stdout: true, stderr: true });
    const bytes = readAll(stream);
    await run.shim.start();
    const exit = await run.exit;
    run.shim.close();
    if (exit === "lost") throw new Error("the shim was lost");
    const all = await bytes;
    return { ...(run.plan.isTty ? { stdout: all, stderr: Buffer.alloc(0) } : demultiplex(all)), exit, run };
  }

  /** Runs a shell script and returns its standard output. */
  async sh(script: string, options: RunOptions = {}): Promise<string> {
    const { stdout, stderr } = await this.run({ ...options, argv: ["sh", "-c", script] });
    return `${stdout}${stderr}`;
  }

  exec(
    run: Run,
    argv: readonly string[],
    streams: StreamChoice,
    plan: Partial<ExecPlan> = {},
  ): ReturnType<typeof openExec> {
    return openExec(
      run.socketPath,
      {
        execId: `x${++this.#count}`,
        isTty: false,
        hasStdin: streams.stdin ?? false,
        rows: 0,
        columns: 0,
        ops: [inner.chdir("/"), inner.exec(argv, ENV)],
        ...plan,
      },
      streams,
    );
  }

  async close(): Promise<void> {
    for (const pid of this.#pids) if (readCommand(pid) === "keel-shim\n") killIfThere(pid);
    await this.#keel.close();
    for (const pid of this.#pids) await untilGone(pid);
    rmSync(this.dir, { recursive: true, force: true });
  }
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // ignored: it has ended since its name was read
  }
}

function readCommand(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, "utf8");
  } catch {
    return ""; // ignored: it is gone
  }
}
