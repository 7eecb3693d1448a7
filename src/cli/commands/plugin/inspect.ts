import { pluginInspect } from "../../../api/operations/plugin.ts";
import { string } from "../../../lib/flags/spec.ts";
import { atLeast, defineCommand } from "../../command.ts";
import { inspectFormatUsage } from "../../format/usage.ts";
import { inspectAll, schemaOf } from "../../inspect.ts";

export const command = defineCommand({
  operands: "[OPTIONS] PLUGIN [PLUGIN...]",
  arity: atLeast(1),
  flags: { format: string(inspectFormatUsage, { short: "f" }) },
  async run(session, { args, flags }) {
    const client = await session.client();
    await inspectAll(args, flags.format, async (name) => ({
      text: await client.text(pluginInspect, { name }),
      schema: schemaOf(pluginInspect),
    }));
  },
});
