import { pluginDisable } from "../../../api/operations/plugin.ts";
import { bool } from "../../../lib/flags/spec.ts";
import { defineCommand, exactly } from "../../command.ts";
import { print } from "../../output.ts";

export const command = defineCommand({
  operands: "[OPTIONS] PLUGIN",
  arity: exactly(1),
  flags: { force: bool("Force the disable of an active plugin", { short: "f" }) },
  async run(session, { args, flags }) {
    const [name = ""] = args;
    await (await session.client()).call(pluginDisable, { name, force: flags.force });
    print(`${name}\n`);
  },
});
