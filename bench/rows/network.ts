// What a published port costs: requests to a server in a container on its own address, through the port on the host's loopback and from
// another network namespace, with connections that are kept and with a new one for each request; one stream between containers
// and through a port; names looked up from inside; and rules that come back. The server is the machine's bun under its own libraries.
import { spawn } from "node:child_process";
import { type DaemonEngine, openDaemons } from "../field/engines.ts";
import { outcomeOf } from "../field/room.ts";
import { restored } from "./firewall.ts";
import { nameRows } from "./names.ts";
import type { Group, Row, Unit } from "./row.ts";

const PORT = 18_080;
const STREAM_PORT = 15_201;
const CONNECTIONS = 16;
const WAN = "10.99.0.1";
const SERVER = `Bun.serve({ port: 80, hostname: "0.0.0.0", fetch: () => new Response("hello") })`;

interface Stage {
  readonly direct: string;
  readonly sink: string;
  /** Process that holds the other namespace. */
  readonly outside: number;
}
const stages = new WeakMap<DaemonEngine, Stage>();
const stageOf = (e: DaemonEngine): Stage => stages.get(e) as Stage;

const inHostRoot = (...argv: string[]): string[] => ["bench", "chroot", "/host", ...argv];

const addressOf = (e: DaemonEngine, name: string): string =>
  e.cli(["inspect", "-f", '{{(index .NetworkSettings.Networks "looked").IPAddress}}', name]).trim();

/** Starts a server and waits for it. Each way has one of its own: connections of one way must not meet closed ones of the other. */
function startServer(e: DaemonEngine, name: string, ...flags: string[]): string {
  const argv = inHostRoot(process.execPath, "-e", SERVER);
  e.cli(["run", "-d", "--name", name, "--network", "looked", "-v", "/:/host:ro", ...flags, ...argv]);
  const url = `http://${addressOf(e, name)}/`;
  for (let i = 0; ; i++) {
    const { status } = outcomeOf([...onNetwork(e, e.room.pid), "curl", "-sf", "-o", "/dev/null", url]);
    if (status === 0) return addressOf(e, name);
    if (i > 500) throw new Error(`${e.name}: no answer from ${url}`);
  }
}

const onNetwork = (e: DaemonEngine, pid = e.room.pid): string[] => [
  "nsenter",
  `--net=/proc/${pid}/ns/net`,
  "--",
];

/** A network namespace joined to the engine's by a cable; returns the process that holds it, which ends with the room. */
async function makeOutside(e: DaemonEngine): Promise<number> {
  const [file = "", ...args] = e.room.wrap([
    "unshare",
    "--net",
    "sh",
    "-c",
    "echo ready && exec sleep 86400",
  ]);
  const holder = spawn(file, args, { stdio: ["ignore", "pipe", "inherit"] });
  await new Promise((resolve) => holder.stdout.once("data", resolve));
  const pid = e.room.childOf(holder.pid as number);
  e.room.onNetwork([
    "ip",
    "link",
    "add",
    "wan0",
    "type",
    "veth",
    "peer",
    "name",
    "eth0",
    "netns",
    String(pid),
  ]);
  e.room.onNetwork(["ip", "addr", "add", `${WAN}/24`, "dev", "wan0"]);
  e.room.onNetwork(["ip", "link", "set", "wan0", "up"]);
  e.room.onNetwork(["ip", "addr", "add", "10.99.0.2/24", "dev", "eth0"], pid);
  e.room.onNetwork(["ip", "link", "set", "eth0", "up"], pid);
  return pid;
}

/** Requests per second of one wrk in a second. */
function rate(
  e: DaemonEngine,
  host: string,
  options: { from?: number; connections?: number; isKept?: boolean } = {},
): number {
  const { from, connections = CONNECTIONS, isKept = true } = options;
  const flags = ["-t1", `-c${connections}`, "-d1s", ...(isKept ? [] : ["-H", "Connection: close"])];
  const shown = e.room.onNetwork(["wrk", ...flags, `http://${host}/`], from);
  if (/(?:connect|timeout) [1-9]|Non-2xx/.test(shown)) process.stderr.write(`${e.name} ${host}: ${shown}`);
  return Number(/Requests\/sec:\s+([\d.]+)/.exec(shown)?.[1] ?? 0);
}

