import { imageHistory } from "../../../api/operations/image.ts";
import { bool, string } from "../../../lib/flags/spec.ts";
import { defineCommand, exactly } from "../../command.ts";
import { historyColumns } from "../../format/image.ts";
import { printList } from "../../format/list.ts";
import { formatUsage } from "../../format/usage.ts";
import { platformJson } from "../../options/platform.ts";

const table = "table {{.ID}}\t{{.CreatedSince}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}";
const exactTable = "table {{.ID}}\t{{.CreatedAt}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}";

export const command = defineCommand({
  operands: "[OPTIONS] IMAGE",
  arity: exactly(1),
  flags: {
    format: string(formatUsage),
    human: bool("Print sizes and dates in human readable format", { short: "H", initial: true }),
    "no-trunc": bool("Don't truncate output"),
    platform: string('Show history for the given platform, as "os[/arch[/variant]]"', { since: "1.48" }),
    quiet: bool("Only show image IDs", { short: "q" }),
  },
  async run(session, { args, flags }) {
    const platform = await platformJson(flags.platform);
    const client = await session.client();
    const history = await client.call(imageHistory, { name: args[0] ?? "", platform });
    const isTable = flags.format === "" || flags.format === "table";
    const format = isTable ? (flags.quiet ? "{{.ID}}" : flags.human ? table : exactTable) : flags.format;
    await printList(historyColumns(flags.human), history ?? [], { format, isTruncated: !flags["no-trunc"] });
  },
});
