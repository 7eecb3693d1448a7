// A daemon of a test file's own, and the clients that drive it: dist/berth where it is built (the sources otherwise), and
// the real docker command line where it is installed. Each daemon has directories, a socket and a network namespace
// of its own; at the end it is stopped with SIGTERM, and nothing of it may be left on the host.
import assert from "node:assert/strict";
import { existsSync, type FSWatcher, watch } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { type DaemonMarks, tracesOf } from "../../tools/leaks.ts";
import { baseImageTar } from "./base-image.ts";
import { type CommandOptions, Live, type Outcome, run } from "./command.ts";
import { NetworkNamespace } from "./namespace.ts";

const ROOT = dirname(dirname(import.meta.dirname));
const EXECUTABLE = join(ROOT, "dist/berth");
const BERTH = existsSync(EXECUTABLE) ? [EXECUTABLE] : [process.execPath, join(ROOT, "src/main.ts")];

/** How long a daemon that was told to end may take. */
const SHUTDOWN_MS = 30_000;

/** A command line under which the daemon's API is tried. */
export interface Client {
  readonly name: "berth" | "docker";
  readonly argv: readonly string[];
}

const isInstalled = (command: string): boolean =>
  (process.env["PATH"] ?? "").split(delimiter).some((entry) => existsSync(join(entry, command)));

const CLIENTS: Readonly<Record<Client["name"], Client>> = {
  berth: { name: "berth", argv: BERTH },
  docker: { name: "docker", argv: ["docker"] },
};

/** The clients to be tried on this machine: what is said of one is said of the other. */
export const clients: readonly Client[] = isInstalled("docker")
  ? [CLIENTS.berth, CLIENTS.docker]
  : [CLIENTS.berth];

export interface DaemonOptions {
  /** Content of daemon.json. */
  readonly config?: Readonly<Record<string, unknown>>;
  readonly args?: readonly string[];
  /** false: without the image `busybox`. */
  readonly hasImage?: boolean;
  /** A namespace to share; whoever made it closes it. */
  readonly network?: NetworkNamespace;
  /** Puts a command in front of the daemon's: what changes its view of the host. */
  readonly wrap?: (argv: string[]) => string[];
  /** Where its own directory is made; among the machine's temporary files when absent. */
  readonly parent?: string;
  /** Where its data are below its own directory, `data` unless it puts a level between. */
  readonly dataDir?: string;
  /** Milliseconds that one run may last; 600 000 when absent. */
  readonly lifeMs?: number;
  /** Errors that may be in its log. */
  readonly expectedErrors?: RegExp;
  /** Another build of the daemon: what comes before `daemon` on its command line. */
  readonly program?: readonly string[];
}

export class TestDaemon {
  readonly dir: string;
  readonly socket: string;
  readonly network: NetworkNamespace;
  /** The program that `up` and `launch` start: another build of the daemon may take over. */
  program: readonly string[] = BERTH;
  /** Links that a test has put into the namespace itself. */
  readonly otherLinks = ["lo"];
  readonly #options: DaemonOptions;
  readonly #containerIds = new Set<string>();
  /** What was in a shared namespace before. */
  readonly #wasThere: ReadonlySet<string>;
  #watcher: FSWatcher | undefined;
  #process: Live | undefined;
  /** Of all its runs. */
  readonly #processes: Live[] = [];

  private constructor(dir: string, network: NetworkNamespace, options: DaemonOptions) {
    this.dir = dir;
    this.network = network;
    this.socket = join(dir, "berth.sock");
    this.#options = options;
    if (options.program !== undefined) this.program = options.program;
    this.#wasThere = new Set(this.#look());
  }

  /** Starts a daemon and gives it the image `busybox`. */
  static async start(options: DaemonOptions = {}): Promise<TestDaemon> {
    const dir = await mkdtemp(join(options.parent ?? tmpdir(), "berth-e2e-"));
    await writeFile(join(dir, "daemon.json"), JSON.stringify(options.config ?? {}));
    const daemon = new TestDaemon(dir, options.network ?? (await NetworkNamespace.make()), options);
    await daemon.up();
    if (options.hasImage !== false) await daemon.importImage("busybox");
    return daemon;
  }

