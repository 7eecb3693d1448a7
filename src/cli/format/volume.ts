// The columns of a volume in lists.

import type { Volume } from "../../api/schemas/volume.ts";
import { humanDuration } from "../../lib/units/duration.ts";
import { formatGoTime } from "../../lib/units/go-time.ts";
import { humanSize } from "../../lib/units/size.ts";
import { type Formatter, joinLabels } from "./list.ts";

interface ClusterVolume {
  readonly ID?: string;
  readonly Version?: { readonly Index?: number };
  readonly Spec?: { readonly Group?: string; readonly Availability?: string };
  readonly Info?: { readonly VolumeID?: string } | null;
  readonly PublishStatus?: readonly unknown[];
}

/** A volume as any engine sends it; ClusterVolume only comes from swarms. */
export type AnyVolume = Omit<Volume, "ClusterVolume"> & { readonly ClusterVolume?: ClusterVolume };

export const volumeColumns: Formatter<AnyVolume> = {
  type: "*formatter.volumeContext",
  headers: {
    ID: "ID",
    Name: "VOLUME NAME",
    Group: "GROUP",
    Driver: "DRIVER",
    Scope: "SCOPE",
    Availability: "AVAILABILITY",
    Mountpoint: "MOUNTPOINT",
    Labels: "LABELS",
    Links: "LINKS",
    Size: "SIZE",
    Status: "STATUS",
  },
  fields: {
    Availability: (volume) => volume.ClusterVolume?.Spec?.Availability ?? "N/A",
    Driver: (volume) => volume.Driver,
    Group: (volume) =>
      volume.ClusterVolume === undefined ? "N/A" : (volume.ClusterVolume.Spec?.Group ?? ""),
    Labels: (volume) => joinLabels(volume.Labels),
    Links: (volume) => (volume.UsageData == null ? "N/A" : String(volume.UsageData.RefCount)),
    Mountpoint: (volume) => volume.Mountpoint,
    Name: (volume) => volume.Name,
    Scope: (volume) => volume.Scope,
    Size: (volume) => (volume.UsageData == null ? "N/A" : humanSize(volume.UsageData.Size)),
    Status: (volume) => clusterStatus(volume.ClusterVolume),
  },
  calls: { Label: (volume, key) => volume.Labels?.[key] ?? "" },
};

/** As above, with what docker's `volume ls` has no column for. */
export const volumeUsageColumns: Formatter<AnyVolume> = {
  ...volumeColumns,
  headers: { ...volumeColumns.headers, Snapshots: "SNAPSHOTS" },
  fields: {
    ...volumeColumns.fields,
    Snapshots: ({ Snapshots = [] }) =>
      Snapshots.length === 0
        ? "0"
        : `${Snapshots.length} (${humanSize(Snapshots.reduce((all, s) => all + s.Size, 0))})`,
  },
};

export const snapshotColumns: Formatter<NonNullable<Volume["Snapshots"]>[number]> = {
  type: "*formatter.volumeSnapshotContext",
  headers: { Name: "SNAPSHOT", CreatedAt: "CREATED AT", CreatedSince: "CREATED", Size: "SIZE" },
  fields: {
    CreatedAt: ({ CreatedAt }) => formatGoTime(Date.parse(CreatedAt)),
    CreatedSince: ({ CreatedAt }) => `${humanDuration((Date.now() - Date.parse(CreatedAt)) * 1e6)} ago`,
    Name: ({ Name }) => Name,
    Size: ({ Size }) => humanSize(Size),
  },
};

function clusterStatus(volume: ClusterVolume | undefined): string {
  if (volume === undefined) return "N/A";
  if ((volume.Info?.VolumeID ?? "") === "") return "pending creation";
  const count = volume.PublishStatus?.length ?? 0;
  if (count === 0) return "created";
  return count === 1 ? "in use (1 node)" : `in use (${count} nodes)`;
}

/** Returns the template of a `volume ls` format. */
export function volumeFormat(format: string, { quiet, size }: { quiet: boolean; size: boolean }): string {
  if (format === "table" && quiet) return "{{.Name}}";
  if (format === "table") return `table {{.Driver}}\t{{.Name}}${size ? "\t{{.Size}}" : ""}`;
  if (format !== "raw") return format;
  return quiet ? "name: {{.Name}}" : "name: {{.Name}}\ndriver: {{.Driver}}\n";
}
