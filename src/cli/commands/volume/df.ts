import { systemDataUsage } from "../../../api/operations/system.ts";
import { string } from "../../../lib/flags/spec.ts";
import { humanSize } from "../../../lib/units/size.ts";
import { defineCommand, noArgs } from "../../command.ts";
import { printList } from "../../format/list.ts";
import { formatUsage } from "../../format/usage.ts";
import { type AnyVolume, volumeUsageColumns } from "../../format/volume.ts";
import { print } from "../../output.ts";

export const command = defineCommand({
  operands: "[OPTIONS]",
  description:
    "Show how much disk space volumes use, who uses them, and what could be reclaimed. Mounts (tmpfs, NFS, plugins) are not this disk's and not among them.",
  arity: noArgs,
  flags: { format: string(formatUsage) },
  async run(session, { flags }) {
    const client = await session.client();
    const usage = await client.call(systemDataUsage, { types: ["volume"] });
    const volumes = [...((usage.Volumes ?? []) as AnyVolume[])].sort(
      (a, b) => sizeOf(b) - sizeOf(a) || (a.Name < b.Name ? -1 : 1),
    );
    const isTable = flags.format === "" || flags.format === "table";
    await printList(volumeUsageColumns, volumes, {
      format: isTable ? "table {{.Name}}\t{{.Links}}\t{{.Size}}\t{{.Snapshots}}" : flags.format,
      isTruncated: false,
    });
    if (!isTable) return;
    const unused = volumes.filter((v) => v.UsageData?.RefCount === 0);
    print(`\nTotal ${humanSize(sum(volumes))}, of it unused ${humanSize(sum(unused))}\n`);
  },
});

const sizeOf = ({ UsageData, Snapshots = [] }: AnyVolume): number =>
  Math.max(0, UsageData?.Size ?? 0) + Snapshots.reduce((all, s) => all + s.Size, 0);

const sum = (volumes: readonly AnyVolume[]): number => volumes.reduce((all, v) => all + sizeOf(v), 0);
