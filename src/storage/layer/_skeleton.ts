// What every container's root has even where its image lacks it: mount points, and compat: what Docker puts there, such as
// the file by which programs see that they run in a container. It lies below all layers: an image's own files hide it.

import { chmod, mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** Name of the skeleton among the layers' directories. */
export const SKELETON_DIR = ".skeleton";

const DIRECTORIES = ["dev", "dev/pts", "dev/shm", "proc", "sys", "etc"];
const FILES = [".dockerenv", "dev/console", "etc/hostname", "etc/hosts", "etc/resolv.conf"];
const MODE = 0o755;

/** Makes the skeleton, or completes it. */
export async function makeSkeleton(dir: string): Promise<void> {
  for (const name of DIRECTORIES) await mkdir(join(dir, name), { recursive: true, mode: MODE });
  for (const name of FILES) {
    await writeFile(join(dir, name), "", { flag: "a" });
    await chmod(join(dir, name), MODE);
  }
  await symlink("/proc/mounts", join(dir, "etc/mtab")).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "EEXIST") throw error;
  });
}
