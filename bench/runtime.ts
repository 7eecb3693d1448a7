// What it costs an engine to have a container from a bundle: create, start and delete with each OCI runtime that is installed, in turns in the
// same run. `make bench` (root). crun refuses machines with version 1 and version 2 of cgroups side by side, so that all of them run in a mount
// namespace without the version 2 hierarchy where there are both: like with like.

import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";

const ROUNDS = Number(process.env["ROUNDS"] ?? 20);
const UNIFIED = "/sys/fs/cgroup/unified";
const BERTH = join(dirname(import.meta.dirname), "dist/berth");

/** Runs a command with its output in a file, as an engine does: a container that keeps a pipe open would keep us waiting. */
function call(argv: readonly string[], cwd: string): { ms: number; status: number | null } {
  const [file = "", ...args] = argv;
  const started = performance.now();
  const { status } = spawnSync(file, args, { cwd, stdio: "ignore" });
  return { ms: performance.now() - started, status };
}

function must(argv: readonly string[], cwd: string): void {
  const { status } = call(argv, cwd);
  if (status !== 0) throw new Error(`${argv.join(" ")} ended with ${status}`);
}

/** A bundle in which busybox sleeps; the version of the specification is one that all know. */
function makeBundle(dir: string): void {
  mkdirSync(join(dir, "rootfs/bin"), { recursive: true });
  must(["cp", "/bin/busybox", join(dir, "rootfs/bin/sleep")], dir);
  must([BERTH, "runtime", "spec"], dir);
  const file = join(dir, "config.json");
  const spec = JSON.parse(readFileSync(file, "utf8")) as {
    ociVersion: string;
    process: { terminal: boolean; args: string[] };
    linux: { cgroupsPath?: string };
  };
  spec.ociVersion = "1.0.2";
  spec.process.terminal = false;
  spec.process.args = ["sleep", "1000"];
  spec.linux.cgroupsPath = `/berth-bench-${process.pid}`;
  writeFileSync(file, JSON.stringify(spec));
}

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

function compare(): void {
  const dir = mkdtempSync(join(tmpdir(), "berth-bench-"));
  try {
    makeBundle(dir);
    const isInstalled = (name: string) =>
      (process.env["PATH"] ?? "").split(delimiter).some((d) => existsSync(join(d, name)));
    const runtimes: Record<string, string[]> = { berth: [BERTH, "runtime"] };
    for (const name of ["crun", "runc"]) if (isInstalled(name)) runtimes[name] = [name];
    const times = new Map<string, number[][]>();
    for (let round = 0; round < ROUNDS; round++)
      for (const [name, program] of Object.entries(runtimes)) {
        const base = [...program, "--root", join(dir, `root-${name}`)];
        const steps = [["create"], ["start"], ["delete", "--force"]].map((c) =>
          call([...base, ...c, "box"], dir),
        );
        if (steps.some(({ status }) => status !== 0)) throw new Error(`${name} failed`);
        times.set(name, [...(times.get(name) ?? []), steps.map(({ ms }) => ms)]);
      }
    console.log(
      `${"ms, median".padEnd(12)}${["create", "start", "delete", "sum"].map((s) => s.padStart(9)).join("")}`,
    );
    for (const [name, rounds] of times) {
      const columns = [0, 1, 2].map((i) => median(rounds.map((r) => r[i] ?? 0)));
      const sum = median(rounds.map((r) => r.reduce((a, b) => a + b, 0)));
      console.log(`${name.padEnd(12)}${[...columns, sum].map((ms) => ms.toFixed(1).padStart(9)).join("")}`);
    }
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

if (process.argv[2] === "inside" || !existsSync(UNIFIED)) compare();
else {
  const inside = ["umount", UNIFIED, "&&", "exec", '"$@"'].join(" ");
  const argv = ["-m", "sh", "-c", inside, "sh", process.execPath, import.meta.filename, "inside"];
  process.exitCode = spawnSync("unshare", argv, { stdio: "inherit" }).status ?? 1;
}
