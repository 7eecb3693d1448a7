import { containerInspect } from "../../../api/operations/container.ts";
import { bool, string } from "../../../lib/flags/spec.ts";
import { atLeast, defineCommand } from "../../command.ts";
import { inspectFormatUsage } from "../../format/usage.ts";
import { inspectAll, schemaOf } from "../../inspect.ts";

export const command = defineCommand({
  operands: "[OPTIONS] CONTAINER [CONTAINER...]",
  arity: atLeast(1),
  flags: {
    format: string(inspectFormatUsage, { short: "f" }),
    size: bool("Display total file sizes", { short: "s" }),
  },
  async run(session, { args, flags }) {
    const client = await session.client();
    await inspectAll(args, flags.format, async (id) => ({
      text: await client.text(containerInspect, { id, size: flags.size }),
      schema: schemaOf(containerInspect),
    }));
  },
});
