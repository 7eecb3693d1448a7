// A place in which an engine works: namespaces of its own for processes, mounts and the network, a directory, and a cgroup. The first
// process in it reads a pipe from the suite: when the suite ends, however it ends, that process ends, and with it the kernel ends
// everything in the room and takes its mounts and networks away. What a killed suite leaves, a directory and empty cgroups, is
// removed by the next one.
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmdirSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const CGROUPS = "/sys/fs/cgroup";
const PREFIX = "berth-bench-";
const TMPFS = 0x01021994;

export interface Outcome {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

export class Room implements AsyncDisposable {
  /** Of the room's first process, as the host sees it. */
  readonly pid: number;
  readonly dir: string;
  /** Path of its cgroup below the root of every hierarchy, with a slash in front. */
  readonly cgroup: string;
  readonly #holder: ChildProcess;
  static readonly #open = new Set<Room>();

  private constructor(holder: ChildProcess, pid: number, dir: string, cgroup: string) {
    this.#holder = holder;
    this.pid = pid;
    this.dir = dir;
    this.cgroup = cgroup;
  }

  /** Opens a room; `script` is run in it by sh, its working directory is the room's. */
  static async open(name: string, script = ":"): Promise<Room> {
    const id = `${PREFIX}${process.pid}-${name}-`;
    const dir = mkdtempSync(join(tmpdir(), id));
    const cgroup = `/${dir.slice(tmpdir().length + 1)}`;
    const first = `ip link set lo up && ${script} && echo ready && cat >/dev/null`;
    const namespaces = ["--pid", "--fork", "--mount", "--mount-proc", "--net"];
    const holder = spawn("unshare", [...namespaces, "sh", "-c", first], {
      cwd: dir,
      stdio: ["pipe", "pipe", "inherit"],
    });
    await new Promise<void>((resolve, reject) => {
      holder.stdout?.once("data", () => resolve());
      holder.once("exit", (status) => reject(new Error(`the room of ${name} ended with ${status}`)));
    });
    const pid = Number(childrenOf(holder.pid as number)[0]);
    const room = new Room(holder, pid, dir, cgroup);
    Room.#open.add(room);
    const account = join(accountRoot(), cgroup, "room");
    mkdirSync(account, { recursive: true });
    writeFileSync(join(account, "cgroup.procs"), String(pid));
    return room;
  }

  /** Returns the command that runs `argv` in the room. */
  wrap(argv: readonly string[]): string[] {
    // The room's cgroup comes with its processes only; what is started from outside is counted by its children there.
    return ["nsenter", "-t", String(this.pid), "-p", "-n", "-m", "--", ...argv];
  }

  /** Runs a program in the room's network alone; it sees the host's files and processes. */
  onNetwork(argv: readonly string[], netPid = this.pid): string {
    return must(["nsenter", `--net=/proc/${netPid}/ns/net`, "--", ...argv]);
  }

  /** The child of a process that is there to start it, as nsenter(1) does when it enters a process namespace. */
  childOf(pid: number): number {
    return Number(childrenOf(pid)[0]);
  }

  /** Starts a program in the room. */
  start(argv: readonly string[]): RoomProcess {
    const account = join(accountRoot(), this.cgroup, "room", "cgroup.procs");
    const command = ["sh", "-c", 'echo $$ >"$0" && exec "$@"', account, ...this.wrap(argv)];
    return RoomProcess.start(command);
  }

  /** Processor time of everything that has run in the room's cgroup so far, in milliseconds. */
  cpuMs(): number {
    const at = join(accountRoot(), this.cgroup);
    const usage = join(at, "cpuacct.usage");
    if (existsSync(usage)) return Number(readFileSync(usage, "utf8")) / 1e6;
    return Number(/usage_usec (\d+)/.exec(readFileSync(join(at, "cpu.stat"), "utf8"))?.[1]) / 1e3;
  }

  /** Processes in the room's own network, as the host sees them: daemons and supervisors, not what runs in containers. */
  processes(): { pid: number; argv: string[] }[] {
    const network = readlinkSync(`/proc/${this.pid}/ns/net`);
    return readdirSync("/proc").flatMap((name) => {
      try {
        if (!/^\d+$/.test(name) || readlinkSync(`/proc/${name}/ns/net`) !== network) return [];
        const argv = readFileSync(`/proc/${name}/cmdline`, "utf8").split("\0").slice(0, -1);
        return argv.length === 0 ? [] : [{ pid: Number(name), argv }];
      } catch {
        return []; // ignored: it has ended
      }
    });
  }

