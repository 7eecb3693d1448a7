// Id maps of user namespaces (user_namespaces(7)): ranges of user or group ids with their place inside and outside. Pure, but for
// loadIdMap. Whatever ranges come from (a bundle, /etc/subuid) is foreign input: checkIdMap is the one place that believes it,
// because arithmetic on ids that overflows ends at root.
import { readFileSync } from "node:fs";
import { Fault, messageOf } from "../lib/errors.ts";
import type { IdMaps } from "./ops.ts";

/** `size` ids from `inside` on are those from `outside` on. */
export interface IdRange {
  readonly inside: number;
  readonly outside: number;
  readonly size: number;
}

/** The users and groups of one user namespace. */
export interface IdMap {
  readonly uids: readonly IdRange[];
  readonly gids: readonly IdRange[];
}

/** An owner. */
export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/** Ids are 32 bits wide, and the last one is chown(2)'s word for "leave it". */
const END_OF_IDS = 2 ** 32 - 1;
/** Lines that the kernel takes since Linux 4.15. */
const MAX_RANGES = 340;

/** Returns the ranges when they are a map that the kernel would take. Throws Fault invalidParameter that begins with `what`. */
export function checkIdRanges(ranges: readonly IdRange[], what: string): readonly IdRange[] {
  if (ranges.length === 0) throw invalid(`${what}: no ids are mapped`);
  if (ranges.length > MAX_RANGES) throw invalid(`${what}: more than ${MAX_RANGES} ranges`);
  for (const r of ranges) {
    for (const [name, start] of [
      ["inside", r.inside],
      ["outside", r.outside],
    ] as const)
      if (!Number.isInteger(start) || start < 0 || start >= END_OF_IDS)
        throw invalid(`${what}: the id ${start} ${name} is out of range`);
    if (!Number.isInteger(r.size) || r.size < 1) throw invalid(`${what}: a range of ${r.size} ids`);
    if (r.inside + r.size > END_OF_IDS || r.outside + r.size > END_OF_IDS)
      throw invalid(`${what}: ${r.size} ids from ${r.inside} to ${r.outside} end beyond the last id`);
  }
  for (const side of ["inside", "outside"] as const) {
    const sorted = [...ranges].sort((a, b) => a[side] - b[side]);
    for (let i = 1; i < sorted.length; i++) {
      const [before, after] = [sorted[i - 1] as IdRange, sorted[i] as IdRange];
      if (before[side] + before.size > after[side])
        throw invalid(`${what}: the id ${after[side]} ${side} is mapped twice`);
    }
  }
  return ranges;
}

/** Returns the map when it is one. Throws Fault invalidParameter. */
export function checkIdMap(map: IdMap, what = "user namespace"): IdMap {
  checkIdRanges(map.uids, `${what}: uid mappings`);
  checkIdRanges(map.gids, `${what}: gid mappings`);
  return map;
}

/** Returns the texts that the kernel takes. */
export function idMapTexts(map: IdMap): IdMaps {
  const text = (ranges: readonly IdRange[]): string =>
    ranges.map((r) => `${r.inside} ${r.outside} ${r.size}\n`).join("");
  return { uids: text(map.uids), gids: text(map.gids) };
}

/** Returns the map that undoes `map`: what is outside becomes inside. */
export function invertIdMap(map: IdMap): IdMap {
  const invert = (ranges: readonly IdRange[]): IdRange[] =>
    ranges.map(({ inside, outside, size }) => ({ inside: outside, outside: inside, size }));
  return { uids: invert(map.uids), gids: invert(map.gids) };
}

/** Returns the id outside, undefined where it is not mapped. */
export function outsideId(ranges: readonly IdRange[], id: number): number | undefined {
  const range = ranges.find((r) => id >= r.inside && id < r.inside + r.size);
  return range === undefined ? undefined : range.outside + (id - range.inside);
}

/** Returns who is root of the namespace, as seen outside. Throws Fault invalidParameter when nobody is. */
export function outsideRoot(map: IdMap): Owner {
  const uid = outsideId(map.uids, 0);
  const gid = outsideId(map.gids, 0);
  if (uid === undefined || gid === undefined)
    throw invalid("user namespace: the ids of root (0) have to be mapped");
  return { uid, gid };
}

/** Parses the content of /proc/PID/uid_map or gid_map. */
export function parseIdMap(text: string): IdRange[] {
  return text
    .split("\n")
    .filter((line) => line.trim() !== "")
    .map((line) => {
      const [inside = -1, outside = -1, size = 0] = line.trim().split(/\s+/).map(Number);
      return { inside, outside, size };
    });
}

/** Reads the map of the user namespace that the process `pid` is in. Fails with notFound. */
export function loadIdMap(pid: number | "self"): IdMap {
  try {
    const read = (name: string): IdRange[] => parseIdMap(readFileSync(`/proc/${pid}/${name}`, "latin1"));
    return { uids: read("uid_map"), gids: read("gid_map") };
  } catch (error) {
    throw new Fault("notFound", `cannot read the id maps of process ${pid}: ${messageOf(error)}`, {
      code: "userns.no-process",
      cause: error,
    });
  }
}

/** Whether this process is in another user namespace than the machine's first one: ids are missing, or not their own. */
export function isMapped(map: IdMap): boolean {
  const isWhole = (ranges: readonly IdRange[]): boolean =>
    ranges.length === 1 &&
    ranges[0]?.inside === 0 &&
    ranges[0].outside === 0 &&
    ranges[0].size === END_OF_IDS;
  return !isWhole(map.uids) || !isWhole(map.gids);
}

function invalid(message: string): Fault {
  return new Fault("invalidParameter", message, { code: "userns.invalid-map" });
}
