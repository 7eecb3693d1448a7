import { containerTop } from "../../../api/operations/container.ts";
import { layoutTabs } from "../../../lib/term/tabwriter.ts";
import { atLeast, defineCommand } from "../../command.ts";
import { print } from "../../output.ts";

export const command = defineCommand({
  operands: "CONTAINER [ps OPTIONS]",
  arity: atLeast(1),
  flags: {},
  interspersed: false,
  async run(session, { args }) {
    const [id = "", ...options] = args;
    const client = await session.client();
    const { Titles, Processes } = await client.call(containerTop, { id, psArgs: options.join(" ") });
    const rows = [Titles ?? [], ...(Processes ?? [])].map((cells) => `${cells.join("\t")}\n`);
    print(layoutTabs(rows.join(""), { minWidth: 20, padding: 3 }));
  },
});
