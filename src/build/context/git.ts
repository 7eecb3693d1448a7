// Fetches a git repository and takes the working tree into a ContextTree. git runs with no configuration but our own. A working
// tree is read without following its symlinks.

import { lstatSync, type Stats } from "node:fs";
import { open, readdir, readlink, rm } from "node:fs/promises";
import { join } from "node:path";
import type { FileNode } from "../files/source-tree.ts";
import type { BlobStore } from "./blobs.ts";
import { ContextTree } from "./context-tree.ts";
import { checkOut, safeEnvironment } from "../../lib/git/checkout.ts";
import type { GitRef } from "../../lib/git/git-ref.ts";
import { table } from "../../lib/table.ts";

const READ_BYTES = 1 << 20;

export interface GitOptions {
  /** Where the working tree goes; it is made and removed. */
  readonly directory: string;
  readonly keepsGitDir: boolean;
  readonly blobs: BlobStore;
  readonly signal: AbortSignal;
}

/** No configuration but our own: neither root's nor the host's. */
const ENVIRONMENT: Readonly<Record<string, string>> = table({
  ...safeEnvironment,
  PATH: process.env["PATH"] ?? "/usr/bin:/bin",
  HOME: "/nonexistent",
  GIT_CONFIG_NOSYSTEM: "1",
  GIT_CONFIG_GLOBAL: "/dev/null",
  GIT_ASKPASS: "/bin/true",
  GIT_SSH_COMMAND: "ssh -F /dev/null -o BatchMode=yes -o StrictHostKeyChecking=accept-new",
});

function nodeOf(stats: Stats, linkTarget: string): FileNode | undefined {
  const type = stats.isFile()
    ? "file"
    : stats.isDirectory()
      ? "directory"
      : stats.isSymbolicLink()
        ? "symlink"
        : undefined;
  if (type === undefined) return undefined;
  const mtimeSec = Math.floor(stats.mtimeMs / 1000);
  // What git says of a file's mode is whether it can be executed.
  const mode =
    type === "file" ? ((stats.mode & 0o100) !== 0 ? 0o755 : 0o644) : type === "symlink" ? 0o777 : 0o755;
  return { type, mode, uid: 0, gid: 0, sizeBytes: stats.size, mtimeSec, mtimeNsec: 0, linkTarget };
}

/** Loads a private directory, `path` relative to `root`. */
async function load(root: string, path: string, tree: ContextTree, options: GitOptions): Promise<void> {
  options.signal.throwIfAborted();
  const names = await readdir(join(root, path));
  for (const name of names.sort()) {
    const isGitDir = name === ".git";
    if (isGitDir && !options.keepsGitDir) continue;
    const at = path === "" ? name : `${path}/${name}`;
    const stats = lstatSync(join(root, at));
    const node = nodeOf(stats, stats.isSymbolicLink() ? await readlink(join(root, at)) : "");
    if (node === undefined) continue;
    if (node.type === "file") await loadFile(join(root, at), at, node, tree);
    else await tree.put(at, node);
    if (node.type === "directory") await load(root, at, tree, options);
  }
}

async function loadFile(file: string, at: string, node: FileNode, tree: ContextTree): Promise<void> {
  if (node.sizeBytes === 0) return tree.put(at, node);
  const writer = tree.blobs.begin(node.sizeBytes);
  await using handle = await open(file, "r");
  const buffer = Buffer.allocUnsafe(READ_BYTES);
  for (;;) {
    const { bytesRead } = await handle.read(buffer, 0, buffer.length);
    if (bytesRead === 0) break;
    await writer.write(Uint8Array.from(buffer.subarray(0, bytesRead)));
  }
  const blob = writer.finish();
  await tree.put(at, { ...node, sizeBytes: blob.sizeBytes }, blob);
}

/** Fetches a repository, or a directory of it. Throws Fault `git`. */
export async function fetchGit(ref: GitRef, options: GitOptions): Promise<ContextTree> {
  try {
    await checkOut(ref, options.directory, { environment: ENVIRONMENT, signal: options.signal });
    const tree = new ContextTree(options.blobs);
    await load(options.directory, "", tree, options);
    await options.blobs.settle();
    return ref.subdir === "" ? tree : await tree.below(ref.subdir);
  } finally {
    await rm(options.directory, { recursive: true, force: true });
  }
}
