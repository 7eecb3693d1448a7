import { pluginSet } from "../../../api/operations/plugin.ts";
import { atLeast, defineCommand } from "../../command.ts";

export const command = defineCommand({
  operands: "PLUGIN KEY=VALUE [KEY=VALUE...]",
  arity: atLeast(2),
  flags: {},
  async run(session, { args }) {
    const [name = "", ...body] = args;
    await (await session.client()).call(pluginSet, { name, body });
  },
});