  /** Path of a file or directory below the daemon's own directory. */
  path(...parts: string[]): string {
    return join(this.dir, ...parts);
  }

  get dataRoot(): string {
    return this.path("data");
  }

  get pid(): number {
    return this.#process?.pid ?? 0;
  }

  /** The log of the current or latest run. */
  get log(): string {
    return this.#process?.errors ?? "";
  }

  /** Resolves when the current run has logged `pattern`. */
  async logs(pattern: RegExp | string): Promise<void> {
    await this.#process?.prints(pattern);
  }

  /** Starts the daemon again on the same directories, or for the first time; returns when it answers. */
  async up(args: readonly string[] = []): Promise<void> {
    await mkdir(this.path("run/c"), { recursive: true, mode: 0o700 });
    this.#watcher?.close();
    this.#watcher = watch(this.path("run/c"), (_, name) => {
      if (name !== null && /^[0-9a-f]{64}$/.test(name)) this.#containerIds.add(name);
    });
    this.#process = this.launch(args);
    this.#processes.push(this.#process);
    // It says so of each address.
    const hosts = 1 + [...(this.#options.args ?? []), ...args].filter((arg) => arg === "-H").length;
    await this.#process.prints(new RegExp(`(API listen on[^]*){${hosts}}`));
  }

  /**
   * Starts a daemon in the place of one that does not answer: it died, or the test runner, which kills what a test has
   * started when the test's time is over, killed it. Its containers live on, and only a daemon knows how to end them.
   */
  async #replace(): Promise<void> {
    const timer = setTimeout(() => this.#process?.kill("SIGKILL"), SHUTDOWN_MS);
    await this.#process?.ended;
    clearTimeout(timer);
    await this.network.revive();
    await this.up();
  }

  /** Starts a daemon on the same directories and leaves it at that: for one that is to be refused. */
  launch(args: readonly string[] = []): Live {
    const roots = [
      "--data-root",
      this.dataRoot,
      "--exec-root",
      this.path("run"),
      "--pidfile",
      this.path("pid"),
    ];
    const rest = [
      "--config-file",
      this.path("daemon.json"),
      "-H",
      `unix://${this.socket}`,
      ...(this.#options.args ?? []),
      ...args,
    ];
    const command = [...this.program, "daemon", ...roots, ...rest];
    const argv = this.network.wrap(this.#options.wrap?.(command) ?? command);
    return new Live(argv, { timeoutMs: this.#options.lifeMs ?? 600_000 });
  }

  /** Ends the daemon in the orderly way. */
  async terminate(): Promise<void> {
    const ended = this.#process;
    if (ended === undefined) return;
    ended.kill("SIGTERM");
    const { status } = await ended.ended;
    this.#process = undefined;
    assert.equal(status, 0, `the daemon's exit status\n${ended.errors}`);
  }

  /** Resolves to the exit status when the daemon has ended by itself. */
  async ended(): Promise<number> {
    const outcome = await this.#process?.ended;
    this.#process = undefined;
    return outcome?.status ?? 0;
  }

  /** Ends the daemon without giving it a chance. */
  async kill(): Promise<void> {
    this.#process?.kill("SIGKILL");
    await this.#process?.ended;
    this.#process = undefined;
  }

  /** Removes all containers, ends the daemon and fails when anything of it is left on the host. */
  async close(): Promise<void> {
    try {
      await this.removeContainers();
      await this.terminate();
      const left = await this.#traces();
      assert.deepEqual(left, [], `left behind; the daemon's log:\n${this.log}`);
      const rest = existsSync(this.path("run")) ? await readdir(this.path("run"), { recursive: true }) : [];
      assert.equal(existsSync(this.path("run")), false, `the exec root is gone: ${rest.join(" ")}`);
      // Requests that failed are the client's affair; their lines begin with the operation's name.
      const errors = this.#processes.flatMap((p) =>
        p.errors
          .split("\n")
          .filter((l) => / level=error /.test(l) && !/msg="[A-Z]\w+: /.test(l))
          .filter((l) => this.#options.expectedErrors?.test(l) !== true),
      );
      assert.deepEqual(errors, [], "errors in the daemon's log");
      const data = this.#options.dataDir ?? "data";
      assert.deepEqual(await readdir(this.path(data, "containers")), [], "directories of containers");
      assert.deepEqual(await readdir(this.path(data, "tmp")).catch(() => []), [], "scratch files");
    } finally {
      await this.kill();
      this.#watcher?.close();
      if (this.#options.network === undefined) await this.network.close();
      await rm(this.dir, { recursive: true, force: true });
    }
  }

  /** Removes what a test has left, so that its failure is not the next one's, too. Fails when the daemon was not there. */
  async removeContainers(): Promise<void> {
    if (this.#process === undefined) await this.up();
    const list = async () => (await this.request("GET", "/containers/json?all=1")).body as { Id: string }[];
    let failure: unknown;
    const all = await list().catch(async (error: unknown) => {
      failure = error;
      await this.#replace();
      return list();
    });
    await Promise.all(all.map(({ Id }) => this.request("DELETE", `/containers/${Id}?force=1`)));
    if (failure !== undefined) throw failure;
  }

  /** Removes all volumes that no container uses. */
  async removeVolumes(): Promise<void> {
    const { body } = await this.request("GET", "/volumes");
    for (const { Name } of (body as { Volumes: { Name: string }[] }).Volumes)
      await this.request("DELETE", `/volumes/${Name}?force=1`);
  }

  /** A shim ends a moment after it has told of the exit: traces count when they stay for ten seconds. */
  async #traces(): Promise<string[]> {
    for (let attempt = 0; ; attempt++) {
      const left = this.#look().filter((line) => !this.#wasThere.has(line));
      if (left.length === 0 || attempt === 200) return left;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  #look(): string[] {
    return tracesOf(this.marks);
  }

  /** By what its traces on the host are known. */
  get marks(): DaemonMarks {
    return {
      root: this.dir,
      containerIds: this.#containerIds,
      namespacePid: this.network.pid,
      otherLinks: this.otherLinks,
    };
  }

  get environment(): Record<string, string> {
    return {
      PATH: process.env["PATH"] ?? "/usr/sbin:/usr/bin:/sbin:/bin",
      HOME: this.dir,
      TERM: "xterm",
      DOCKER_HOST: `unix://${this.socket}`,
      DOCKER_CONFIG: this.path("config"),
      DOCKER_BUILDKIT: "0",
      DOCKER_CLI_HINTS: "false",
    };
  }

  #withEnvironment(options: CommandOptions): CommandOptions {
    return { ...options, env: { ...this.environment, ...options.env } };
  }

  /** Runs a client's command to its end, whatever its status. */
  run(client: Client, args: readonly string[], options: CommandOptions = {}): Promise<Outcome> {
    return run([...client.argv, ...args], this.#withEnvironment(options));
  }

  /** Runs a client's command that has to succeed; returns its output without the last newline. */
  async text(client: Client, args: readonly string[], options: CommandOptions = {}): Promise<string> {
    const outcome = await this.run(client, args, options);
    assert.equal(outcome.status, 0, `${client.name} ${args.join(" ")}: ${outcome.stdout}${outcome.stderr}`);
    return outcome.stdout.replace(/\n$/, "");
  }

  /** Starts a client's command and leaves it running. */
  live(client: Client, args: readonly string[], options: CommandOptions = {}): Live {
    return new Live([...client.argv, ...args], this.#withEnvironment(options));
  }

  /** Starts a client's command on a terminal of its own; what is written to it are keys. */
  onTerminal(client: Client, args: readonly string[], options: CommandOptions = {}): Live {
    const quoted = [...client.argv, ...args].map((a) => `'${a.replaceAll("'", "'\\''")}'`).join(" ");
    return new Live(["script", "-qefc", quoted, "/dev/null"], this.#withEnvironment(options));
  }

  docker(...args: string[]): Promise<Outcome> {
    return this.run(CLIENTS.docker, args);
  }

  berth(...args: string[]): Promise<Outcome> {
    return this.run(CLIENTS.berth, args);
  }

  /** One request to the API, its answer as JSON where it is JSON. */
  async request(method: string, path: string, body?: unknown): Promise<{ status: number; body: unknown }> {
    const data =
      body === undefined ? [] : ["-H", "Content-Type: application/json", "-d", JSON.stringify(body)];
    const target = [...data, "-X", method, "--unix-socket", this.socket, `http://localhost${path}`];
    const { stdout, stderr, status } = await run(["curl", "-s", "-g", "-w", "\n%{http_code}", ...target]);
    assert.equal(status, 0, `${method} ${path}: ${stderr}`);
    const at = stdout.lastIndexOf("\n");
    const text = stdout.slice(0, at);
    return { status: Number(stdout.slice(at + 1)), body: jsonOrText(text) };
  }

  /** What ContainerInspect says. */
  async inspect(reference: string): Promise<Inspected> {
    const { status, body } = await this.request("GET", `/containers/${reference}/json`);
    assert.equal(status, 200, JSON.stringify(body));
    return body as Inspected;
  }

  /** Follows the daemon's events, one JSON object a line; whoever starts it kills it. */
  events(): Live {
    const target = `http://localhost/events?since=${Date.now() / 1000}`;
    return new Live(["curl", "-sN", "--unix-socket", this.socket, target], { timeoutMs: 170_000 });
  }

  async importImage(name: string): Promise<string> {
    const [repository = "", tag = "latest"] = name.split(":");
    const target = `http://localhost/images/create?fromSrc=-&repo=${repository}&tag=${tag}`;
    const argv = ["curl", "-sf", "--unix-socket", this.socket, "-T", "-", "-X", "POST", target];
    const outcome = await run(argv, { input: await baseImageTar() });
    assert.equal(outcome.status, 0, outcome.stdout);
    const line = outcome.stdout.trim().split("\n").at(-1) ?? "";
    return (JSON.parse(line) as { status: string }).status;
  }
}

/** The parts of ContainerInspect that the tests look at. */
export interface Inspected {
  Id: string;
  Name: string;
  RestartCount: number;
  LogPath: string;
  State: {
    Status: string;
    Running: boolean;
    Pid: number;
    ExitCode: number;
    Error: string;
    OOMKilled: boolean;
    StartedAt: string;
    FinishedAt: string;
  };
  NetworkSettings: {
    Ports: Record<string, { HostIp: string; HostPort: string }[] | null>;
    Networks: Record<
      string,
      {
        IPAddress: string;
        GlobalIPv6Address: string;
        Gateway: string;
        MacAddress: string;
        IPPrefixLen: number;
      }
    >;
  };
  HostConfig: Record<string, unknown>;
  Config: Record<string, unknown>;
  ExecIDs: string[] | null;
  [key: string]: unknown;
}

function jsonOrText(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text; // ignored: not every answer is JSON
  }
}

/** Reads a field of /proc/PID/status. */
export async function procStatus(pid: number, field: string): Promise<string> {
  const text = await readFile(`/proc/${pid}/status`, "utf8");
  return new RegExp(`^${field}:\\s*(.*)$`, "m").exec(text)?.[1] ?? "";
}

/** Whether a process runs: one that waits for its parent to take note of its end does not. */
export async function isAlive(pid: number): Promise<boolean> {
  return existsSync(`/proc/${pid}`) && !(await procStatus(pid, "State").catch(() => "Z")).startsWith("Z");
}
