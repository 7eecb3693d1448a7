// The lines of `berth system df`: how much each kind of object takes and how much of it could be had back.

import type { DiskUsage } from "../../api/schemas/system.ts";
import { humanSize } from "../../lib/units/size.ts";
import type { Formatter } from "./list.ts";

export interface UsageLine {
  readonly type: string;
  readonly total: number;
  readonly active: number;
  readonly sizeBytes: number;
  readonly reclaimableBytes: number;
  /** Whether the share that could be had back is shown as a percentage. */
  readonly hasPercent: boolean;
}

export const usageColumns: Formatter<UsageLine> = {
  type: "*formatter.diskUsageImagesContext",
  headers: { Type: "TYPE", TotalCount: "TOTAL", Active: "ACTIVE", Size: "SIZE", Reclaimable: "RECLAIMABLE" },
  fields: {
    Active: (line) => String(line.active),
    Reclaimable: ({ reclaimableBytes, sizeBytes, hasPercent }) => {
      const size = humanSize(reclaimableBytes);
      return hasPercent && sizeBytes > 0
        ? `${size} (${Math.trunc((reclaimableBytes * 100) / sizeBytes)}%)`
        : size;
    },
    Size: (line) => humanSize(line.sizeBytes),
    TotalCount: (line) => String(line.total),
    Type: (line) => line.type,
  },
};

export const usageTable = "table {{.Type}}\t{{.TotalCount}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}";

/** Sums up what the daemon reports. */
export function usageLines(usage: DiskUsage): UsageLine[] {
  return [images(usage), containers(usage), volumes(usage), buildCache(usage)];
}

function images({ Images, LayersSize }: DiskUsage): UsageLine {
  const all = Images ?? [];
  const total = LayersSize ?? 0;
  // What an image shares with others is only counted once, in the total.
  const used = all
    .filter((image) => image.Containers !== 0 && image.Size !== -1 && image.SharedSize !== -1)
    .reduce((sum, image) => sum + image.Size - image.SharedSize, 0);
  return {
    type: "Images",
    total: all.length,
    active: all.filter((image) => image.Containers > 0).length,
    sizeBytes: total,
    reclaimableBytes: total - used,
    hasPercent: true,
  };
}

function containers({ Containers }: DiskUsage): UsageLine {
  const all = Containers ?? [];
  const isActive = (state: string): boolean => ["running", "paused", "restarting"].includes(state);
  const sum = (list: typeof all): number =>
    list.reduce((total, container) => total + (container.SizeRw ?? 0), 0);
  return {
    type: "Containers",
    total: all.length,
    active: all.filter((container) => isActive(container.State)).length,
    sizeBytes: sum(all),
    reclaimableBytes: sum(all.filter((container) => !isActive(container.State))),
    hasPercent: true,
  };
}

function volumes({ Volumes }: DiskUsage): UsageLine {
  const all = Volumes ?? [];
  const known = all.flatMap(({ UsageData }) =>
    UsageData == null || UsageData.Size === -1 ? [] : [UsageData],
  );
  return {
    type: "Local Volumes",
    total: all.length,
    active: all.filter(({ UsageData }) => (UsageData?.RefCount ?? 0) > 0).length,
    sizeBytes: known.reduce((sum, { Size }) => sum + Size, 0),
    reclaimableBytes: known.filter(({ RefCount }) => RefCount === 0).reduce((sum, { Size }) => sum + Size, 0),
    hasPercent: true,
  };
}

/** Bytes of the build cache that are not shared with images. */
export function buildCacheBytes({ BuildCache }: DiskUsage): number {
  return (BuildCache ?? []).filter(({ Shared }) => !Shared).reduce((sum, { Size }) => sum + Size, 0);
}

function buildCache(usage: DiskUsage): UsageLine {
  const all = usage.BuildCache ?? [];
  const size = buildCacheBytes(usage);
  const used = all.filter(({ InUse, Shared }) => InUse && !Shared).reduce((sum, { Size }) => sum + Size, 0);
  return {
    type: "Build Cache",
    total: all.length,
    active: all.filter(({ InUse }) => InUse).length,
    sizeBytes: size,
    reclaimableBytes: size - used,
    hasPercent: false,
  };
}
