import { imageList } from "../../../api/operations/image.ts";
import { bool, string } from "../../../lib/flags/spec.ts";
import { atMost, defineCommand } from "../../command.ts";
import { complain } from "../../failure.ts";
import { addFilter, filterFlag } from "../../filters.ts";
import { imageColumns, imageFormat, imageRows, isDangling } from "../../format/image.ts";
import { imageTree } from "../../format/image-tree.ts";
import { printList } from "../../format/list.ts";
import { formatUsage } from "../../format/usage.ts";
import { isTerminal, terminalSize } from "../../terminal/tty.ts";
import { print, printError } from "../../output.ts";

export const command = defineCommand({
  operands: "[OPTIONS] [REPOSITORY[:TAG]]",
  arity: atMost(1),
  flags: {
    all: bool("Show all images (default hides intermediate images)", { short: "a" }),
    digests: bool("Show digests"),
    filter: filterFlag("Filter output based on conditions provided", { short: "f" }),
    format: string(formatUsage),
    "no-trunc": bool("Don't truncate output"),
    quiet: bool("Only show image IDs", { short: "q" }),
    tree: bool("List multi-platform images as a tree", { since: "1.47" }),
  },
  async run(session, { args, flags, path }) {
    const [name = ""] = args;
    if (flags.tree) refuseWithTree(flags);
    const filters = name === "" ? flags.filter : addFilter(flags.filter, `reference=${name}`);
    const client = await session.client();
    if (flags.tree) {
      const images = (await client.call(imageList, { all: flags.all, filters, manifests: true })) ?? [];
      const shown = flags.all ? images : images.filter((image) => !isDangling(image));
      const width = isTerminal(1) ? terminalSize().width : 0;
      return print(imageTree(shown, width));
    }
    const images = await client.call(imageList, { all: flags.all, filters });
    const configured = flags.quiet ? undefined : (await session.config()).imagesFormat;
    const format = imageFormat(flags.format || configured || "table", {
      isQuiet: flags.quiet,
      hasDigests: flags.digests,
    });
    const rows = imageRows(images ?? [], { hasDigests: flags.digests, format });
    await printList(imageColumns, rows, { format, isTruncated: !flags["no-trunc"] });
    if (rows.length === 0 && path.endsWith(" images") && subcommands.has(name)) {
      const { program } = session;
      printError(
        `\nNo images found matching ${JSON.stringify(name)}: did you mean "${program} image ${name}"?\n`,
      );
    }
  },
});

/** compat: in the order and the words of Docker's client. */
function refuseWithTree(flags: {
  quiet: boolean;
  "no-trunc": boolean;
  digests: boolean;
  format: string;
}): void {
  const given = [
    ["--quiet", flags.quiet],
    ["--no-trunc", flags["no-trunc"]],
    ["--show-digest", flags.digests],
    ["--format", flags.format !== ""],
  ] as const;
  for (const [flag, isGiven] of given)
    if (isGiven) throw complain(`${flag} is not yet supported with --tree`);
}

const subcommands = new Set(
  "build history import inspect list load ls prune pull push rm save tag".split(" "),
);
