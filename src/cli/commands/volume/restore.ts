import { keptList } from "../../../api/operations/kept.ts";
import { string } from "../../../lib/flags/spec.ts";
import { atLeast, defineCommand } from "../../command.ts";
import { bringBack, findKept } from "../../kept.ts";

/** Berth's own: Docker has no such command. */
export const command = defineCommand({
  operands: "[OPTIONS] VOLUME [VOLUME...]",
  description:
    "Brings back volumes that volume rm or a prune has removed, with their content and labels, as long as they are kept (undo in daemon.json, an hour by default).",
  arity: atLeast(1),
  flags: { name: string("Another name where the volume's own is taken") },
  async run(session, { args, flags }) {
    const client = await session.client();
    const volumes = (await client.call(keptList, {})).filter(({ Kind }) => Kind === "volume");
    const wanted = args.map((text) => findKept(volumes, text, "undo --list"));
    await bringBack(client, wanted, { name: flags.name, tell: (_, name) => name });
  },
});
