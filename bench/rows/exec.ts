// A process in a container that runs.
import { type Engine, openEngines } from "../field/engines.ts";
import { quiet } from "../field/quiet.ts";
import { type Group, timed } from "./row.ts";

export const exec: Group<Engine> = {
  name: "exec",
  open: openEngines,
  setUp: (e) => void e.cli(["run", "-d", "--name", "resident", "bench", "sleep", "3600"]),
  rows: [
    {
      name: "exec",
      what: "`exec` of `true`",
      unit: "ms",
      goal: { faster: 5 },
      rounds: { full: 31, quick: 11 },
      // Docker's programs have work to do for a while after its client has ended.
      prepare: quiet,
      sample: (e) => timed(() => e.cli(["exec", "resident", "true"])),
    },
  ],
};
