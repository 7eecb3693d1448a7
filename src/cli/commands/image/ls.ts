import { imageList } from "../../../api/operations/image.ts";
import type { ImageSummary } from "../../../api/schemas/image.ts";
import { bool, string } from "../../../lib/flags/spec.ts";
import { atMost, defineCommand } from "../../command.ts";
import { complain } from "../../each.ts";
import type { Filters } from "../../../api/contract.ts";
import { addFilter, filterFlag } from "../../filters.ts";
import { imageColumns, imageFormat, imageRows, isDangling } from "../../format/image.ts";
import { imageTree, treeSize } from "../../format/image-tree.ts";
import { printList } from "../../format/list.ts";
import { formatUsage } from "../../format/usage.ts";
import { isTerminal, terminalSize } from "../../terminal/tty.ts";
import { print, printError } from "../../output.ts";

export const command = defineCommand({
  operands: "[OPTIONS] [REPOSITORY[:TAG]]",
  arity: atMost(1),
  flags: {
    all: bool("Show all images (default hides intermediate and dangling images)", { short: "a" }),
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
    const isList = flags.quiet || flags["no-trunc"] || flags.digests || flags.format !== "";
    const configured = isList || flags.tree ? undefined : (await session.config()).imagesFormat;
    const isTree = !isList && !configured;
    const client = await session.client();
    const images =
      (await client.call(imageList, { all: flags.all, filters, ...(isTree && { manifests: true }) })) ?? [];
    const shown = flags.all || asksForDangling(filters) ? images : images.filter((i) => !isDangling(i));
    const count = isTree ? await printTree(shown, flags.tree) : await printTable(shown, flags, configured);
    if (count === 0 && path.endsWith(" images") && subcommands.has(name)) {
      const { program } = session;
      printError(
        `No images found matching ${JSON.stringify(name)}: did you mean "${program} image ${name}"?\n`,
      );
    }
  },
});

interface ListFlags {
  readonly quiet: boolean;
  readonly "no-trunc": boolean;
  readonly digests: boolean;
  readonly format: string;
}

/** Prints names with their images, or images with their platforms; returns how many there are. */
async function printTree(images: readonly ImageSummary[], isExpanded: boolean): Promise<number> {
  const columns = (await isTerminal(1)) ? (await terminalSize()).width : 0;
  const isPlain = (process.env["NO_COLOR"] ?? "") !== "";
  print(imageTree(images, { columns, isPlain, isExpanded }));
  return treeSize(images, isExpanded);
}

async function printTable(
  images: readonly ImageSummary[],
  flags: ListFlags,
  configured: string | undefined,
): Promise<number> {
  const hasDigests = flags.digests;
  const format = imageFormat(flags.format || configured || "table", { isQuiet: flags.quiet, hasDigests });
  const rows = imageRows(images, { hasDigests, format });
  await printList(imageColumns, rows, { format, isTruncated: !flags["no-trunc"] });
  return images.length;
}

/** Whether images without a name are wanted: then they are not hidden. */
function asksForDangling(filters: Filters): boolean {
  return filters["dangling"]?.includes("false") === false;
}

/** compat: in the order and the words of Docker's client. */
function refuseWithTree(flags: ListFlags): void {
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
