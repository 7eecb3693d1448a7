import { volumeCreate, volumeImport } from "../../../api/operations/volume.ts";
import { atMost, defineCommand } from "../../command.ts";
import { complain } from "../../failure.ts";
import { isTerminal } from "../../terminal/tty.ts";
import { openUpload, stdinUpload } from "../../upload.ts";

export const command = defineCommand({
  operands: "VOLUME [FILE|-]",
  arity: { ...atMost(2), min: 1 },
  flags: {},
  async run(session, { args }) {
    const [name = "", file = "-"] = args;
    if (file === "-" && isTerminal(0)) throw complain("requested import from stdin, but stdin is empty");
    const upload = file === "-" ? stdinUpload() : openUpload(file);
    const client = await session.client();
    await client.call(volumeCreate, { body: { Name: name } });
    await client.call(volumeImport, { name }, { upload });
  },
});
