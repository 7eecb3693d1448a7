// A container from `run` to its end, and `run -d` until it runs, with published ports.
import { type Engine, openEngines } from "../field/engines.ts";
import { type Group, type Row, timed } from "./row.ts";

const SLEEP = ["bench", "sleep", "3600"];

const attached = (name: string, what: string, flags: string[], faster: number): Row<Engine> => ({
  name,
  what,
  unit: "ms",
  goal: { faster },
  rounds: { full: 21, quick: 5 },
  sample: (e) => timed(() => e.cli(["run", "--rm", ...flags, "bench", "true"])),
});

const published = (name: string, what: string, ports: number, rounds: Row["rounds"]): Row<Engine> => ({
  name,
  what,
  unit: "ms",
  rounds,
  sample: (e) => {
    const flags = Array.from({ length: ports }, (_, i) => ["-p", `${21_000 + i}:${80 + i}`]).flat();
    return timed(() => e.cli(["run", "-d", "--name", "published", ...flags, ...SLEEP]));
  },
  after: (e) => e.remove("published"),
});

export const run: Group<Engine> = {
  name: "run",
  open: openEngines,
  // A machine on which nothing runs is not the case that matters.
  setUp: (e) => void e.cli(["run", "-d", "--name", "resident", ...SLEEP]),
  rows: [
    attached("run.bridge", "`run --rm` of `true`, bridge network", [], 10),
    attached("run.none", "`run --rm` of `true`, `--network none`", ["--network", "none"], 8),
    published("run.port", "`run -d` with 1 published port", 1, { full: 11, quick: 3 }),
    published("run.ports", "`run -d` with 30 published ports", 30, { full: 5, quick: 0 }),
  ],
};
