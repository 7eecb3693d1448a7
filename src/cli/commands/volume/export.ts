import { volumeExport } from "../../../api/operations/volume.ts";
import { bool, string } from "../../../lib/flags/spec.ts";
import { defineCommand, exactly } from "../../command.ts";
import { openDownload } from "../../download.ts";

export const command = defineCommand({
  operands: "[OPTIONS] VOLUME",
  arity: exactly(1),
  flags: {
    output: string("Write to a file, instead of STDOUT", { short: "o" }),
    pause: bool("Pause the containers that use the volume until everything is written"),
  },
  async run(session, { args, flags }) {
    using output = await openDownload(flags.output, "export volume");
    const client = await session.client();
    const content = await client.stream(volumeExport, { name: args[0] ?? "", pause: flags.pause });
    for await (const chunk of content) output.write(chunk);
    output.commit();
  },
});
