// `ps` and `inspect` beside 1, 100 and 1000 containers. They are created, not started: both engines keep them alike.
import { type DaemonEngine, openDaemons } from "../field/engines.ts";
import { createContainers } from "./_crowd.ts";
import { type Group, type Row, timed } from "./row.ts";

const COUNTS = [1, 100, 1000];

const rowsAt = (count: number): Row<DaemonEngine>[] =>
  (["ps", "inspect"] as const).map((command) => ({
    name: `${command}.${count}`,
    what: `\`${command === "ps" ? "ps -a" : "inspect"}\` with ${count === 1 ? "1 container" : `${count} containers`}`,
    unit: "ms",
    goal: { faster: 1 },
    rounds: { full: 21, quick: count > 100 ? 0 : 7 },
    prepare: (e) => createContainers(e, count),
    sample: (e) => timed(() => e.cli(command === "ps" ? ["ps", "-a"] : ["inspect", "box1"])),
  }));

export const ps: Group<DaemonEngine> = {
  name: "ps",
  open: () => openDaemons(),
  rows: COUNTS.flatMap(rowsAt),
};
