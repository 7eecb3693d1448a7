// Starts the two engines of a benchmark, Berth and the real Docker Engine, each in a network namespace of its own, so
// that both may use the same bridge and addresses, and stops them. Nothing here measures.
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
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

export interface EngineOptions {
  /** The engine's data is on a new ext4 of this size (a sparse file, mounted by loop) instead of the host's file system. */
  readonly diskBytes?: number;
}

/** Starts Berth's daemon from dist/berth; `name` ends in its version. What is removed is gone at once, as with Docker. */
export async function startBerth(options: EngineOptions = {}): Promise<Engine> {
  const berth = join(ROOT, "dist/berth");
  const program = { cli: berth, daemon: [berth, "daemon"], args: [], config: { undo: false } };
  return start("Berth", program, options);
}

/** Starts Docker Engine (package docker.io) with its own containerd. */
export async function startDocker(options: EngineOptions = {}): Promise<Engine> {
  const args = ["--log-level", "error", "--storage-driver", "overlay2"];
  return start("Docker", { cli: "docker", daemon: ["dockerd"], args, config: {} }, options);
}

/** Makes a file system in a file beside `dir`, and mounts it there. Returns what undoes the mount. */
function mountDisk(dir: string, sizeBytes: number): () => void {
  const image = `${dir}.ext4`;
  writeFileSync(image, "");
  truncateSync(image, sizeBytes);
  mkdirSync(dir);
  for (const argv of [
    ["mkfs.ext4", "-q", "-E", "nodiscard,lazy_itable_init=0", image],
    ["mount", "-o", "loop", image, dir],
  ])
    run(argv);
  return () => run(["umount", dir]);
}

function run([file = "", ...args]: string[]): void {
  const { status, stderr } = spawnSync(file, args);
  if (status !== 0) throw new Error(`${file} ${args.join(" ")}: ${stderr}`);
}

interface Program {
  cli: string;
  daemon: string[];
  args: string[];
  config: object;
}

async function start(
  name: string,
  { cli, daemon, args: extra, config }: Program,
  { diskBytes }: EngineOptions,
): Promise<Engine> {
  const dir = mkdtempSync(join(tmpdir(), `bench-${name.toLowerCase()}-`));
  const socket = join(dir, "sock");
  mkdirSync(join(dir, "config"));
  writeFileSync(join(dir, "daemon.json"), JSON.stringify(config));
  const unmount = diskBytes === undefined ? undefined : mountDisk(join(dir, "data"), diskBytes);
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
  const command = [...daemon, ...options, "-H", `unix://${socket}`, ...extra];
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
  const runCli: Engine["cli"] = (args, o = {}) => {
    const r = spawnSync(cli, args, { env, input: o.input, maxBuffer: 1 << 30 });
    if (r.status !== 0 && !o.mayFail) throw new Error(`${name}: ${cli} ${args.join(" ")}: ${r.stderr}`);
    return r.stdout.toString();
  };
  for (let i = 0; runCli(["version", "-f", "{{.Server.Version}}"], { mayFail: true }).trim() === ""; i++) {
    if (i > 300 || child.exitCode !== null)
      throw new Error(`${name} did not start:\n${Buffer.concat(output)}`);
    await new Promise((resolve) => setTimeout(resolve, 100)); // dockerd tells nobody when it is ready
  }
  return {
    name: `${name} ${runCli(["version", "-f", "{{.Server.Version}}"]).trim()}`,
    daemonPid: child.pid as number,
    host: `unix://${socket}`,
    cli: runCli,
    spawn: (args) => spawn(cli, args, { env, stdio: "ignore" }),
    async [Symbol.asyncDispose]() {
      const ids = runCli(["ps", "-aq"], { mayFail: true }).split(/\s+/).filter(Boolean);
      if (ids.length > 0) runCli(["rm", "-f", ...ids], { mayFail: true });
      child.kill("SIGTERM");
      await ended;
      unmount?.();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
