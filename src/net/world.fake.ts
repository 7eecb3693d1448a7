// A small internet in network namespaces for tests: this process's own namespace plays the host, others play containers
// and a machine outside. Real kernel, real keel; only the machines are small. Test files re-run themselves under
// `unshare -n` (`inOwnNamespace`), so nothing here can touch the real host's network.

import { type ChildProcess, execFile, spawn, spawnSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { type Keel, startKeel } from "../linux/keel.ts";

const run = promisify(execFile);
const INSIDE = "BERTH_TEST_NAMESPACE";
const ROOT = resolve(import.meta.dirname, "../..");

/** Runs `define` in a copy of this test process that has a network namespace of its own; outside it is one test that does so. */
export function inOwnNamespace(file: string, define: () => void): void {
  if (process.env[INSIDE] === file) {
    define();
    return;
  }
  test(`${file.slice(ROOT.length + 1)} in a network namespace of its own`, { timeout: 120_000 }, () => {
    const script = 'ip link set lo up && exec "$0" "$@"';
    const argv = [
      "-n",
      "sh",
      "-c",
      script,
      process.execPath,
      ...(process.versions.bun ? ["test"] : ["--test"]),
      file,
    ];
    const { status, stdout, stderr } = spawnSync("unshare", argv, {
      env: { ...process.env, [INSIDE]: file },
      encoding: "utf8",
    });
    if (status !== 0) throw new Error(`${stdout}\n${stderr}`);
  });
}

/** Runs a command and returns its output; rejects when it fails. */
export async function sh(...argv: string[]): Promise<string> {
  const { stdout } = await run(argv[0] as string, argv.slice(1), { encoding: "utf8", timeout: 20_000 });
  return stdout;
}

/** A namespace kept by a process of its own. */
export class Machine {
  readonly #keeper: ChildProcess;
  readonly #servers: ChildProcess[] = [];
  readonly pid: number;

  private constructor(keeper: ChildProcess, pid: number) {
    this.#keeper = keeper;
    this.pid = pid;
  }

  static async start(): Promise<Machine> {
    const keeper = spawn("unshare", ["-n", "sh", "-c", "ip link set lo up; echo ready; exec cat"]);
    await firstOutput(keeper);
    return new Machine(keeper, keeper.pid as number);
  }

  /** The namespace, for keel's netnsOpen. */
  get netnsPath(): string {
    return `/proc/${this.pid}/ns/net`;
  }

  /** Runs a command inside. */
  sh(...argv: string[]): Promise<string> {
    return sh("nsenter", "-t", String(this.pid), "-n", ...argv);
  }

  /** Starts a server that answers every connection or datagram with "LABEL PEER-ADDRESS". */
  async serve(proto: "tcp" | "udp", port: number, label: string): Promise<void> {
    const script = proto === "tcp" ? TCP_SERVER : UDP_SERVER;
    const argv = ["-t", String(this.pid), "-n", process.execPath, "-e", script, String(port), label];
    const child = spawn("nsenter", argv, { stdio: ["ignore", "pipe", "inherit"] });
    this.#servers.push(child);
    await firstOutput(child);
  }

  /** What a client inside gets from a server, or "unreachable". */
  fetch(proto: "tcp" | "udp", ip: string, port: number, sourcePort = 0): Promise<string> {
    return fetchBy(["nsenter", "-t", String(this.pid), "-n"], proto, ip, port, sourcePort);
  }

  async stop(): Promise<void> {
    for (const child of [...this.#servers, this.#keeper]) {
      const ended = new Promise((done) => child.once("exit", done));
      if (child.exitCode === null && child.signalCode === null && child.kill("SIGKILL")) await ended;
    }
  }
}

/** What a client on the host gets from a server, or "unreachable". */
export const fetchHere = (proto: "tcp" | "udp", ip: string, port: number): Promise<string> =>
  fetchBy([], proto, ip, port);

async function fetchBy(
  front: string[],
  proto: "tcp" | "udp",
  ip: string,
  port: number,
  sourcePort = 0,
): Promise<string> {
  const script = proto === "tcp" ? TCP_CLIENT : UDP_CLIENT;
  const [program, ...argv] = [...front, process.execPath, "-e", script, String(sourcePort), ip, String(port)];
  return (await sh(program as string, ...argv)).trim();
}

const firstOutput = (child: ChildProcess): Promise<void> =>
  new Promise((done, fail) => {
    child.stdout?.once("data", () => done());
    child.once("exit", () => fail(new Error(`${child.spawnargs.join(" ")} ended`)));
    child.once("error", fail);
  });

const TCP_SERVER = `
  const [port, label] = process.argv.slice(-2);
  require("net").createServer({ allowHalfOpen: true }, (s) => {
    let got = "";
    s.on("data", (d) => { got += d; });
    s.on("error", () => {});
    s.on("end", () => s.end(label + " " + s.remoteAddress.replace("::ffff:", "") + got));
  }).listen(Number(port), "0.0.0.0", () => console.log("ready"));`;
const TCP_CLIENT = `
  const [ip, port] = process.argv.slice(-2);
  const s = require("net").connect({ host: ip, port: Number(port), allowHalfOpen: true });
  const fail = () => { console.log("unreachable"); process.exit(0); };
  setTimeout(fail, 700);
  let got = "";
  s.on("connect", () => s.end(" hello"));
  s.on("data", (d) => { got += d; });
  s.on("error", fail);
  s.on("end", () => { console.log(got); process.exit(0); });`;
const UDP_SERVER = `
  const [port, label] = process.argv.slice(-2);
  const s = require("dgram").createSocket("udp4");
  s.on("message", (d, from) => s.send(label + " " + from.address + d, from.port, from.address));
  s.bind(Number(port), "0.0.0.0", () => console.log("ready"));`;
const UDP_CLIENT = `
  const [ip, port] = process.argv.slice(-2);
  const s = require("dgram").createSocket(ip.includes(":") ? "udp6" : "udp4");
  setTimeout(() => { console.log("unreachable"); process.exit(0); }, 700);
  s.on("message", (d) => { console.log(String(d)); process.exit(0); });
  s.on("error", () => { console.log("unreachable"); process.exit(0); });
  s.bind(Number(process.argv.at(-3)), () => s.send(" hello", Number(port), ip));`;

/** Starts the real keel in this namespace. `KEEL` names the program, default build/keel. */
export async function realKeel(): Promise<{ keel: Keel; stop(): Promise<void> }> {
  const dir = await mkdtemp(join(tmpdir(), "berth-net-"));
  const keel = await startKeel({
    keelPath: process.env.KEEL ?? join(ROOT, "build/keel"),
    socketPath: join(dir, "keel.sock"),
  });
  return {
    keel,
    stop: async () => {
      await keel.close();
      await rm(dir, { recursive: true });
    },
  };
}
