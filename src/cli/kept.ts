// What was removed and is kept for a while, for the commands that bring it back.
import { keptRestore } from "../api/operations/kept.ts";
import type { KeptItem } from "../api/schemas/kept.ts";
import type { Client } from "../api/client.ts";
import { runEach } from "./each.ts";
import { complain } from "./failure.ts";
import { print, printError } from "./output.ts";

/** The newest of that name, or the one whose id begins so; `hint` is the command that lists what there is. */
export function findKept(items: readonly KeptItem[], text: string, hint: string): KeptItem {
  const found =
    items.find((item) => item.Name === text || item.Name === `${text}:latest`) ??
    items.find((item) => item.Id.startsWith(text));
  if (found === undefined)
    throw complain(`nothing that was removed and is kept is called ${text}: \`${hint}\` shows what is`);
  return found;
}

/** What others need comes first. */
const KINDS = ["image", "volume", "container"];

/** Brings each back, under another name where one is given, and calls `tell` for it; all are tried. */
export async function bringBack(
  client: Client,
  items: readonly KeptItem[],
  { name, tell }: { readonly name: string; readonly tell: (kind: string, name: string) => string },
): Promise<void> {
  if (name !== "" && items.length > 1) throw complain("--name is for one container or volume");
  await runEach(
    // A container takes its volumes along: they may be back by then.
    [...items].sort((a, b) => KINDS.indexOf(a.Kind) - KINDS.indexOf(b.Kind)).map((item) => item.Id),
    async (id) => {
      const { Kind, Name, Warnings } = await client.call(keptRestore, {
        id,
        name: name === "" ? undefined : name,
      });
      print(`${tell(Kind, Name)}\n`);
      for (const warning of Warnings) printError(`WARNING: ${Name}: ${warning}\n`);
    },
    { isSilent: true },
  );
}
