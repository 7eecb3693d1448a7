// The build cache through BuildKit's control service, as `docker buildx du` and `prune` ask for it: the records of the Engine API in
// BuildKit's words.
import type { Filters } from "../../api/contract.ts";
import type { BuildCacheRecord, BuildPrune } from "../../api/schemas/build.ts";
import type { diskUsageRequest, pruneRequest, usageRecord } from "../../lib/build-protocol/control.ts";
import { Fault } from "../../lib/errors.ts";
import { parseNano } from "../../lib/time.ts";
import { cacheMatcher } from "./cache/filter.ts";

/** What the service lends. */
export interface CacheAccess {
  list(): BuildCacheRecord[];
  prune(wish: {
    filters: Filters;
    all: boolean;
    reservedSpace: number;
    maxUsedSpace: number;
    minFreeSpace: number;
  }): Promise<BuildPrune>;
}

type UsageRecord = Partial<ReturnType<typeof usageRecord.decode>>;

/** Returns the records that fit, with BuildKit's filters. Throws Fault `filter.invalid`. */
export function usageOf(
  cache: CacheAccess,
  { filter }: ReturnType<typeof diskUsageRequest.decode>,
): { record: UsageRecord[] } {
  const fits = cacheMatcher(filtersOf(filter));
  return { record: cache.list().filter(fits).map(recordOf) };
}

/** Removes what BuildKit's filters and limits allow, and tells what is gone. */
export async function* pruneFor(
  cache: CacheAccess,
  input: ReturnType<typeof pruneRequest.decode>,
): AsyncGenerator<UsageRecord> {
  const { filter, all, keepDuration, reservedSpace, maxUsedSpace, minFreeSpace } = input;
  const records = new Map(cache.list().map((r) => [r.ID, r]));
  const filters = filtersOf(filter);
  const age = keepDuration > 0 ? { "unused-for": [`${keepDuration}ns`] } : {};
  const limits = { reservedSpace, maxUsedSpace, minFreeSpace };
  const { CachesDeleted } = await cache.prune({ filters: { ...filters, ...age }, all, ...limits });
  for (const id of CachesDeleted ?? []) {
    const record = records.get(id);
    if (record !== undefined) yield recordOf(record);
  }
}

/** `name==value`, `name~=value` (of an id its beginning) and a name alone, each in one text. */
function filtersOf(texts: readonly string[]): Filters {
  const filters: Record<string, string[]> = {};
  for (const text of texts.flatMap((list) => list.split(",")).filter(Boolean)) {
    const [, name = "", operator = "", value = ""] = /^([a-z-]+)(?:(==|=|~=)(.*))?$/.exec(text) ?? [];
    if (name === "" || (operator === "~=" && name !== "id" && name !== "description"))
      throw new Fault("invalidParameter", `invalid filter ${JSON.stringify(text)}`, {
        code: "filter.invalid",
      });
    filters[name] = [...(filters[name] ?? []), value];
  }
  return filters;
}

function recordOf(r: BuildCacheRecord): UsageRecord {
  return {
    id: r.ID,
    isMutable: r.Type === "exec.cachemount",
    isInUse: r.InUse,
    size: r.Size,
    createdAt: timestampOf(r.CreatedAt),
    ...(r.LastUsedAt == null ? {} : { lastUsedAt: timestampOf(r.LastUsedAt) }),
    usageCount: r.UsageCount,
    description: r.Description,
    recordType: r.Type,
    isShared: r.Shared,
    parents: [...(r.Parents ?? [])],
  };
}

function timestampOf(text: string): { seconds: number; nanos: number } {
  const nano = parseNano(text) ?? 0n;
  return { seconds: Number(nano / 1_000_000_000n), nanos: Number(nano % 1_000_000_000n) };
}
