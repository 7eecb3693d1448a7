// A bundle and a state directory for tests of `berth runtime`: busybox in ./rootfs. At the end every
// container is deleted, and nothing of them may be left: processes, cgroups, directories, mounts.
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { OciSpec } from "../../src/runtime/spec/oci.ts";
import { baseImageTar } from "./base-image.ts";
import { type CommandOptions, Live, type Outcome, run } from "./command.ts";

const ROOT = dirname(dirname(import.meta.dirname));
const EXECUTABLE = join(ROOT, "dist/berth");
/** What comes before a runtime's command. */
export const RUNTIME = existsSync(EXECUTABLE)
  ? [EXECUTABLE, "runtime"]
  : [process.execPath, join(ROOT, "src/main.ts"), "runtime"];
/** The program that engines start. */
export const FRONT = join(ROOT, "dist/berth-runtime");

/** Changes of the example configuration. */
export type Change = (spec: OciSpec & Required<Pick<OciSpec, "process" | "linux">>) => void;

export class RuntimeBed implements AsyncDisposable {
  /** What comes before a command; a test may change it in the middle. */
  program: readonly string[];
  readonly dir: string;
  readonly bundle: string;
  readonly root: string;

  private constructor(dir: string, program: readonly string[]) {
    this.dir = dir;
    this.program = program;
    this.bundle = join(dir, "bundle");
    this.root = join(dir, "root");
  }

  static async open(program: readonly string[] = RUNTIME): Promise<RuntimeBed> {
    const bed = new RuntimeBed(await mkdtemp(join(tmpdir(), "berth-runtime-")), program);
    const rootfs = join(bed.bundle, "rootfs");
    await mkdir(rootfs, { recursive: true });
    await chmod(bed.dir, 0o755); // users in the container's user namespace pass through it
    const tar = await run(["tar", "-x", "-C", rootfs], { input: await baseImageTar() });
    assert.equal(tar.status, 0, tar.stderr);
    await chmod(rootfs, 0o755); // the archive has its top directory's own
    const spec = await bed.call(["spec", "--bundle", bed.bundle]);
    assert.equal(spec.status, 0, spec.stderr);
    await bed.configure(() => undefined);
    return bed;
  }

  get rootfs(): string {
    return join(this.bundle, "rootfs");
  }

  /** Starts from the example without a terminal, every time. */
  async configure(change: Change): Promise<void> {
    const file = join(this.bundle, "config.json");
    const example = join(this.dir, "example.json");
    if (!existsSync(example)) await writeFile(example, await readFile(file));
    const spec = JSON.parse(await readFile(example, "utf8")) as Parameters<Change>[0];
    spec.process.terminal = false;
    spec.process.args = ["sleep", "1000"];
    change(spec);
    await writeFile(file, JSON.stringify(spec));
  }

  argv(args: readonly string[]): string[] {
    return [...this.program, "--root", this.root, ...args];
  }

  /** Runs a command that ends with everything that has its output open. */
  call(args: readonly string[], options: CommandOptions = {}): Promise<Outcome> {
    return run(this.argv(args), { cwd: this.cwd, ...options });
  }

  live(args: readonly string[]): Live {
    return new Live(this.argv(args), { cwd: this.cwd });
  }

  private get cwd(): string {
    return existsSync(this.bundle) ? this.bundle : "/";
  }

  /** Runs a command whose container stays with its output; that goes to the file `output`. */
  detached(args: readonly string[], output = "/dev/null"): Promise<Outcome> {
    const script =
      'out=$1; shift; "$@" </dev/null >"$out" 2>"$out.err"; code=$?; cat "$out.err" >&2; exit $code';
    const shown = output === "/dev/null" ? join(this.dir, "output") : output;
    return run(["sh", "-c", script, "sh", shown, ...this.argv(args)], { cwd: this.cwd });
  }

  async state(id: string): Promise<{ status: string; pid: number }> {
    const { stdout, stderr, status } = await this.call(["state", id]);
    assert.equal(status, 0, stderr);
    return JSON.parse(stdout) as { status: string; pid: number };
  }

  /** Directories named `id` in any cgroup hierarchy. */
  cgroupsOf(id: string): string[] {
    return findBelow("/sys/fs/cgroup", id, 6);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { stdout } = await this.call(["list", "-q"]);
    for (const id of stdout.split("\n").filter(Boolean)) await this.call(["delete", "--force", id]);
    const left = existsSync(this.root) ? readdirSync(this.root) : [];
    const mounts = readFileSync("/proc/self/mountinfo", "utf8")
      .split("\n")
      .filter((m) => m.includes(this.dir));
    await rm(this.dir, { recursive: true, force: true });
    assert.deepEqual({ left, mounts }, { left: [], mounts: [] });
  }
}

function findBelow(dir: string, name: string, depth: number): string[] {
  let entries: string[];
  try {
    entries = readdirSync(dir, { withFileTypes: true })
      .filter((e) => e.isDirectory())
      .map((e) => e.name);
  } catch {
    return []; // ignored: a cgroup that went meanwhile has nothing below it
  }
  return entries.flatMap((entry) => [
    ...(entry === name ? [join(dir, entry)] : []),
    ...(depth > 0 ? findBelow(join(dir, entry), name, depth - 1) : []),
  ]);
}
