import { imageInspect } from "../../../api/operations/image.ts";
import { string } from "../../../lib/flags/spec.ts";
import { atLeast, defineCommand } from "../../command.ts";
import { inspectFormatUsage } from "../../format/usage.ts";
import { inspectAll, schemaOf } from "../../inspect.ts";
import { platformJson } from "../../options/platform.ts";

export const command = defineCommand({
  operands: "[OPTIONS] IMAGE [IMAGE...]",
  arity: atLeast(1),
  flags: {
    format: string(inspectFormatUsage, { short: "f" }),
    platform: string(
      `Inspect one platform of a multi-platform image.
'os[/arch[/variant]]': Explicit platform (eg. linux/amd64)`,
      { since: "1.49" },
    ),
  },
  async run(session, { args, flags }) {
    const platform = await platformJson(flags.platform);
    const client = await session.client();
    await inspectAll(args, flags.format, async (name) => ({
      text: await client.text(imageInspect, { name, platform }),
      schema: schemaOf(imageInspect),
    }));
  },
});
