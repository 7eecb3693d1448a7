// kill -9 of daemon, agent, shims, containers and clients at random moments while workers make, start, stop and remove things:
//
//   tools/bun test/torture/kill/run.ts [--kills N] [--workers N] [--seed N]
//
// Prints a line of JSON: how often what was killed, and what was wrong: a promise that was not kept, a container that stopped though nobody
// had killed it, a line of a log that was lost, an exit code of another, or something that stayed behind when all was removed.
import { readFile } from "node:fs/promises";
import { setTimeout } from "node:timers/promises";
import { parseArgs } from "node:util";
import { inventoryOf } from "../../../tools/leaks.ts";
import { procStatus, TestDaemon } from "../../e2e/harness.ts";
import { Random } from "../random.ts";
import { differencesSince } from "../settle.ts";
import { work } from "./workers.ts";
import { World } from "./world.ts";

const { values } = parseArgs({
  options: {
    kills: { type: "string", default: "10" },
    workers: { type: "string", default: "4" },
    seed: { type: "string", default: String(Date.now() % 1e9) },
  },
});

export interface Report {
  readonly seed: number;
  readonly kills: Readonly<Record<string, number>>;
  /** What the workers have done meanwhile. */
  readonly deeds: number;
  readonly lines: number;
  readonly failures: readonly string[];
  readonly leaks: readonly string[];
  readonly seconds: number;
}

/** Longest pause between two kills, in milliseconds. */
const PAUSE_MS = 150;
const SENTINELS = 4;

/** Containers that nobody kills: each counts, line by line. */
async function startSentinels(world: World): Promise<Map<string, string>> {
  const starts = new Map<string, string>();
  for (let i = 0; i < SENTINELS; i++) {
    const name = `sentinel${i}`;
    const Cmd = ["sh", "-c", "i=0; while :; do echo $i; i=$((i+1)); sleep 0.05; done"];
    const NetworkMode = i % 2 === 0 ? "bridge" : "none";
    const PortBindings = i === 0 ? { "80/tcp": [{ HostPort: "18090" }] } : {};
    const HostConfig = { NetworkMode, PortBindings };
    const body = { Image: "busybox", Cmd, HostConfig, StopSignal: "SIGKILL", ExposedPorts: { "80/tcp": {} } };
    await world.api.text("POST", `/containers/create?name=${name}`, body);
    await world.api.text("POST", `/containers/${name}/start`);
    starts.set(name, await stateOf(world, name));
  }
  return starts;
}

async function stateOf(world: World, name: string): Promise<string> {
  const { State } = await world.daemon.inspect(name);
  return `${State.Status} ${State.Pid} ${State.StartedAt}`;
}

/** They run as they did, and have logged every number once. Returns the lines. */
async function checkSentinels(world: World, starts: ReadonlyMap<string, string>): Promise<number> {
  let lines = 0;
  for (const [name, before] of starts) {
    const now = await stateOf(world, name);
    if (now !== before) world.fail(`${name} is ${now}, was ${before}`);
    const log = (await readFile((await world.daemon.inspect(name)).LogPath, "utf8")).trim().split("\n");
    const numbers = log.map((line) => Number((JSON.parse(line) as { log: string }).log));
    const wrong = numbers.findIndex((n, i) => n !== i);
    if (wrong >= 0) world.fail(`${name}: line ${wrong} of its log is ${numbers[wrong]}`);
    lines += numbers.length;
  }
  return lines;
}

type Kill = (world: World, random: Random) => Promise<boolean>;

const killDaemon: Kill = async (world) => {
  await world.replaceDaemon(() => world.daemon.kill());
  return true;
};

/** The daemon ends with it. */
const killAgent: Kill = async (world) => {
  const { pid } = world.daemon;
  const [agent = 0] = (await readFile(`/proc/${pid}/task/${pid}/children`, "utf8"))
    .trim()
    .split(" ")
    .map(Number);
  if (agent <= 1) return false;
  await world.replaceDaemon(async () => {
    process.kill(agent, "SIGKILL");
    const status = await world.daemon.ended();
    if (status !== 1) world.fail(`without its agent the daemon ended with ${status}`);
  });
  return true;
};

const killInside =
  (whom: "shim" | "container"): Kill =>
  async (world, random) => {
    const names = [...world.victims].toSorted();
    if (names.length === 0) return false;
    const name = random.of(names);
    const { status, text } = await world.certainly("GET", `/containers/${name}/json`);
    if (status !== 200) return false;
    const { Id, State } = JSON.parse(text) as { Id: string; State: { Pid: number } };
    if (State.Pid === 0 || !world.victims.has(name)) return false;
    const shim = Number(await procStatus(State.Pid, "PPid").catch(() => "0"));
    world.killed.add(name);
    return whom === "shim"
      ? await world.killIf(shim, () => world.isShimOf(shim, State.Pid, Id))
      : await world.killIf(State.Pid, () => world.isOf(State.Pid, Id));
  };

/** Which there are more of, and when there is a chance, is tried more often. */
const KILLS: readonly (readonly [string, Kill])[] = [
  ["daemon", killDaemon],
  ["agent", killAgent],
  ...Array.from({ length: 4 }, () => ["shim", killInside("shim")] as const),
  ...Array.from({ length: 4 }, () => ["container", killInside("container")] as const),
];

async function killAll(world: World, count: number, random: Random): Promise<void> {
  const total = (): number =>
    [...world.counts].reduce((sum, [what, n]) => sum + (what === "deeds" ? 0 : n), 0);
  while (total() < count) {
    await setTimeout(random.below(PAUSE_MS));
    const [what, kill] = random.of(KILLS);
    if (await kill(world, random)) world.count(what);
  }
}

async function main(): Promise<number> {
  const begun = Date.now();
  const seed = Number(values.seed);
  process.stderr.write(`seed ${seed}\n`);
  const daemon = await TestDaemon.start({
    config: { undo: false },
    expectedErrors: /./,
    lifeMs: 24 * 3600_000,
  });
  const world = new World(daemon);
  let report: Report | undefined;
  try {
    const starts = await startSentinels(world);
    const look = (): string[] => inventoryOf(daemon.marks);
    // What a daemon that has just started has: one that has worked keeps connections to its shims.
    await world.replaceDaemon(() => daemon.kill());
    world.api.close();
    const before = look();
    const workers = Array.from({ length: Number(values.workers) }, (_, i) =>
      work(world, i, new Random(seed * 1000 + i)),
    );
    await killAll(world, Number(values.kills), new Random(seed));
    world.isOver = true;
    await Promise.all(workers);
    await world.replaceDaemon(() => daemon.kill());
    world.api.close();
    const lines = await checkSentinels(world, starts);
    const leaks = await differencesSince(before, look);
    const { deeds = 0, ...kills } = Object.fromEntries(world.counts);
    const seconds = Math.round((Date.now() - begun) / 1000);
    report = { seed, kills, deeds, lines, failures: world.failures, leaks, seconds };
  } catch (error) {
    // What comes of the end of a broken world hides the reason.
    process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n${daemon.log}\n`);
    throw error;
  } finally {
    world.isOver = true;
    await daemon.close();
  }
  process.stdout.write(`${JSON.stringify(report)}\n`);
  return report.failures.length + report.leaks.length === 0 ? 0 : 1;
}

process.exit(await main());
