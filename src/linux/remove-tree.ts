// `rm -rf` for a directory from which others may remove things at the same time: the runtime's own takes an entry that vanishes under it for the end of
// its work, says that all is well, and leaves the rest.
import { lstatSync } from "node:fs";
import { rm } from "node:fs/promises";

/** Removes `path` and all that is below it, if it is there. */
export async function removeTree(path: string): Promise<void> {
  for (;;) {
    try {
      await rm(path, { recursive: true });
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      // Each round has removed something, or somebody else has.
      if (lstatSync(path, { throwIfNoEntry: false }) === undefined) return;
    }
  }
}
