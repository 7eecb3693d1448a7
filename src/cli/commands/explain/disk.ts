import { diskFacts } from "../../../api/operations/facts.ts";
import { systemDataUsage } from "../../../api/operations/system.ts";
import { atMost, defineCommand } from "../../command.ts";
import { diskText, explainDisk } from "../../explain/disk.ts";
import { ifKnown } from "../../explain/explanation.ts";
import { formatFlag, show } from "./_ask.ts";

/** Berth's own: Docker has no such command. */
export const command = defineCommand({
  operands: "[OPTIONS] [NAME]",
  description:
    "What takes the daemon's disk, the big ones first, and the command that frees each; with a NAME only what is called so.",
  arity: atMost(1),
  flags: { format: formatFlag },
  async run(session, { args, flags }) {
    const client = await session.client();
    const [usage, facts] = await Promise.all([
      client.call(systemDataUsage, {}),
      ifKnown(client.call(diskFacts, {})),
    ]);
    const all = explainDisk(usage, facts, session.program);
    const [name] = args;
    const isAsked = (use: string): boolean =>
      name === undefined || use === name || use.startsWith(`${name}:`);
    show(flags.format, { ...all, Uses: all.Uses.filter((use) => isAsked(use.Name)) }, diskText);
  },
});
