import { keptList } from "../../api/operations/kept.ts";
import type { KeptItem } from "../../api/schemas/kept.ts";
import { bool, string } from "../../lib/flags/spec.ts";
import { anyArgs, defineCommand } from "../command.ts";
import { complain } from "../failure.ts";
import { since } from "../explain/explanation.ts";
import { humanSize } from "../../lib/units/size.ts";
import { type Formatter, printList } from "../format/list.ts";
import { bringBack, findKept } from "../kept.ts";

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
        ? args.map((text) => findKept(items, text, "undo --list"))
        : latest(items);
    if (wanted.length === 0) throw complain("nothing that was removed is kept");
    await bringBack(client, wanted, { name: flags.name, tell: (kind, name) => `${kind} ${name}` });
  },
});

/** What the latest request that removed something has removed. */
function latest(items: readonly KeptItem[]): KeptItem[] {
  return items.filter((item) => item.Group === items[0]?.Group);
}
