import { keptList, keptRestore } from "../../api/operations/kept.ts";
import type { KeptItem } from "../../api/schemas/kept.ts";
import { bool, string } from "../../lib/flags/spec.ts";
import { anyArgs, defineCommand } from "../command.ts";
import { complain, runEach } from "../each.ts";
import { since } from "../explain/explanation.ts";
import { humanSize } from "../../lib/units/size.ts";
import { type Formatter, printList } from "../format/list.ts";
import { print, printError } from "../output.ts";

const columns: Formatter<KeptItem> = {
  type: "*undo.context",
  headers: {
    ID: "ID",
    Kind: "KIND",
    Name: "NAME",
    Removed: "REMOVED",
    Expires: "KEPT UNTIL",
    Size: "SIZE",
  },
  fields: {
    ID: (item, { isTruncated }) => (isTruncated ? item.Id.slice(0, 12) : item.Id),
    Kind: (item) => item.Kind,
    Name: (item) => item.Name,
    Removed: (item) => `${since(item.RemovedAt, Date.now())} ago`,
    Expires: (item) => item.ExpiresAt.replace(/\.\d+/, ""),
    Size: (item) => humanSize(item.SizeBytes),
  },
};

const TABLE = "table {{.ID}}\t{{.Kind}}\t{{.Name}}\t{{.Removed}}\t{{.Size}}\t{{.Expires}}";

/** Berth's own: Docker has no such command. */
export const command = defineCommand({
  operands: "[OPTIONS] [NAME|ID...]",
  description:
    "Brings back containers, images and volumes that rm, rmi, volume rm or a prune has removed: the latest removal, or what is named.",
  arity: anyArgs,
  flags: {
    all: bool("Bring back everything that is still kept", { short: "a" }),
    format: string("Format the list using a Go template, or json"),
    list: bool("List what can be brought back", { short: "l" }),
    name: string("Another name for a container or volume whose own is taken"),
    "no-trunc": bool("Don't truncate output"),
  },
  async run(session, { args, flags }) {
    const client = await session.client();
    const items = await client.call(keptList, {});
    if (flags.list) {
      await printList(columns, items, { format: flags.format || TABLE, isTruncated: !flags["no-trunc"] });
      return;
    }
    const wanted = flags.all
      ? items
      : args.length > 0
        ? args.map((text) => find(items, text))
        : latest(items);
    if (wanted.length === 0) throw complain("nothing that was removed is kept");
    if (flags.name !== "" && wanted.length > 1) throw complain("--name is for one container or volume");
    await runEach(
      // A container takes its volumes along: they may be back by then.
      [...wanted].sort((a, b) => KINDS.indexOf(a.Kind) - KINDS.indexOf(b.Kind)).map((item) => item.Id),
      async (id) => {
        const { Kind, Name, Warnings } = await client.call(keptRestore, {
          id,
          name: flags.name === "" ? undefined : flags.name,
        });
        print(`${Kind} ${Name}\n`);
        for (const warning of Warnings) printError(`WARNING: ${Name}: ${warning}\n`);
      },
      { isSilent: true },
    );
  },
});

/** What others need comes first. */
const KINDS = ["image", "volume", "container"];

/** What the latest request that removed something has removed. */
function latest(items: readonly KeptItem[]): KeptItem[] {
  return items.filter((item) => item.Group === items[0]?.Group);
}

/** The newest of that name, or the one whose id begins so. */
function find(items: readonly KeptItem[], text: string): KeptItem {
  const found =
    items.find((item) => item.Name === text || item.Name === `${text}:latest`) ??
    items.find((item) => item.Id.startsWith(text));
  if (found === undefined)
    throw complain(`nothing that was removed and is kept is called ${text}: \`undo --list\` shows what is`);
  return found;
}
