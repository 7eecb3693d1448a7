// Work of every kind for as long as one likes, and whether the daemon grows by it:
//
//   tools/bun test/torture/soak.ts [--minutes N] [--workers N] [--seed N]
//
// Workers make, start, ask, stop and remove containers, build, pull, push, make and connect networks, follow events and list everything; what each makes
// it removes. Meanwhile the daemon's memory (PSS, its share of what it shares) and its descriptors are looked at. Both have waves: what counts is how
// low they come. The last quarter's lowest may be above that of the quarter before by little; and in the end, the host has to be what it was. Prints a
// line of JSON.
import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import { parseArgs } from "node:util";
import { inventoryOf } from "../../tools/leaks.ts";
import { clients, TestDaemon } from "../e2e/harness.ts";
import { startOwnRegistry, stopRegistry } from "../e2e/own-registry.ts";
import { Api } from "./api.ts";
import { Random } from "./random.ts";
import { differencesSince, settled, steady } from "./settle.ts";

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "10" },
    workers: { type: "string", default: "2" },
    seed: { type: "string", default: String(Date.now() % 1e9) },
  },
});

/** The lowest of each quarter of the run. */
type Quarters = readonly number[];

export interface Report {
  readonly seed: number;
  readonly minutes: number;
  readonly workers: number;
  readonly deeds: Readonly<Record<string, number>>;
  readonly pssKb: Quarters;
  readonly descriptors: Quarters;
  readonly failures: readonly string[];
  readonly leaks: readonly string[];
}

const LOOK_EVERY_MS = 500;
/** What the lowest of the last quarter may be above that of the quarter before. */
const MOST_GROWTH = { pssKb: 16 << 10, descriptors: 8 };
/** In a shorter run the memory's waves are longer than a quarter. */
const SHORT_MINUTES = 4;
const LIFE_MS = 48 * 3600_000;
const REGISTRY = "127.0.0.1:5000";

const berth = clients[0] as (typeof clients)[number];

interface Worker {
  readonly daemon: TestDaemon;
  readonly api: Api;
  readonly random: Random;
  /** A name that nobody else has. */
  readonly name: string;
  /** An image of its own in the registry. */
  readonly image: string;
}

type Deed = (worker: Worker) => Promise<void>;

function expect(is: unknown, wanted: unknown, what: string): void {
  if (is !== wanted) throw new Error(`${what}: ${JSON.stringify(is)}, not ${JSON.stringify(wanted)}`);
}

/** Makes a container that serves, asks it, follows it, stops it and removes it. */
const serves: Deed = async ({ api, name, random }) => {
  const NetworkMode = random.of(["bridge", "none"]);
  const PortBindings = NetworkMode === "bridge" ? { "80/tcp": [{ HostPort: "" }] } : {};
  const Cmd = ["sh", "-c", "trap 'exit 3' TERM; echo said; : >/ready; while :; do sleep 0.1; done"];
  const HostConfig = { NetworkMode, PortBindings, Binds: [`${name}:/v`] };
  await api.text("POST", `/containers/create?name=${name}`, { Image: "busybox", Cmd, HostConfig });
  await api.text("POST", `/containers/${name}/start`);
  // The first process of a container does not get the signal before it has asked for it.
  const asks = "until test -e /ready; do sleep 0.02; done; echo inside";
  const body = { AttachStdout: true, Cmd: ["sh", "-c", asks] };
  const { Id } = await api.json<{ Id: string }>("POST", `/containers/${name}/exec`, body);
  expect((await api.text("POST", `/exec/${Id}/start`, { Detach: false })).includes("inside"), true, "exec");
  await api.text("GET", `/containers/${name}/stats?stream=0&one-shot=1`);
  await api.text("POST", `/containers/${name}/stop?t=60`);
  const { StatusCode } = await api.json<{ StatusCode: number }>("POST", `/containers/${name}/wait`);
  expect(StatusCode, 3, "exit code");
  expect((await api.text("GET", `/containers/${name}/logs?stdout=1`)).includes("said"), true, "logs");
  await api.text("DELETE", `/containers/${name}`);
  await api.text("DELETE", `/volumes/${name}`);
};

/** The command line, with streams. */
const runs: Deed = async ({ daemon, name, random }) => {
  const code = random.below(100) + 1;
  const args = ["run", "--rm", "-i", "--name", name, "busybox", "sh", "-c", `cat; exit ${code}`];
  const input = randomBytes(30_000).toString("hex");
  const { status, stdout } = await daemon.run(berth, args, { input, timeoutMs: 120_000 });
  expect(status, code, "berth run");
  expect(stdout === input, true, "what came back");
};

const builds: Deed = async ({ daemon, name }) => {
  const input = `FROM busybox\nRUN echo ${name} > /said\nLABEL n=${name}\n`;
  await daemon.text(berth, ["build", "-q", "-t", name, "-"], { input, timeoutMs: 120_000 });
  expect(await daemon.text(berth, ["run", "--rm", name, "cat", "/said"]), name, "what was built");
  await daemon.text(berth, ["rmi", name]);
  await daemon.text(berth, ["builder", "prune", "-af"]);
};

const pulls: Deed = async ({ api, image }) => {
  await api.text("POST", `/images/create?fromImage=${image}&tag=1`);
  await api.text("POST", `/images/${image}/push?tag=1`);
  await api.text("DELETE", `/images/${image}:1`);
};

