// The writable directories of containers: <data root>/containers/<id>/{upper,work}. The rest of a container's
// directory belongs to its owner.

import { chown } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Fault } from "../../lib/errors.ts";
import { idMapTexts, invertIdMap, outsideRoot } from "../../linux/idmap.ts";
import type { RootSource } from "../../linux/ops.ts";
import type { DiskIo } from "../disk.ts";
import type { Trash } from "../trash.ts";
import type { UpperDirs } from "./types.ts";

/** Returns where a container's directories are. Fails when the id could not be a file name. */
export function upperDirs(containersDir: string, containerId: string): UpperDirs {
  if (!/^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/.test(containerId)) {
    throw new Fault("invalidParameter", `${JSON.stringify(containerId)} is no container id`);
  }
  const dir = join(containersDir, containerId);
  return { upper: join(dir, "upper"), work: join(dir, "work") };
}

/** Makes them, and the container's directory, which nobody else may list; root of a user namespace has to pass through it. */
export async function makeUpper(dirs: UpperDirs, disk: DiskIo): Promise<void> {
  await disk.makeDir(dirname(dirs.upper), 0o711);
  await Promise.all([disk.makeDir(dirs.upper, 0o755), disk.makeDir(dirs.work)]);
  if (dirs.idMap === undefined) return;
  const { uid, gid } = outsideRoot(dirs.idMap);
  for (const dir of [dirs.upper, dirs.work]) await chown(dir, uid, gid);
}

/** Returns the directories as the container sees their owners: for whoever reads or writes them in its stead. */
export function seenInside(dirs: UpperDirs): Pick<RootSource, "idMapped"> {
  if (dirs.idMap === undefined) return {};
  return { idMapped: [{ path: dirname(dirs.upper), maps: idMapTexts(invertIdMap(dirs.idMap)) }] };
}

/** Removes both; missing ones are fine. */
export async function dropUpper(dirs: UpperDirs, trash: Trash): Promise<void> {
  await Promise.all([trash.throwAway(dirs.upper), trash.throwAway(dirs.work)]);
}
