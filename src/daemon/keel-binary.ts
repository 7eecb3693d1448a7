// keel travels inside the executable; the daemon unpacks it into its exec root, under a name that carries its digest, so
// that shims of an older build keep theirs.
import { createHash } from "node:crypto";
import { chmod, mkdir, readFile, rename, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import embedded from "../../build/keel" with { type: "file" };

/** Returns the path of the unpacked executable. */
export async function unpackKeel(execRoot: string): Promise<string> {
  const bytes = await readFile(embedded);
  const path = join(execRoot, `keel-${createHash("sha256").update(bytes).digest("hex").slice(0, 12)}`);
  if ((await stat(path).catch(() => null))?.size === bytes.length) return path; // ignored: missing means to be written
  await mkdir(execRoot, { recursive: true, mode: 0o700 });
  const fresh = `${path}.${process.pid}`;
  await writeFile(fresh, bytes, { mode: 0o500 });
  await chmod(fresh, 0o555);
  await rename(fresh, path);
  return path;
}
