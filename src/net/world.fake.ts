// A small internet in network namespaces for tests: this process's own namespace plays the host (../linux/namespace.fake.ts),
// others play containers and a machine outside. Real kernel, only the machines are small.

import { type ChildProcess, spawn } from "node:child_process";
import { sh } from "../linux/namespace.fake.ts";

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
