// Many containers, started by many clients at once, without one failure:
//
//   tools/bun test/torture/load.ts [--containers N] [--clients N]
//
// Each client makes and starts its share, one after the other, every fifth by a command line of its own; each container has an address, a
// published port, a volume and a line in its log. When all run, each is asked for what it said; then the same clients remove them, and the host has to
// be what it was. Prints a line of JSON.
import { readdirSync } from "node:fs";
import { parseArgs } from "node:util";
import { inventoryOf } from "../../tools/leaks.ts";
import { clients, type Inspected, TestDaemon } from "../e2e/harness.ts";
import { Api } from "./api.ts";
import { differencesSince, settled, steady } from "./settle.ts";

const { values } = parseArgs({
  options: {
    containers: { type: "string", default: "500" },
    clients: { type: "string", default: "16" },
    seed: { type: "string" },
  },
});

export interface Report {
  readonly containers: number;
  readonly clients: number;
  readonly failures: readonly string[];
  readonly leaks: readonly string[];
  /** Milliseconds from the first request until all ran. */
  readonly startedMs: number;
  readonly seconds: number;
}

const [berth] = clients;
const failures: string[] = [];

/** Does it, and notes that it failed. */
async function attempt(what: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    failures.push(`${what}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** Has each client do its share of the numbers below `count`, all clients at once. */
async function share(
  apis: readonly Api[],
  count: number,
  work: (api: Api, n: number) => Promise<void>,
): Promise<void> {
  await Promise.all(
    apis.map(async (api, first) => {
      for (let n = first; n < count; n += apis.length) await attempt(`container ${n}`, () => work(api, n));
    }),
  );
}

const scriptOf = (n: number): string => `echo said ${n}; echo held >/v/held; exec sleep 100000`;

async function start(daemon: TestDaemon, api: Api, n: number): Promise<void> {
  const name = `n${n}`;
  if (n % 5 === 0 && berth !== undefined) {
    const args = ["run", "-d", "--name", name, "-p", "80", "-v", "/v", "busybox", "sh", "-c", scriptOf(n)];
    await daemon.text(berth, args, { timeoutMs: 300_000 });
    return;
  }
  const HostConfig = { PortBindings: { "80/tcp": [{ HostPort: "" }] } };
  const ends = { ExposedPorts: { "80/tcp": {} }, Volumes: { "/v": {} } };
  const body = { Image: "busybox", Cmd: ["sh", "-c", scriptOf(n)], HostConfig, ...ends };
  await api.text("POST", `/containers/create?name=${name}`, body);
  await api.text("POST", `/containers/${name}/start`);
}

/** It runs, has said its line, and has an address and a port that nobody else has. */
async function check(api: Api, n: number, taken: Set<string>): Promise<void> {
  const { State, NetworkSettings } = await api.json<Inspected>("GET", `/containers/n${n}/json`);
  if (State.Status !== "running") throw new Error(`is ${State.Status}`);
  const port = NetworkSettings.Ports["80/tcp"]?.[0]?.HostPort;
  for (const own of [`address ${NetworkSettings.Networks["bridge"]?.IPAddress}`, `port ${port}`]) {
    if (taken.has(own)) throw new Error(`shares its ${own}`);
    taken.add(own);
  }
  const log = await api.text("GET", `/containers/n${n}/logs?stdout=1`);
  if (!log.includes(`said ${n}\n`)) throw new Error(`its log is ${JSON.stringify(log)}`);
}

async function remove(api: Api, n: number): Promise<void> {
  await api.text("DELETE", `/containers/n${n}?force=1&v=1`);
}

const descriptorsOf = (daemon: TestDaemon): number => readdirSync(`/proc/${daemon.pid}/fd`).length;

async function main(): Promise<number> {
  const begun = performance.now();
  const [count, width] = [Number(values.containers), Number(values.clients)];
  const daemon = await TestDaemon.start({ config: { undo: false }, lifeMs: 24 * 3600_000 });
  const apis = Array.from({ length: width }, () => new Api(daemon.socket, 1));
  let report: Report;
  try {
    const look = (): string[] => steady(inventoryOf(daemon.marks));
    // What a daemon has that has worked: its clients' connections, its rules.
    await share(apis, width, (api, n) => start(daemon, api, n));
    await share(apis, width, remove);
    const before = await settled(look);
    const descriptors = descriptorsOf(daemon);
    const started = performance.now();
    await share(apis, count, (api, n) => start(daemon, api, n));
    const startedMs = Math.round(performance.now() - started);
    const taken = new Set<string>();
    await share(apis, count, (api, n) => check(api, n, taken));
    await share(apis, count, remove);
    const leaks = await differencesSince(before, look);
    const more = descriptorsOf(daemon) - descriptors;
    if (more > width) leaks.push(`+${more} descriptors of the daemon`);
    const seconds = Math.round((performance.now() - begun) / 1000);
    report = { containers: count, clients: width, failures, leaks, startedMs, seconds };
  } finally {
    for (const api of apis) api.close();
    await daemon.close();
  }
  process.stdout.write(`${JSON.stringify(report)}\n`);
  return failures.length + report.leaks.length === 0 ? 0 : 1;
}

process.exit(await main());
