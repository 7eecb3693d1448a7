import { systemDataUsage } from "../../../api/operations/system.ts";
import { volumeList } from "../../../api/operations/volume.ts";
import { bool, string } from "../../../lib/flags/spec.ts";
import { defineCommand, noArgs } from "../../command.ts";
import { complain } from "../../failure.ts";
import { filterFlag } from "../../filters.ts";
import { printList } from "../../format/list.ts";
import { formatUsage } from "../../format/usage.ts";
import { type AnyVolume, volumeColumns, volumeFormat } from "../../format/volume.ts";

const clusterFormat = "table {{.Name}}\t{{.Group}}\t{{.Driver}}\t{{.Availability}}\t{{.Status}}";

export const command = defineCommand({
  operands: "[OPTIONS]",
  arity: noArgs,
  flags: {
    cluster: bool("Display only cluster volumes, with their own columns", { since: "1.42" }),
    filter: filterFlag('Provide filter values (e.g. "dangling=true")', { short: "f" }),
    format: string(formatUsage),
    quiet: bool("Only display volume names", { short: "q" }),
    size: bool("Display the size of the volumes that are on the daemon's disk", { short: "s" }),
  },
  async run(session, { flags, given }) {
    const client = await session.client();
    const { Volumes } = await client.call(volumeList, { filters: flags.filter });
    const sized = flags.size
      ? ((await client.call(systemDataUsage, { types: ["volume"] })).Volumes ?? [])
      : [];
    const usage = new Map(sized.map((v) => [v.Name, v.UsageData]));
    const configured = flags.quiet ? undefined : (await session.config()).volumesFormat;
    const listed = ((Volumes ?? []) as AnyVolume[]).map((v) => {
      const UsageData = usage.get(v.Name) ?? v.UsageData;
      return UsageData === undefined ? v : { ...v, UsageData };
    });
    const volumes = listed.sort((a, b) => a.Name.localeCompare(b.Name, "en", { numeric: true }));
    if (flags.cluster && given.has("format")) throw complain("--cluster and --format cannot be combined");
    const shown = flags.cluster ? volumes.filter((volume) => volume.ClusterVolume !== undefined) : volumes;
    const format =
      flags.cluster && !flags.quiet
        ? clusterFormat
        : volumeFormat(flags.format || configured || "table", flags);
    await printList(volumeColumns, shown, { format, isTruncated: false });
  },
});