const connects: Deed = async ({ api, name }) => {
  await api.text("POST", "/networks/create", { Name: name });
  await api.text("POST", `/containers/create?name=${name}`, { Image: "busybox", Cmd: ["sleep", "1000"] });
  await api.text("POST", `/containers/${name}/start`);
  await api.text("POST", `/networks/${name}/connect`, { Container: name });
  await api.text("POST", `/networks/${name}/disconnect`, { Container: name });
  await api.text("DELETE", `/containers/${name}?force=1`);
  await api.text("DELETE", `/networks/${name}`);
};

const looks: Deed = async ({ api }) => {
  const paths = [
    "/containers/json?all=1&size=1",
    "/images/json",
    "/networks",
    "/volumes",
    "/info",
    "/system/df",
  ];
  for (const path of paths) await api.text("GET", path);
  await api.text("GET", `/events?since=1&until=${Date.now() / 1000}`);
};

const DEEDS: Readonly<Record<string, Deed>> = { serves, runs, builds, pulls, connects, looks };

class Soak {
  readonly failures: string[] = [];
  readonly deeds = new Map<string, number>();
  readonly #samples: { readonly pssKb: number; readonly descriptors: number }[] = [];
  readonly #daemon: TestDaemon;
  readonly #until: number;

  constructor(daemon: TestDaemon, minutes: number) {
    this.#daemon = daemon;
    this.#until = performance.now() + minutes * 60_000;
  }

  get #isOver(): boolean {
    return performance.now() >= this.#until;
  }

  async work(number: number, random: Random): Promise<void> {
    const api = new Api(this.#daemon.socket, 1);
    for (let i = 0; !this.#isOver; i++) {
      const [what, deed] = random.of(Object.entries(DEEDS));
      const worker = { daemon: this.#daemon, api, random, name: `w${number}-${i}`, image: imageOf(number) };
      try {
        await deed(worker);
        this.deeds.set(what, (this.deeds.get(what) ?? 0) + 1);
      } catch (error) {
        this.failures.push(`${what} ${number}: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
    api.close();
  }

  async watch(): Promise<void> {
    for (; !this.#isOver; await setTimeout(LOOK_EVERY_MS)) {
      const rollup = readFileSync(`/proc/${this.#daemon.pid}/smaps_rollup`, "utf8");
      const pssKb = Number(/^Pss:\s+(\d+)/m.exec(rollup)?.[1]);
      this.#samples.push({ pssKb, descriptors: readdirSync(`/proc/${this.#daemon.pid}/fd`).length });
    }
  }

  lowest(what: "pssKb" | "descriptors"): Quarters {
    const size = Math.max(1, Math.floor(this.#samples.length / 4));
    return [0, 1, 2, 3].map((quarter) => {
      const part = this.#samples.slice(quarter * size, quarter === 3 ? undefined : (quarter + 1) * size);
      return Math.min(...part.map((sample) => sample[what]));
    });
  }

  /** Says of what grows that it does. */
  judge(minutes: number): void {
    for (const what of ["pssKb", "descriptors"] as const) {
      if (what === "pssKb" && minutes < SHORT_MINUTES) continue;
      const [, , before = 0, last = 0] = this.lowest(what);
      if (last - before > MOST_GROWTH[what])
        this.failures.push(`${what} grows: ${this.lowest(what).join(", ")}`);
    }
  }
}

const imageOf = (worker: number): string => `${REGISTRY}/image${worker}`;

/** Makes an image of a worker's own and leaves it to the registry. */
async function publish(daemon: TestDaemon, worker: number): Promise<void> {
  const name = `${imageOf(worker)}:1`;
  const input = `FROM busybox\nRUN head -c 1000000 /dev/urandom > /own\nLABEL n=${worker}\n`;
  await daemon.text(berth, ["build", "-q", "-t", name, "-"], { input });
  for (const args of [
    ["push", name],
    ["rmi", name],
    ["builder", "prune", "-af"],
  ])
    await daemon.text(berth, args);
}

async function main(): Promise<number> {
  const [seed, minutes, workers] = [Number(values.seed), Number(values.minutes), Number(values.workers)];
  process.stderr.write(`seed ${seed}\n`);
  const daemon = await TestDaemon.start({ config: { undo: false }, lifeMs: LIFE_MS });
  const numbers = Array.from({ length: workers }, (_, i) => i);
  let report: Report;
  const registry = await startOwnRegistry(daemon.path("registry"), daemon.network, {
    port: 5000,
    lifeMs: LIFE_MS,
  });
  try {
    for (const number of numbers) await publish(daemon, number);
    await new Soak(daemon, Math.min(0.2, minutes / 10)).work(0, new Random(seed)); // what a daemon has that has worked
    const look = (): string[] => steady(inventoryOf(daemon.marks));
    const before = await settled(look);
    const soak = new Soak(daemon, minutes);
    await Promise.all([soak.watch(), ...numbers.map((i) => soak.work(i, new Random(seed * 1000 + i)))]);
    soak.judge(minutes);
    const leaks = await differencesSince(before, look);
    const [pssKb, descriptors] = [soak.lowest("pssKb"), soak.lowest("descriptors")];
    const { failures, deeds } = soak;
    report = {
      seed,
      minutes,
      workers,
      deeds: Object.fromEntries(deeds),
      pssKb,
      descriptors,
      failures,
      leaks,
    };
  } finally {
    await stopRegistry(registry);
    await daemon.close();
  }
  process.stdout.write(`${JSON.stringify(report)}\n`);
  return report.failures.length + report.leaks.length === 0 ? 0 : 1;
}

process.exit(await main());
