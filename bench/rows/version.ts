// What every command pays: the client's own start.
import { type Engine, openEngines } from "../field/engines.ts";
import { type Group, timed } from "./row.ts";

export const version: Group<Engine> = {
  name: "version",
  open: openEngines,
  rows: [
    {
      name: "version",
      what: "`--version`",
      unit: "ms",
      goal: { faster: 1 },
      rounds: { full: 31, quick: 7 },
      sample: (e) => timed(() => e.cli(["--version"])),
    },
  ],
};
