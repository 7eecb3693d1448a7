// The directories and files that every container gets something mounted on. They lie below all layers: an image's own
// ones hide them.

import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";

/** Name of the skeleton among the layers' directories. */
export const SKELETON_DIR = ".skeleton";

const DIRECTORIES = ["dev", "proc", "sys", "etc"];
const FILES = ["etc/hostname", "etc/hosts", "etc/resolv.conf"];

/** Makes the skeleton; what is there already stays. */
export async function makeSkeleton(dir: string): Promise<void> {
  for (const name of DIRECTORIES) await mkdir(join(dir, name), { recursive: true, mode: 0o755 });
  for (const name of FILES) {
    await mkdir(dirname(join(dir, name)), { recursive: true });
    await writeFile(join(dir, name), "", { flag: "a", mode: 0o644 });
  }
}
