// keel travels inside the executable and is unpacked before it can be started: once per build and directory, under a name that
// carries the digest of its content, so that processes of an older build keep theirs. Synchronous: a command line that starts keel
// does nothing else meanwhile.

import { chmodSync, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import embedded from "../../build/keel" with { type: "file" };

/** bun: where a compiled executable shows what it carries; the names there end in a digest of the content. */
const INSIDE = "/$bunfs/";

/** Returns the path of the unpacked program in `dir`, which is made (0700) when it is missing. From source: the built program itself. */
export function unpackKeel(dir: string): string {
  if (!embedded.startsWith(INSIDE)) return embedded;
  const path = join(dir, basename(embedded).replace(/\.$/, ""));
  const there = statSync(path, { throwIfNoEntry: false });
  if (there?.isFile() && there.uid === process.geteuid?.() && there.size > 0) return path;
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const fresh = `${path}.${process.pid}`;
  writeFileSync(fresh, readFileSync(embedded), { mode: 0o500 });
  chmodSync(fresh, 0o555);
  renameSync(fresh, path);
  return path;
}
