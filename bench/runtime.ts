// What it costs an engine to have a container from a bundle: create, start and delete with each OCI runtime that is installed, in turns in the
// same run. `make bench` (root). Besides the time each call's own processor time is told, which depends less on what else the machine does: of
// the runtime and the processes that it has waited for, not of the container. Twice: with the configuration that `spec` writes, and with the
// system-call filter in it that engines give every container. crun refuses machines with version 1 and version 2 of cgroups side by side, so that all of them run in a mount
// namespace without the version 2 hierarchy where there are both: like with like.

import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { release, tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { DEFAULT_PROFILE } from "../src/runtime/seccomp/default-profile.ts";
import { resolveProfile } from "../src/runtime/seccomp/profile.ts";

const ROUNDS = Number(process.env["ROUNDS"] ?? 20);
const UNIFIED = "/sys/fs/cgroup/unified";
const BERTH = join(dirname(import.meta.dirname), "dist/berth");
const FRONT = join(dirname(import.meta.dirname), "dist/berth-runtime");

interface Cost {
  ms: number;
  cpuMs: number;
}

/** Runs a command without a pipe to its output, as an engine does: a container that keeps one open would keep us waiting. */
function call(argv: readonly string[], cwd: string): Cost {
  const started = performance.now();
  const { exitCode, resourceUsage } = Bun.spawnSync([...argv], {
    cwd,
    stdio: ["ignore", "ignore", "ignore"],
  });
  const ms = performance.now() - started;
  if (exitCode !== 0) throw new Error(`${argv.join(" ")} ended with ${exitCode}`);
  return { ms, cpuMs: Number(resourceUsage.cpuTime.total) / 1000 };
}

/** A bundle in which busybox sleeps; the version of the specification is one that all know. */
function makeBundle(dir: string, hasFilter: boolean): void {
  mkdirSync(join(dir, "rootfs/bin"), { recursive: true });
  call(["cp", "/bin/busybox", join(dir, "rootfs/bin/sleep")], dir);
  call([BERTH, "runtime", "spec"], dir);
  const file = join(dir, "config.json");
  const spec = JSON.parse(readFileSync(file, "utf8")) as {
    ociVersion: string;
    process: { terminal: boolean; args: string[] };
    linux: { cgroupsPath?: string; seccomp?: unknown };
  };
  spec.ociVersion = "1.0.2";
  spec.process.terminal = false;
  spec.process.args = ["sleep", "1000"];
  spec.linux.cgroupsPath = `/berth-bench-${process.pid}`;
  const machine = {
    arch: process.arch === "x64" ? "amd64" : process.arch,
    capabilities: [],
    kernel: release(),
  };
  if (hasFilter) spec.linux.seccomp = resolveProfile(DEFAULT_PROFILE, machine);
  writeFileSync(file, JSON.stringify(spec));
}

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

const STEPS = [["create"], ["start"], ["delete", "--force"]] as const;

/** One line per runtime: time and processor time of each step and of all. */
function report(title: string, costs: ReadonlyMap<string, readonly Cost[][]>): void {
  console.log(title);
  const row = (name: string, cells: readonly string[]) =>
    console.log(name.padEnd(16) + cells.map((c) => c.padStart(8)).join(""));
  row(
    "ms, median",
    ["create", "start", "delete", "sum"].flatMap((step) => [step, "cpu"]),
  );
  for (const [name, rounds] of costs) {
    const cell = (of: (cost: Cost) => number, steps: readonly number[]) =>
      median(rounds.map((r) => steps.reduce((sum, i) => sum + of(r[i] as Cost), 0))).toFixed(1);
    const columns = [[0], [1], [2], [0, 1, 2]];
    row(
      name,
      columns.flatMap((steps) => [cell(({ ms }) => ms, steps), cell(({ cpuMs }) => cpuMs, steps)]),
    );
  }
}

function compare(title: string, hasFilter: boolean): void {
  const dir = mkdtempSync(join(tmpdir(), "berth-bench-"));
  try {
    makeBundle(dir, hasFilter);
    const isInstalled = (name: string) =>
      (process.env["PATH"] ?? "").split(delimiter).some((d) => existsSync(join(d, name)));
    const runtimes: Record<string, string[]> = {
      "berth runtime": [BERTH, "runtime"],
      "berth-runtime": [FRONT],
    };
    for (const name of ["crun", "runc"]) if (isInstalled(name)) runtimes[name] = [name];
    const costs = new Map<string, Cost[][]>();
    for (let round = 0; round < ROUNDS; round++)
      for (const [name, program] of Object.entries(runtimes)) {
        const base = [...program, "--root", join(dir, `root-${name}`)];
        const steps = STEPS.map((c) => call([...base, ...c, "box"], dir));
        costs.set(name, [...(costs.get(name) ?? []), steps]);
      }
    report(title, costs);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

if (process.argv[2] === "inside" || !existsSync(UNIFIED)) {
  compare("as `spec` writes it", false);
  compare("with the default system-call filter", true);
} else {
  const inside = ["umount", UNIFIED, "&&", "exec", '"$@"'].join(" ");
  const argv = ["-m", "sh", "-c", inside, "sh", process.execPath, import.meta.filename, "inside"];
  process.exitCode = spawnSync("unshare", argv, { stdio: "inherit" }).status ?? 1;
}
