// The engines of a benchmark, each in a room of its own: Berth, the real Docker Engine (Debian's package docker.io) with the client that
// belongs to it, and podman where it is installed. Nothing here measures.
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import type { Contender, Field } from "../rows/row.ts";
import { busyboxTar } from "./image.ts";
import { must, type Outcome, outcomeOf, Room, type RoomProcess } from "./room.ts";

const ROOT = dirname(dirname(import.meta.dirname));
export const BERTH = join(ROOT, "dist/berth");
const START_MS = 60_000;

export interface EngineOptions {
  /** The engine's data is on a new ext4 with a journal of this size (a sparse file) instead of the host's file system. */
  readonly diskBytes?: number;
}

/** A running engine and the command line that drives it. */
export interface Engine extends Contender {
  readonly room: Room;
  /** Runs the engine's command line; throws with its output when it fails. Returns standard output. */
  cli(args: readonly string[], input?: Buffer): string;
  /** The same whatever its status. */
  outcome(args: readonly string[], input?: Buffer): Outcome;
  /** Removes containers at once, if they run or not. */
  remove(...names: string[]): void;
  /** Runs a shell script in which $CLI is the engine's command line. */
  sh(script: string): string;
}

/** An engine whose daemon answers an API. */
export interface DaemonEngine extends Engine {
  readonly daemon: RoomProcess;
  /** Where its API is, for DOCKER_HOST. */
  readonly host: string;
  /** One request to the API; throws when the answer is an error. */
  api(method: string, path: string, body?: unknown): Promise<unknown>;
  /** Ends the daemon in the orderly way; its containers live on. */
  stop(): Promise<void>;
  /** Starts it and resolves when it answers. */
  start(): Promise<void>;
}

export const isInstalled = (program: string): boolean =>
  (process.env["PATH"] ?? "").split(delimiter).some((dir) => existsSync(join(dir, program)));

/** Opens the engines, podman in a full run, each with the image `bench`. */
export async function openEngines({ isQuick }: { isQuick: boolean }): Promise<Field<Engine>> {
  const daemons = await openDaemons();
  if (isQuick || !isInstalled("podman")) return daemons;
  const podman = await openPodman();
  podman.cli(["import", "-", "bench"], busyboxTar());
  return {
    contenders: [...daemons.contenders, podman],
    async [Symbol.asyncDispose]() {
      await podman.room[Symbol.asyncDispose]();
      await daemons[Symbol.asyncDispose]();
    },
  };
}

/** Opens Berth and Docker Engine, each with the image `bench`. */
export async function openDaemons(options: EngineOptions = {}): Promise<Field<DaemonEngine>> {
  // What is removed is gone at once, as with Docker; both leave their containers running when they end.
  const berth = await openDaemon("berth", BERTH, [BERTH, "daemon"], { undo: false }, options);
  const flags = ["--log-level", "error", "--storage-driver", "overlay2"];
  const docker = await openDaemon("docker", "docker", ["dockerd", ...flags], {}, options);
  const contenders = [berth, docker];
  for (const engine of contenders) engine.cli(["import", "-", "bench"], busyboxTar());
  return {
    contenders,
    async [Symbol.asyncDispose]() {
      for (const { room } of contenders) await room[Symbol.asyncDispose]();
    },
  };
}

const TITLES: Readonly<Record<string, string>> = { berth: "Berth", docker: "Docker" };

async function openDaemon(
  kind: string,
  client: string,
  command: readonly string[],
  config: object,
  { diskBytes }: EngineOptions,
): Promise<DaemonEngine> {
  const room = await openRoom(kind, diskBytes);
  const { dir } = room;
  const socket = join(dir, "sock");
  writeFileSync(join(dir, "daemon.json"), JSON.stringify({ ...config, "live-restore": true }));
  mkdirSync(join(dir, "config"));
  const paths = { "data-root": "data", "exec-root": "run", pidfile: "pid", "config-file": "daemon.json" };
  const argv = [
    ...command,
    ...Object.entries(paths).flatMap(([flag, name]) => [`--${flag}`, join(dir, name)]),
    ...["-H", `unix://${socket}`, "--cgroup-parent", room.cgroup],
  ];
  const launch = async (): Promise<RoomProcess> => {
    const daemon = room.start(argv);
    for (const since = performance.now(); !(await answers(socket)); ) {
      if (daemon.hasEnded || performance.now() - since > START_MS)
        throw new Error(`${kind} did not start:\n${daemon.output}`);
      await new Promise((resolve) => setTimeout(resolve, 2)); // dockerd tells nobody when it is ready
    }
    return daemon;
  };
  let daemon = await launch();
  const environment = {
    ...process.env,
    DOCKER_HOST: `unix://${socket}`,
    DOCKER_CONFIG: join(dir, "config"),
    DOCKER_BUILDKIT: "0",
    DOCKER_CLI_HINTS: "false",
  };
  const commands = commandLine(kind, [client], environment);
  const version = commands.cli(["version", "-f", "{{.Server.Version}}"]).trim();
  return {
    ...commands,
    name: `${TITLES[kind]} ${version}`,
    kind,
    room,
    host: `unix://${socket}`,
    get daemon() {
      return daemon;
    },
    async api(method, path, body) {
      const { status, text } = await ask(socket, method, path, body);
      if (status >= 400) throw new Error(`${kind}: ${method} ${path}: ${text}`);
      return text === "" ? undefined : JSON.parse(text);
    },
    stop: () => daemon.end(),
    async start() {
      daemon = await launch();
    },
  };
}

