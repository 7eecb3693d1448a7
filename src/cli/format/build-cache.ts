// The columns of a build cache record in `berth system df -v`.

import type { BuildCacheRecord } from "../../api/schemas/build.ts";
import { humanDuration } from "../../lib/units/duration.ts";
import { formatGoTime } from "../../lib/units/go-time.ts";
import { humanSize } from "../../lib/units/size.ts";
import { type Formatter, truncateId } from "./list.ts";

const ago = (text: string): string => `${humanDuration((Date.now() - Date.parse(text)) * 1e6)} ago`;

export const buildCacheColumns: Formatter<BuildCacheRecord> = {
  type: "*formatter.buildCacheContext",
  headers: {
    ID: "CACHE ID",
    Parent: "PARENT",
    CacheType: "CACHE TYPE",
    Size: "SIZE",
    CreatedSince: "CREATED",
    LastUsedSince: "LAST USED",
    UsageCount: "USAGE",
    InUse: "IN USE",
    Shared: "SHARED",
  },
  fields: {
    CacheType: (record) => record.Type,
    CreatedAt: (record) => formatGoTime(Date.parse(record.CreatedAt)),
    CreatedSince: (record) => ago(record.CreatedAt),
    Description: (record) => record.Description,
    ID: (record, view) => `${view.isTruncated ? truncateId(record.ID) : record.ID}${record.InUse ? "*" : ""}`,
    InUse: (record) => String(record.InUse),
    LastUsedAt: (record) => (record.LastUsedAt == null ? "" : formatGoTime(Date.parse(record.LastUsedAt))),
    LastUsedSince: (record) => (record.LastUsedAt == null ? "" : ago(record.LastUsedAt)),
    Parent: (record, view) => {
      const parents = (record.Parents ?? []).join(", ");
      return view.isTruncated ? truncateId(parents) : parents;
    },
    Shared: (record) => String(record.Shared),
    Size: (record) => humanSize(record.Size, 3),
    UsageCount: (record) => String(record.UsageCount),
  },
};
