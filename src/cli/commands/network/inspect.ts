import { networkInspect } from "../../../api/operations/network.ts";
import { bool, string } from "../../../lib/flags/spec.ts";
import { atLeast, defineCommand } from "../../command.ts";
import { inspectFormatUsage } from "../../format/usage.ts";
import { inspectAll, schemaOf } from "../../inspect.ts";

export const command = defineCommand({
  operands: "[OPTIONS] NETWORK [NETWORK...]",
  arity: atLeast(1),
  flags: {
    format: string(inspectFormatUsage, { short: "f" }),
    verbose: bool("Show details for diagnostics", { short: "v" }),
  },
  async run(session, { args, flags }) {
    const client = await session.client();
    await inspectAll(args, flags.format, async (id) => ({
      text: await client.text(networkInspect, { id, verbose: flags.verbose }),
      schema: schemaOf(networkInspect),
      hasTimes: true,
    }));
  },
});