async function openPodman(): Promise<Engine> {
  // Where podman keeps the network namespaces of containers, whatever its other directories are; it leaves a file for some.
  const room = await Room.open("podman", "mkdir -p /run/netns && mount -t tmpfs podman /run/netns");
  const { dir } = room;
  const paths = { root: "root", runroot: "runroot", tmpdir: "tmp", "network-config-dir": "networks" };
  const flags = ["--cgroup-manager", "cgroupfs", "--events-backend", "file", "--storage-driver", "overlay"];
  if (isInstalled("runc")) flags.push("--runtime", "runc"); // crun refuses hosts with both versions of cgroups
  const places = Object.entries(paths).flatMap(([flag, name]) => [`--${flag}`, join(dir, name)]);
  const argv = room.wrap(["podman", ...places, ...flags]);
  const commands = commandLine("podman", argv, process.env, room.cgroup);
  const version = commands.cli(["--version"]).trim().split(" ").at(-1);
  return { ...commands, name: `podman ${version}`, kind: "podman", room };
}

async function openRoom(kind: string, diskBytes?: number): Promise<Room> {
  if (diskBytes === undefined) return Room.open(kind);
  const image = "disk.ext4";
  const script = `mkdir data && mkfs.ext4 -q -E nodiscard,lazy_itable_init=0 ${image} && mount -o loop ${image} data`;
  return Room.open(kind, `truncate -s ${diskBytes} ${image} && ${script}`);
}

function ask(
  socketPath: string,
  method: string,
  path: string,
  body?: unknown,
): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const headers = { "Content-Type": "application/json" };
    const call = request({ socketPath, method, path, headers, agent: false }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on("data", (chunk: Buffer) => chunks.push(chunk));
      answer.on("end", () =>
        resolve({ status: answer.statusCode ?? 0, text: Buffer.concat(chunks).toString() }),
      );
    });
    call.once("error", reject);
    call.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

async function answers(socket: string): Promise<boolean> {
  try {
    return existsSync(socket) && (await ask(socket, "GET", "/_ping")).status === 200;
  } catch {
    return false; // ignored: it does not listen yet
  }
}

function commandLine(
  kind: string,
  argv: readonly string[],
  env: NodeJS.ProcessEnv,
  cgroupParent?: string,
): Pick<Engine, "cli" | "outcome" | "remove" | "sh"> {
  const full = (args: readonly string[]): string[] =>
    cgroupParent !== undefined && args[0] === "run"
      ? [...argv, "run", "--cgroup-parent", cgroupParent, ...args.slice(1)]
      : [...argv, ...args];
  const outcome = (args: readonly string[], input?: Buffer): Outcome =>
    outcomeOf(full(args), { env, cwd: tmpdir(), ...(input === undefined ? {} : { input }) });
  const cli: Engine["cli"] = (args, input) => {
    const { status, stdout, stderr } = outcome(args, input);
    if (status !== 0) throw new Error(`${kind} ${args.join(" ").slice(0, 200)}: ${stderr}${stdout}`);
    return stdout;
  };
  return {
    outcome,
    cli,
    // podman gives a container ten seconds to end before it kills it.
    remove: (...names) => void cli(["rm", "-f", ...(kind === "podman" ? ["-t", "0"] : []), ...names]),
    sh: (script) => must(["env", ...entries(env), `CLI=${argv.join(" ")}`, "sh", "-c", script]),
  };
}

const entries = (env: NodeJS.ProcessEnv): string[] =>
  Object.entries(env).flatMap(([key, value]) => (value === undefined ? [] : [`${key}=${value}`]));
