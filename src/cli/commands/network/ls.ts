import { networkList } from "../../../api/operations/network.ts";
import { bool, string } from "../../../lib/flags/spec.ts";
import { defineCommand, noArgs } from "../../command.ts";
import { filterFlag } from "../../filters.ts";
import { printList } from "../../format/list.ts";
import { networkColumns, networkFormat } from "../../format/network.ts";
import { formatUsage } from "../../format/usage.ts";

export const command = defineCommand({
  operands: "[OPTIONS]",
  arity: noArgs,
  flags: {
    filter: filterFlag('Provide filter values (e.g. "driver=bridge")', { short: "f" }),
    format: string(formatUsage),
    "no-trunc": bool("Do not truncate the output"),
    quiet: bool("Only display network IDs", { short: "q" }),
  },
  async run(session, { flags }) {
    const client = await session.client();
    const networks = await client.call(networkList, { filters: flags.filter });
    const configured = flags.quiet ? undefined : (await session.config()).networksFormat;
    const sorted = [...(networks ?? [])].sort((a, b) =>
      a.Name.localeCompare(b.Name, "en", { numeric: true }),
    );
    await printList(networkColumns, sorted, {
      format: networkFormat(flags.format || configured || "table", flags.quiet),
      isTruncated: !flags["no-trunc"],
    });
  },
});
