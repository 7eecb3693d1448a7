import { bool } from "../../../lib/flags/spec.ts";
import { humanSize } from "../../../lib/units/size.ts";
import { defineCommand, exactly } from "../../command.ts";
import { complain } from "../../failure.ts";
import { printError } from "../../output.ts";
import { isTerminal } from "../../terminal/tty.ts";

export const command = defineCommand({
  operands: "[OPTIONS] CONTAINER:SRC_PATH DEST_PATH|-\n[OPTIONS] SRC_PATH|- CONTAINER:DEST_PATH",
  description: `Copy files between a container and the local filesystem

'-' as the source reads a tar archive from stdin and unpacks it in a directory of
the container; '-' as the destination writes a tar archive of the source to stdout.`,
  arity: exactly(2),
  flags: {
    archive: bool("Archive mode (copy all uid/gid information)", { short: "a" }),
    "follow-link": bool("Always follow symbol link in SRC_PATH", { short: "L" }),
    quiet: bool("Suppress the line about what was copied; the default where there is no terminal", {
      short: "q",
    }),
  },
  async run(session, { args, flags, given }) {
    const [source = "", target = ""] = args;
    if (source === "") throw complain("source can not be empty");
    if (target === "") throw complain("destination can not be empty");
    const from = split(source);
    const to = split(target);
    if (from.container !== "" && to.container !== "")
      throw complain("copying between containers is not supported");
    if (from.container === "" && to.container === "")
      throw complain("must specify at least one container source");
    const client = await session.client();
    const options = { client, followLink: flags["follow-link"], keepOwner: flags.archive };
    let bytes: number;
    if (from.container !== "") {
      const { downloadPath } = await import("../../copy/download.ts");
      bytes = await downloadPath({ ...options, container: from.container, source: from.path, target });
    } else {
      const { uploadPath } = await import("../../copy/upload.ts");
      bytes = await uploadPath({ ...options, container: to.container, source, target: to.path });
    }
    const isQuiet = given.has("quiet") ? flags.quiet : !isTerminal(1);
    if (!isQuiet && target !== "-") printError(`Successfully copied ${humanSize(bytes)} to ${target}\n`);
  },
});

/** Splits `container:path`; a local path with a colon is told by its leading dot or slash. */
function split(text: string): { container: string; path: string } {
  if (text.startsWith("/") || text.startsWith(".") || text === "-") return { container: "", path: text };
  const colon = text.indexOf(":");
  return colon <= 0
    ? { container: "", path: text }
    : { container: text.slice(0, colon), path: text.slice(colon + 1) };
}
