// daemon.json's `builder`: how much of the build cache is kept.
//   { "builder": { "gc": { "enabled": true, "defaultKeepStorage": "20GB", "policy": [ { "maxUsedSpace": "50GB", "all": true } ] } } }
import { Fault } from "../lib/errors.ts";
import { parseDecimalSize } from "../lib/units/size.ts";
import type { CacheLimits } from "../engine/build/cache/cache.ts";

export const BUILD_FILE_KEYS = ["builder"] as const;

const GB = 1e9;
/** What is kept where nothing else is said: so much is used before anything goes. */
const DEFAULT_LIMITS: CacheLimits = { reservedBytes: 10 * GB, maxBytes: 50 * GB, minFreeBytes: 0 };
const NO_LIMITS: CacheLimits = { reservedBytes: 0, maxBytes: 0, minFreeBytes: 0 };

function invalid(message: string): Fault {
  return new Fault("invalidParameter", message, { code: "daemon.config" });
}

type Section = Readonly<Record<string, unknown>>;

function sectionOf(parent: Section, key: string, path: string): Section {
  const value = parent[key];
  if (value === undefined) return {};
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw invalid(`"${path}" in the configuration file must be an object`);
  return value as Section;
}

/** A number of bytes, or a text such as `20GB`. */
function sizeOf(section: Section, keys: readonly string[], path: string): number | undefined {
  for (const key of keys) {
    const value = section[key];
    if (value === undefined) continue;
    if (typeof value === "number") return value;
    if (typeof value === "string") return parseDecimalSize(value);
    throw invalid(`"${path}.${key}" in the configuration file must be a size`);
  }
  return undefined;
}

/** The widest of the policies: what is older is what the others would remove first. */
function policyLimits(policies: unknown): Partial<CacheLimits> {
  if (policies === undefined) return {};
  if (!Array.isArray(policies)) throw invalid('"builder.gc.policy" in the configuration file must be a list');
  const path = "builder.gc.policy";
  const all = policies.map((policy: Section) => ({
    reservedBytes: sizeOf(policy, ["reservedSpace", "keepStorage"], path) ?? 0,
    maxBytes: sizeOf(policy, ["maxUsedSpace"], path) ?? sizeOf(policy, ["keepStorage"], path) ?? 0,
    minFreeBytes: sizeOf(policy, ["minFreeSpace"], path) ?? 0,
  }));
  const most = (pick: (limits: CacheLimits) => number): number => Math.max(0, ...all.map(pick));
  return {
    reservedBytes: most((l) => l.reservedBytes),
    maxBytes: most((l) => l.maxBytes),
    minFreeBytes: most((l) => l.minFreeBytes),
  };
}

/** Reads the limits. Throws Fault invalidParameter. */
export function buildCacheLimitsOf(file: Section): CacheLimits {
  const gc = sectionOf(sectionOf(file, "builder", "builder"), "gc", "builder.gc");
  if (gc["enabled"] === false) return NO_LIMITS;
  const reserved = sizeOf(gc, ["defaultReservedSpace", "defaultKeepStorage"], "builder.gc");
  const most = sizeOf(gc, ["defaultMaxUsedSpace"], "builder.gc") ?? reserved;
  const free = sizeOf(gc, ["defaultMinFreeSpace"], "builder.gc");
  return {
    ...DEFAULT_LIMITS,
    ...(reserved === undefined ? {} : { reservedBytes: reserved }),
    ...(most === undefined ? {} : { maxBytes: most }),
    ...(free === undefined ? {} : { minFreeBytes: free }),
    ...policyLimits(gc["policy"]),
  };
}
