// Starts the two engines of a benchmark, Berth and the real Docker Engine, each in a network namespace of its own, so
// that both may use the same bridge and addresses, and stops them. Nothing here measures.
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

/** A running engine and the command line that drives it. */
export interface Engine extends AsyncDisposable {
  readonly name: string;
  readonly daemonPid: number;
  /** Where its API is, for DOCKER_HOST. */
  readonly host: string;
  /** Runs the engine's command line; throws with its output when it fails. Returns standard output. */
  cli(args: readonly string[], options?: { input?: Buffer; mayFail?: boolean }): string;
  /** The same without waiting. */
  spawn(args: readonly string[]): ChildProcess;
}

const ROOT = dirname(import.meta.dirname);

/** Starts Berth's daemon from dist/berth; `name` ends in its version. What is removed is gone at once, as with Docker. */
export async function startBerth(): Promise<Engine> {
  const berth = join(ROOT, "dist/berth");
  return start("Berth", berth, berth, ["daemon"], [], { undo: false });
}

/** Starts Docker Engine (package docker.io) with its own containerd. */
export async function startDocker(): Promise<Engine> {
  const args = ["--log-level", "error", "--storage-driver", "overlay2"];
  return start("Docker", "docker", "dockerd", [], args);
}

async function start(
  name: string,
  cli: string,
  daemon: string,
  verb: string[],
  extra: string[],
  config: object = {},
): Promise<Engine> {
  const dir = mkdtempSync(join(tmpdir(), `bench-${name.toLowerCase()}-`));
  const socket = join(dir, "sock");
  mkdirSync(join(dir, "config"));
  writeFileSync(join(dir, "daemon.json"), JSON.stringify(config));
  const options = [
    "--data-root",
    join(dir, "data"),
    "--exec-root",
    join(dir, "run"),
    "--pidfile",
    join(dir, "pid"),
    "--config-file",
    join(dir, "daemon.json"),
  ];
  const command = [daemon, ...verb, ...options, "-H", `unix://${socket}`, ...extra];
  const script = 'ip link set lo up; exec "$@"';
  const child = spawn("unshare", ["--net", "sh", "-c", script, "sh", ...command], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const output: Buffer[] = [];
  for (const s of [child.stdout, child.stderr]) s.on("data", (b: Buffer) => output.push(b));
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const env = {
    ...process.env,
    DOCKER_HOST: `unix://${socket}`,
    DOCKER_CONFIG: join(dir, "config"),
    DOCKER_BUILDKIT: "0",
  };
  const run: Engine["cli"] = (args, o = {}) => {
    const r = spawnSync(cli, args, { env, input: o.input, maxBuffer: 1 << 30 });
    if (r.status !== 0 && !o.mayFail) throw new Error(`${name}: ${cli} ${args.join(" ")}: ${r.stderr}`);
    return r.stdout.toString();
  };
  for (let i = 0; run(["version", "-f", "{{.Server.Version}}"], { mayFail: true }).trim() === ""; i++) {
    if (i > 300 || child.exitCode !== null)
      throw new Error(`${name} did not start:\n${Buffer.concat(output)}`);
    await new Promise((resolve) => setTimeout(resolve, 100)); // dockerd tells nobody when it is ready
  }
  return {
    name: `${name} ${run(["version", "-f", "{{.Server.Version}}"]).trim()}`,
    daemonPid: child.pid as number,
    host: `unix://${socket}`,
    cli: run,
    spawn: (args) => spawn(cli, args, { env, stdio: "ignore" }),
    async [Symbol.asyncDispose]() {
      const ids = run(["ps", "-aq"], { mayFail: true }).split(/\s+/).filter(Boolean);
      if (ids.length > 0) run(["rm", "-f", ...ids], { mayFail: true });
      child.kill("SIGTERM");
      await ended;
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
