import { volumeInspect } from "../../../api/operations/volume.ts";
import { string } from "../../../lib/flags/spec.ts";
import { atLeast, defineCommand } from "../../command.ts";
import { inspectFormatUsage } from "../../format/usage.ts";
import { inspectAll, schemaOf } from "../../inspect.ts";

export const command = defineCommand({
  operands: "[OPTIONS] VOLUME [VOLUME...]",
  arity: atLeast(1),
  flags: {
    format: string(inspectFormatUsage, { short: "f" }),
  },
  async run(session, { args, flags }) {
    const client = await session.client();
    await inspectAll(args, flags.format, async (name) => ({
      text: await client.text(volumeInspect, { name }),
      schema: schemaOf(volumeInspect),
    }));
  },
});
