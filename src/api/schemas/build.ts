// Responses of the builder operations.

import {
  bool,
  int,
  int64,
  list,
  nullable,
  type Output,
  optional,
  struct,
  text,
  time,
} from "../../lib/schema/schema.ts";

export const buildPrune = struct("build.CachePruneReport", {
  CachesDeleted: nullable(list(text)),
  SpaceReclaimed: int64,
});

export const buildCacheRecord = struct("build.CacheRecord", {
  ID: text,
  Parents: optional(list(text)),
  Type: text,
  Description: text,
  InUse: bool,
  Shared: bool,
  Size: int64,
  CreatedAt: time,
  LastUsedAt: nullable(time),
  UsageCount: int,
});

export type BuildPrune = Output<typeof buildPrune>;
export type BuildCacheRecord = Output<typeof buildCacheRecord>;
