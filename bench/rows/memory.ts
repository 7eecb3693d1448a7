// Memory of what an engine needs itself: the daemon (with containerd, with keel's agent) and the supervisors of the containers, as PSS,
// which shares pages that several use; and how long the daemon takes to start beside 500 containers that run.
import { readFileSync } from "node:fs";
import { type DaemonEngine, openDaemons } from "../field/engines.ts";
import { startContainers } from "./_crowd.ts";
import { type Group, type Row, timed } from "./row.ts";

const SETTLE_MS = 5000;

const isSupervisor = ({ argv }: { argv: string[] }): boolean =>
  argv[0]?.includes("containerd-shim") === true ||
  (argv[0]?.includes("keel") === true && argv.includes("shim"));

const isDaemon = ({ argv }: { argv: string[] }): boolean =>
  !isSupervisor({ argv }) && /(dockerd|containerd|berth|keel)$/.test(argv[0] ?? "");

function pssKb(pid: number): number {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  return Number(/^Pss:\s+(\d+) kB/m.exec(text)?.[1]);
}

function sumKb(e: DaemonEngine, wanted: (process: { argv: string[] }) => boolean): number {
  const found = e.room.processes().filter(wanted);
  if (found.length === 0) throw new Error(`${e.name}: no such process in its room`);
  return found.reduce((sum, { pid }) => sum + pssKb(pid), 0);
}

const daemonAt = (count: number, quick: number): Row<DaemonEngine> => ({
  name: `memory.daemon.${count}`,
  what: `memory of the daemon, ${count === 0 ? "idle" : `${count} containers run`}`,
  unit: "MB",
  ...(count === 0 ? { goal: { atMost: 70 } } : {}),
  rounds: { full: 1, quick },
  hasWarmUp: false,
  async prepare(e) {
    await startContainers(e, count);
    // What starting them took is given back to the system within seconds.
    await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  },
  sample: (e) => sumKb(e, isDaemon) / 1000,
});

const supervisorAt = (count: number, quick: number): Row<DaemonEngine> => ({
  name: `memory.supervisor.${count}`,
  what: `memory of the supervisor, each of ${count} containers`,
  unit: "kB",
  goal: { atMost: 300 },
  rounds: { full: 1, quick },
  hasWarmUp: false,
  prepare: (e) => startContainers(e, count),
  sample: (e) => sumKb(e, isSupervisor) / count,
});

export const memory: Group<DaemonEngine> = {
  name: "memory",
  open: () => openDaemons(),
  rows: [
    daemonAt(0, 1),
    supervisorAt(10, 1),
    daemonAt(100, 0),
    supervisorAt(100, 0),
    daemonAt(500, 0),
    supervisorAt(500, 0),
    {
      name: "daemon.start.500",
      what: "start of the daemon until it answers, 500 containers run",
      unit: "ms",
      goal: { faster: 1 },
      rounds: { full: 3, quick: 0 },
      hasWarmUp: false,
      prepare: async (e) => {
        await startContainers(e, 500);
        await e.stop();
      },
      sample: (e) => timed(() => e.start()),
      after: async (e) => {
        const running = (await e.api("GET", "/containers/json")) as unknown[];
        if (running.length !== 500) throw new Error(`${e.name}: ${running.length} of 500 run`);
      },
    },
  ],
};
