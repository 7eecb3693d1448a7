// Many containers at once: started one after another and all together, and removed.
import { type Engine, openEngines } from "../field/engines.ts";
import { type Group, timed } from "./row.ts";

const START = "$CLI run -d bench sleep 3600 >/dev/null";

const removeAll = (e: Engine): void => {
  const ids = e.cli(["ps", "-aq"]).split(/\s+/).filter(Boolean);
  if (ids.length > 0) e.remove(...ids);
};

const loop = (count: number, body: string): string =>
  `i=0; while [ $i -lt ${count} ]; do ${body} i=$((i+1)); done; wait`;

export const starts: Group<Engine> = {
  name: "starts",
  open: openEngines,
  rows: [
    {
      name: "starts.sequential",
      what: "30 × `run -d`, one after another",
      unit: "ms",
      goal: { faster: 8 },
      rounds: { full: 3, quick: 2 },
      hasWarmUp: false,
      only: ["berth", "docker"],
      sample: (e) => timed(() => e.sh(loop(30, `${START} || exit 1;`))),
    },
    {
      name: "rm.30",
      what: "`rm -f` of 30",
      unit: "ms",
      goal: { faster: 8 },
      rounds: { full: 3, quick: 1 },
      hasWarmUp: false,
      only: ["berth", "docker"],
      prepare: (e) => {
        removeAll(e);
        e.sh(loop(30, `${START} &`));
      },
      sample: (e) => timed(() => removeAll(e)),
    },
    {
      name: "starts.parallel",
      what: "100 × `run -d`, all together",
      unit: "ms",
      rounds: { full: 2, quick: 0 },
      hasWarmUp: false,
      only: ["berth", "docker"],
      prepare: removeAll,
      sample: (e) => timed(() => e.sh(loop(100, `${START} &`))),
    },
    {
      name: "rm.100",
      what: "`rm -f` of 100",
      unit: "ms",
      rounds: { full: 2, quick: 0 },
      hasWarmUp: false,
      only: ["berth", "docker"],
      prepare: (e) => {
        removeAll(e);
        e.sh(loop(100, `${START} &`));
      },
      sample: (e) => timed(() => removeAll(e)),
    },
    {
      name: "stop",
      what: "`stop` of a process that ends at SIGTERM",
      unit: "ms",
      goal: { faster: 1 },
      rounds: { full: 9, quick: 3 },
      prepare: (e) => {
        const script = "trap 'exit 0' TERM; echo ready; while :; do sleep 3600 & wait; done";
        e.cli(["run", "-d", "--name", "ends", "bench", "sh", "-c", script]);
        while (!e.cli(["logs", "ends"]).includes("ready"));
      },
      sample: (e) => timed(() => e.cli(["stop", "ends"])),
      after: (e) => e.remove("ends"),
    },
  ],
};
