import { imageGet, imageGetAll } from "../../../api/operations/image.ts";
import { string } from "../../../lib/flags/spec.ts";
import { atLeast, defineCommand } from "../../command.ts";
import { openDownload } from "../../download.ts";
import { platformList } from "../../options/platform.ts";

export const command = defineCommand({
  operands: "[OPTIONS] IMAGE [IMAGE...]",
  arity: atLeast(1),
  flags: {
    output: string("Write to a file, instead of STDOUT", { short: "o" }),
    platform: string('Save only the given platform variant, as "os[/arch[/variant]]"', { since: "1.48" }),
  },
  async run(session, { args, flags }) {
    const platforms = await platformList(flags.platform);
    using output = await openDownload(flags.output, "save image");
    const client = await session.client();
    const [name = ""] = args;
    const content =
      args.length === 1
        ? await client.stream(imageGet, { name, platforms })
        : await client.stream(imageGetAll, { names: args, platforms });
    for await (const chunk of content) output.write(chunk);
    output.commit();
  },
});