const LOOPBACK = `127.0.0.1:${PORT}`;

const ofDirect = (name: string, what: string, isKept: boolean): Row<DaemonEngine> => ({
  name,
  what,
  unit: "% of direct",
  goal: { atLeast: 90 },
  rounds: { full: 7, quick: 2 },
  sample: (e) => (100 * rate(e, LOOPBACK, { isKept })) / rate(e, stageOf(e).direct, { isKept }),
});

const measured = (
  name: string,
  what: string,
  unit: Unit,
  sample: (e: DaemonEngine) => number,
): Row<DaemonEngine> => ({ name, what, unit, goal: { faster: 1 }, rounds: { full: 3, quick: 0 }, sample });

/**
 * For ways that are the kernel's alone, with both engines: its bridge and its translation, in which neither has a program. What
 * tells two that are equal apart is how often they are measured.
 */
const sameWay = (row: Row<DaemonEngine>): Row<DaemonEngine> => ({
  ...row,
  goal: { faster: 0.95 },
  rounds: { full: 9, quick: 0 },
});

/** Microseconds of one request after the other. */
const latency = (e: DaemonEngine, host: string, from?: number): number =>
  1e6 / rate(e, host, { connections: 1, ...(from === undefined ? {} : { from }) });

function stream(run: () => string): number {
  // iperf3 takes one client after the other, and one that comes too early is told so.
  for (let attempt = 0; attempt < 50; attempt++) {
    const bits = JSON.parse(run()).end?.sum_received?.bits_per_second;
    if (bits !== undefined) return bits / 1e9;
  }
  throw new Error("no iperf3 answers");
}

const iperf = (host: string, port: number): string[] => [
  "sh",
  "-c",
  `iperf3 -J -t 1 -c ${host} -p ${port} || sleep 0.2`,
];

export const network: Group<DaemonEngine> = {
  name: "network",
  open: () => openDaemons(),
  async setUp(e) {
    e.cli(["network", "create", "looked"]);
    startServer(e, "server", "-p", `${PORT}:80`);
    const direct = startServer(e, "direct");
    // iperf3 writes into /tmp.
    const mounts = ["-v", "/:/host:ro", "--tmpfs", "/host/tmp", "--network", "looked"];
    const sink = inHostRoot("iperf3", "-s");
    e.cli(["run", "-d", "--name", "sink", "-p", `${STREAM_PORT}:5201`, ...mounts, ...sink]);
    e.cli(["run", "-d", "--name", "source", ...mounts, "bench", "sleep", "86400"]);
    stages.set(e, { direct, sink: addressOf(e, "sink"), outside: await makeOutside(e) });
  },
  rows: [
    ofDirect("port.loopback.kept", "requests through a published port on loopback, connections kept", true),
    ofDirect("port.loopback.new", "the same, a connection each", false),
    measured("port.loopback.rate", "requests through it on loopback", "1/s", (e) => rate(e, LOOPBACK)),
    measured("port.loopback.latency", "one request through it on loopback", "µs", (e) =>
      latency(e, LOOPBACK),
    ),
    sameWay(
      measured("port.outside.rate", "requests through it from another namespace", "1/s", (e) =>
        rate(e, `${WAN}:${PORT}`, { from: stageOf(e).outside }),
      ),
    ),
    sameWay(
      measured("port.outside.latency", "one request through it from another namespace", "µs", (e) =>
        latency(e, `${WAN}:${PORT}`, stageOf(e).outside),
      ),
    ),
    measured("stream.loopback", "one stream through a published port on loopback", "Gbit/s", (e) =>
      stream(() => e.room.onNetwork(iperf("127.0.0.1", STREAM_PORT))),
    ),
    sameWay(
      measured("stream.containers", "one stream between containers", "Gbit/s", (e) =>
        stream(() => e.cli(["exec", "source", "chroot", "/host", ...iperf(stageOf(e).sink, 5201)])),
      ),
    ),
    ...nameRows,
    restored,
  ],
};
