import { pluginDelete } from "../../../api/operations/plugin.ts";
import { bool } from "../../../lib/flags/spec.ts";
import { atLeast, defineCommand } from "../../command.ts";
import { runEach } from "../../each.ts";

export const command = defineCommand({
  operands: "[OPTIONS] PLUGIN [PLUGIN...]",
  arity: atLeast(1),
  flags: { force: bool("Force the removal of an active plugin", { short: "f" }) },
  async run(session, { args, flags }) {
    const client = await session.client();
    await runEach(args, (name) => client.call(pluginDelete, { name, force: flags.force }));
  },
});
