// Cost beside what exists: a start, `ps` and a change of networks with 1, 250, 500 and 1000 containers that run, and a start with up to 2000
// published ports. Drawn as curves. Docker is taken to 250 containers and 500 ports: more takes it many minutes and gigabytes.
import { type DaemonEngine, openDaemons } from "../field/engines.ts";
import { quiet } from "../field/quiet.ts";
import { startContainers } from "./_crowd.ts";
import { type Group, type Row, timed } from "./row.ts";

const COUNTS = [1, 250, 500, 1000];
const PORTS = [0, 500, 1000, 2000];
const DOCKER_MAX = { containers: 250, ports: 500 };
const PORTS_EACH = 100;
const ROUNDS = { full: 7, quick: 0 };
const LIMIT = 1.5;

interface Curve {
  readonly name: string;
  readonly what: string;
  readonly title: string;
  readonly counts: readonly number[];
  /** Docker is not taken further. */
  readonly dockerMax: number;
  prepare(e: DaemonEngine, count: number): Promise<void> | void;
  body(e: DaemonEngine, round: number): void;
  after?(e: DaemonEngine): void;
}

function pointsOf(curve: Curve): Row<DaemonEngine>[] {
  const first = `growth.${curve.name}.${curve.counts[0]}`;
  return curve.counts.map((x, i) => ({
    name: `growth.${curve.name}.${x}`,
    what: `${curve.what}: ${x}`,
    unit: "ms",
    rounds: ROUNDS,
    curve: { title: curve.title, x },
    ...(i === curve.counts.length - 1 ? { goal: { growth: LIMIT, from: first } } : {}),
    ...(x > curve.dockerMax ? { only: ["berth"] } : {}),
    prepare: async (e) => {
      await curve.prepare(e, x);
      await quiet();
    },
    sample: (e, round) => timed(() => curve.body(e, round)),
    after: (e) => curve.after?.(e),
  }));
}

const startAndEnd = {
  body: (e: DaemonEngine): void =>
    void e.cli(["run", "-d", "--name", "new", "-p", "19000:80", "bench", "sleep", "3600"]),
  after: (e: DaemonEngine): void => e.remove("new"),
};

const containers: readonly Curve[] = [
  {
    name: "start",
    what: "`run -d` with a port beside containers that run",
    title: "run -d, beside N running containers",
    counts: COUNTS,
    dockerMax: DOCKER_MAX.containers,
    prepare: startContainers,
    ...startAndEnd,
  },
  {
    name: "ps",
    what: "`ps -q --filter name=` of one beside containers that run",
    title: "ps of one, beside N running containers",
    counts: COUNTS,
    dockerMax: DOCKER_MAX.containers,
    prepare: startContainers,
    body: (e) => void e.cli(["ps", "-q", "--filter", "name=^/box1$"]),
  },
  {
    name: "network",
    what: "`network create`, `connect`, `disconnect` and `rm` beside containers that run",
    title: "network change, beside N running containers",
    counts: COUNTS,
    dockerMax: DOCKER_MAX.containers,
    prepare: startContainers,
    body: (e) => {
      e.cli(["network", "create", "other"]);
      e.cli(["network", "connect", "other", "box1"]);
      e.cli(["network", "disconnect", "other", "box1"]);
      e.cli(["network", "rm", "other"]);
    },
  },
];

const published = new WeakMap<DaemonEngine, number>();

/** Publishes ports, a hundred for each container, every one translated to another number. */
function publish(e: DaemonEngine, count: number): void {
  for (let n = published.get(e) ?? 0; n < count; n += PORTS_EACH) {
    const range = (from: number): string => `${from}-${from + PORTS_EACH - 1}`;
    const flags = ["--name", `ports${n}`, "-p", `127.0.0.1:${range(20_000 + n)}:${range(20_007 + n)}`];
    e.cli(["run", "-d", ...flags, "bench", "sleep", "86400"]);
    published.set(e, n + PORTS_EACH);
  }
}

const ports: Curve = {
  name: "ports",
  what: "`run -d` with a port beside published ports",
  title: "run -d, beside N published ports",
  counts: PORTS,
  dockerMax: DOCKER_MAX.ports,
  prepare: publish,
  ...startAndEnd,
};

/** All curves at one count, then the next: containers are only ever added. */
const byCount = COUNTS.flatMap((x) =>
  containers.flatMap((curve) => pointsOf(curve).filter((row) => row.curve?.x === x)),
);

/** The points that have Docker beside Berth, and in rooms of their own those that have not: what Docker has started would go on beside them. */
function groupsOf(name: string, rows: readonly Row<DaemonEngine>[]): Group<DaemonEngine>[] {
  const isAlone = (row: Row<DaemonEngine>): boolean => row.only !== undefined;
  return [rows.filter((row) => !isAlone(row)), rows.filter(isAlone)].map((part) => ({
    name,
    open: () => openDaemons(),
    rows: part,
  }));
}

export const growth: readonly Group[] = [
  ...groupsOf("growth", byCount),
  ...groupsOf("ports", pointsOf(ports)),
];
