// Every command of Compose: its name, its one line in help, and where its code is. Data only.

import type { VerbEntry } from "../table.ts";

type Names = Pick<VerbEntry, "aliases" | "hidden">;

const verb = (
  name: string,
  summary: string,
  // biome-ignore lint: commands of every flag table and of Compose's session share this list
  load: () => Promise<{ readonly command: any }>,
  names: Names = {},
): VerbEntry => ({ noun: "compose", name, summary, load, ...names });

export const composeVerbs: readonly VerbEntry[] = [
  verb(
    "config",
    "Parse, resolve and render compose file in canonical format",
    () => import("./files/config.ts"),
    {
      aliases: ["convert"],
    },
  ),
];
