import { pluginList } from "../../../api/operations/plugin.ts";
import { bool, string } from "../../../lib/flags/spec.ts";
import { defineCommand, noArgs } from "../../command.ts";
import { filterFlag } from "../../filters.ts";
import { printList } from "../../format/list.ts";
import { type AnyPlugin, pluginColumns, pluginFormat } from "../../format/plugin.ts";
import { formatUsage } from "../../format/usage.ts";

export const command = defineCommand({
  operands: "[OPTIONS]",
  arity: noArgs,
  flags: {
    filter: filterFlag('Provide filter values (e.g. "enabled=true")', { short: "f" }),
    format: string(formatUsage),
    "no-trunc": bool("Don't truncate output"),
    quiet: bool("Only display plugin IDs", { short: "q" }),
  },
  async run(session, { flags }) {
    const plugins = await (await session.client()).call(pluginList, { filters: flags.filter });
    const configured = flags.quiet ? undefined : (await session.config()).pluginsFormat;
    const sorted = [...(plugins as AnyPlugin[])].sort((a, b) =>
      a.Name.localeCompare(b.Name, "en", { numeric: true }),
    );
    const format = pluginFormat(flags.format || configured || "table", flags.quiet);
    await printList(pluginColumns, sorted, { format, isTruncated: !flags["no-trunc"] });
  },
});