  /** Closes all rooms that are open: for a suite that is told to end. */
  static async closeAll(): Promise<void> {
    await Promise.all([...Room.#open].map((room) => room[Symbol.asyncDispose]()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    Room.#open.delete(this);
    const ended = new Promise((resolve) => this.#holder.once("exit", resolve));
    this.#holder.stdin?.end();
    if (this.#holder.exitCode === null) await ended;
    await removeCgroups(this.cgroup);
    rmSync(this.dir, { recursive: true, force: true });
  }
}

/** A program that was started in a room. */
export class RoomProcess {
  readonly #child: ChildProcess;
  readonly #output: Buffer[] = [];
  readonly #ended: Promise<void>;

  private constructor(child: ChildProcess) {
    this.#child = child;
    for (const stream of [child.stdout, child.stderr])
      stream?.on("data", (chunk: Buffer) => this.#output.push(chunk));
    this.#ended = new Promise((resolve) => child.once("exit", () => resolve()));
  }

  static start(argv: readonly string[]): RoomProcess {
    const [file = "", ...args] = argv;
    return new RoomProcess(spawn(file, args, { stdio: ["ignore", "pipe", "pipe"] }));
  }

  /** nsenter stays as the parent of what it runs. */
  get pid(): number {
    return Number(childrenOf(this.#child.pid as number)[0]);
  }

  get hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  get output(): string {
    return Buffer.concat(this.#output).toString();
  }

  /** Ends it with a signal and waits for its end. */
  async end(signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    if (!this.hasEnded) process.kill(this.pid, signal);
    await this.#ended;
  }
}

/** Runs a program that has to succeed; returns what it printed. */
export function must(argv: readonly string[], options: { cwd?: string; input?: Buffer } = {}): string {
  const { status, stdout, stderr } = outcomeOf(argv, options);
  if (status !== 0) throw new Error(`${argv.join(" ").slice(0, 300)}: ${stderr}${stdout}`);
  return stdout;
}

/** Runs a program to its end. */
export function outcomeOf(
  argv: readonly string[],
  options: { cwd?: string; input?: Buffer; env?: NodeJS.ProcessEnv } = {},
): Outcome {
  const [file = "", ...args] = argv;
  const { status, stdout, stderr, error } = spawnSync(file, args, { maxBuffer: 1 << 30, ...options });
  if (error !== undefined) throw error;
  return { status: status ?? -1, stdout: stdout.toString(), stderr: stderr.toString() };
}

/** Removes what suites that were killed have left. */
export async function sweep(): Promise<void> {
  for (const name of readdirSync(tmpdir())) {
    const pid = new RegExp(`^${PREFIX}(\\d+)-`).exec(name)?.[1];
    if (pid === undefined || existsSync(`/proc/${pid}`)) continue;
    await removeCgroups(`/${name}`);
    rmSync(join(tmpdir(), name), { recursive: true, force: true });
  }
}

/** Root of the hierarchy that counts processor time: cpuacct of version 1, or version 2. */
function accountRoot(): string {
  return existsSync(join(CGROUPS, "cpuacct")) ? join(CGROUPS, "cpuacct") : CGROUPS;
}

/** Removes a cgroup from all hierarchies; its processes have been killed and take a moment to go. */
async function removeCgroups(cgroup: string): Promise<void> {
  const roots = [CGROUPS, ...readdirSync(CGROUPS).map((name) => join(CGROUPS, name))];
  for (const root of roots)
    for (let attempt = 0; existsSync(join(root, cgroup)); attempt++) {
      if (removeTree(join(root, cgroup)) || attempt > 200) break;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
}

/** Removes a directory of cgroups, or of files where an engine has made one for a hierarchy that is not mounted. */
function removeTree(dir: string): boolean {
  try {
    for (const entry of readdirSync(dir, { withFileTypes: true }))
      if (entry.isDirectory()) removeTree(join(dir, entry.name));
    if (statfsSync(dir).type === TMPFS) rmSync(dir, { recursive: true });
    else rmdirSync(dir);
    return true;
  } catch {
    return false; // ignored: the caller tries again
  }
}

function childrenOf(pid: number): number[] {
  try {
    const tasks = readdirSync(`/proc/${pid}/task`);
    return tasks.flatMap((task) =>
      readFileSync(`/proc/${pid}/task/${task}/children`, "utf8").split(" ").filter(Boolean).map(Number),
    );
  } catch {
    return []; // ignored: it has ended
  }
}
