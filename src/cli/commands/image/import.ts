import { imageCreate } from "../../../api/operations/image.ts";
import { list, string } from "../../../lib/flags/spec.ts";
import { defineCommand } from "../../command.ts";
import { displayOn } from "../../progress/display.ts";
import { openUpload, stdinUpload } from "../../upload.ts";

export const command = defineCommand({
  operands: "[OPTIONS] file|URL|- [REPOSITORY[:TAG]]",
  arity: { min: 1, max: 2 },
  flags: {
    change: list("Apply Dockerfile instruction to the created image", { short: "c" }),
    message: string("Set commit message for imported image", { short: "m" }),
    platform: string("Platform of the image", { since: "1.32" }),
  },
  async run(session, { args, flags }) {
    const [source = "", name = ""] = args;
    const isUrl = /^https?:\/\//.test(source);
    const upload = isUrl ? undefined : source === "-" ? stdinUpload() : openUpload(source);
    const client = await session.client();
    const lines = await client.stream(
      imageCreate,
      {
        fromSrc: isUrl ? source : "-",
        ...(await target(name)),
        message: flags.message,
        changes: flags.change,
        platform: flags.platform,
      },
      { upload },
    );
    await displayOn(1, lines);
  },
});

async function target(name: string): Promise<{ repo?: string }> {
  if (name === "") return {};
  const { parseReference } = await import("../../../oci/reference.ts");
  // Checked here so that a bad name does not cost an upload; the daemon splits it itself.
  parseReference(name);
  return { repo: name };
}
