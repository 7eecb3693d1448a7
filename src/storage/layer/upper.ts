// The writable directories of containers: <data root>/containers/<id>/{upper,work}. The rest of a container's
// directory belongs to its owner.

import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { Fault } from "../../lib/errors.ts";
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

export async function makeUpper(dirs: UpperDirs): Promise<void> {
  await mkdir(dirs.upper, { recursive: true, mode: 0o755 });
  await mkdir(dirs.work, { recursive: true, mode: 0o700 });
}

/** Removes both; missing ones are fine. */
export async function dropUpper(dirs: UpperDirs, trash: Trash): Promise<void> {
  await trash.throwAway(dirs.upper);
  await trash.throwAway(dirs.work);
}
