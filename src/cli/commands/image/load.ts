import { imageLoad } from "../../../api/operations/image.ts";
import { bool, string } from "../../../lib/flags/spec.ts";
import { defineCommand, noArgs } from "../../command.ts";
import { complain } from "../../failure.ts";
import { platformList } from "../../options/platform.ts";
import { displayOn } from "../../progress/display.ts";
import { isTerminal } from "../../terminal/tty.ts";
import { openUpload, stdinUpload } from "../../upload.ts";

export const command = defineCommand({
  operands: "[OPTIONS]",
  arity: noArgs,
  flags: {
    input: string("Read from tar archive file, instead of STDIN", { short: "i" }),
    platform: string('Load only the given platform variant, as "os[/arch[/variant]]"', { since: "1.48" }),
    quiet: bool("Suppress the load output", { short: "q" }),
  },
  async run(session, { flags }) {
    if (flags.input === "" && isTerminal(0)) {
      throw complain("requested load from stdin, but stdin is empty");
    }
    const upload = flags.input === "" ? stdinUpload() : openUpload(flags.input);
    const platforms = await platformList(flags.platform);
    const client = await session.client();
    // Progress bars are of no use where they cannot be redrawn.
    const quiet = flags.quiet || !isTerminal(1);
    const lines = await client.stream(imageLoad, { quiet, platforms }, { upload });
    await displayOn(1, lines);
  },
});
