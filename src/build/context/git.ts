// Fetches a git repository with git(1), as Docker does, and takes the working tree into a ContextTree. git runs with no
// configuration but our own, without prompts, and only over https, http, ssh and git: a repository must not be able to
// name a file of this host. A working tree is read without following its symlinks.

import { execFile } from "node:child_process";
import { lstatSync, type Stats } from "node:fs";
import { mkdir, open, readdir, readlink, rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { Fault } from "../../lib/errors.ts";
import type { FileNode } from "../files/source-tree.ts";
import type { BlobStore } from "./blobs.ts";
import { ContextTree } from "./context-tree.ts";
import type { GitRef } from "./git-ref.ts";
import { table } from "../../lib/table.ts";

const run = promisify(execFile);
const MAX_OUTPUT_BYTES = 1 << 20;
const READ_BYTES = 1 << 20;

export interface GitOptions {
  /** Where the working tree goes; it is made and removed. */
  readonly directory: string;
  readonly keepsGitDir: boolean;
  readonly blobs: BlobStore;
  readonly signal: AbortSignal;
}

const ENVIRONMENT: Readonly<Record<string, string>> = table({
  PATH: process.env["PATH"] ?? "/usr/bin:/bin",
  HOME: "/nonexistent",
  GIT_CONFIG_NOSYSTEM: "1",
  GIT_CONFIG_GLOBAL: "/dev/null",
  GIT_TERMINAL_PROMPT: "0",
  GIT_ASKPASS: "/bin/true",
  GIT_SSH_COMMAND: "ssh -F /dev/null -o BatchMode=yes -o StrictHostKeyChecking=accept-new",
  GIT_ALLOW_PROTOCOL: "https:http:ssh:git",
  LC_ALL: "C",
});

async function git(args: readonly string[], cwd: string, signal: AbortSignal): Promise<string> {
  try {
    const { stdout } = await run("git", [...args], {
      cwd,
      signal,
      env: ENVIRONMENT,
      maxBuffer: MAX_OUTPUT_BYTES,
    });
    return stdout.trim();
  } catch (cause) {
    signal.throwIfAborted();
    const { stderr = "", message } = cause as { stderr?: string; message: string };
    const isMissing = (cause as NodeJS.ErrnoException).code === "ENOENT";
    const why = isMissing ? "git is not installed on the daemon's host" : stderr.trim() || message;
    throw new Fault("invalidParameter", `git ${args[0]}: ${why}`, { code: "build.git", cause });
  }
}

/** Brings the wanted commit into the repository at `cwd` and returns its name. */
async function fetchCommit(ref: GitRef, cwd: string, signal: AbortSignal): Promise<string> {
  const wanted = ref.ref || (ref.checksum.length === 40 ? ref.checksum : "HEAD");
  try {
    await git(["fetch", "--quiet", "--depth", "1", "--no-tags", "origin", wanted], cwd, signal);
    return await git(["rev-parse", "FETCH_HEAD^{commit}"], cwd, signal);
  } catch (error) {
    if (!(error instanceof Fault) || wanted === "HEAD") throw error;
    // A server may not give a commit by its name, and a short name means nothing to it.
    await git(["fetch", "--quiet", "--tags", "origin", "+refs/heads/*:refs/remotes/origin/*"], cwd, signal);
    for (const name of [wanted, `origin/${wanted}`]) {
      const found = await git(["rev-parse", "--verify", "--quiet", `${name}^{commit}`], cwd, signal).catch(
        () => "", // ignored: the next name is tried
      );
      if (found !== "") return found;
    }
    throw error;
  }
}

async function checkOut(ref: GitRef, options: GitOptions): Promise<void> {
  const { directory, signal } = options;
  await mkdir(directory, { mode: 0o700 });
  await git(["init", "--quiet", "."], directory, signal);
  await git(["remote", "add", "origin", "--", ref.remote], directory, signal);
  const commit = await fetchCommit(ref, directory, signal);
  if (!commit.startsWith(ref.checksum))
    throw new Fault("invalidParameter", `expected checksum to match ${ref.checksum}, got ${commit}`, {
      code: "build.git",
    });
  await git(["checkout", "--quiet", "--detach", commit], directory, signal);
  if (ref.hasSubmodules)
    await git(["submodule", "update", "--quiet", "--init", "--recursive", "--depth=1"], directory, signal);
}

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

/** Fetches a repository, or a directory of it. Throws Fault `build.git`. */
export async function fetchGit(ref: GitRef, options: GitOptions): Promise<ContextTree> {
  try {
    await checkOut(ref, options);
    const tree = new ContextTree(options.blobs);
    await load(options.directory, "", tree, options);
    await options.blobs.settle();
    return ref.subdir === "" ? tree : await tree.below(ref.subdir);
  } finally {
    await rm(options.directory, { recursive: true, force: true });
  }
}
