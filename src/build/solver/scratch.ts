// Removes a build's private directory. Its names are all ours (context/blobs.ts), so no path in it leads elsewhere.

import { rm } from "node:fs/promises";

/** Removes the directory; missing is fine. */
export async function removeScratch(directory: string): Promise<void> {
  await rm(directory, { recursive: true, force: true });
}
