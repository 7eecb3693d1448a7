// Carries files from a source tree into a draft's root: where each one goes, whom it belongs to, and the file operations
// that make it so. Destination paths are resolved inside the root here (to know what is there) and again by
// descriptor in keel, which is what keeps a hostile symlink harmless.

import { Fault } from "../../lib/errors.ts";
import type { IgnorePatterns, ParentMatch } from "../../lib/patternmatch/ignore-patterns.ts";
import type { FsSession } from "../../linux/keel.ts";
import { type FileMeta, fs, type Op } from "../../linux/ops.ts";
import { kernelPath, linkReader, statInSession } from "./layer-tree.ts";
import type { ModeChange } from "./mode.ts";
import type { Owner } from "./owner.ts";
import { resolveInTree } from "./resolve.ts";
import type { Selected } from "./select.ts";
import type { FileNode, SourceTree, WalkedFile } from "./source-tree.ts";

/** Operations are sent in groups of about this many bytes. */
const BATCH_BYTES = 1 << 20;

/** What happens to the metadata on the way. */
export interface CopyRules {
  /** Undefined keeps the source's owner. */
  readonly owner: Owner | undefined;
  /** Undefined keeps the source's mode. */
  readonly mode: ModeChange | undefined;
  readonly excludes: IgnorePatterns | undefined;
  /** compat: with BuildKit a destination gets the time of the directory that is copied into it. */
  readonly keepsTimes: boolean;
  /** compat: with BuildKit directories that are made on the way have the mode of an octal `--chmod`; undefined is 0755. */
  readonly directoryMode: number | undefined;
  /** Do not follow symlinks on the way to the destination: directories replace them (`--link`). */
  readonly isLink: boolean;
}

const joinPath = (directory: string, name: string): string =>
  name === "" ? directory : directory === "/" ? `/${name}` : `${directory}/${name}`;

/** Returns a file's mode and owner after the rules. */
export function metaAfter(file: WalkedFile, rules: CopyRules): { mode: number; uid: number; gid: number } {
  const { mode, type } = file.node;
  return {
    mode: rules.mode === undefined || type === "symlink" ? mode : rules.mode(mode, type === "directory"),
    uid: rules.owner?.uid ?? file.node.uid,
    gid: rules.owner?.gid ?? file.node.gid,
  };
}

/** Leaves out what `--exclude` names, with everything below it. */
export async function* withoutExcluded(
  files: AsyncIterable<WalkedFile>,
  excludes: IgnorePatterns | undefined,
): AsyncIterable<WalkedFile> {
  const known = new Map<string, ParentMatch>();
  for await (const file of files) {
    if (excludes !== undefined && file.path !== "") {
      const slash = file.path.lastIndexOf("/");
      const parent = slash < 0 ? undefined : known.get(file.path.slice(0, slash));
      const { isMatch, forChildren } = excludes.match(file.path, parent);
      if (file.node.type === "directory") known.set(file.path, forChildren);
      if (isMatch) continue;
    }
    yield file;
  }
}

/** Collects operations and hands them to the session in groups. */
export class OpBatch {
  private readonly session: FsSession;
  private ops: Op[] = [];
  private bytes = 0;

  constructor(session: FsSession) {
    this.session = session;
  }

  async add(op: Op, sizeBytes = 256): Promise<void> {
    this.ops.push(op);
    this.bytes += sizeBytes;
    if (this.bytes < BATCH_BYTES) return;
    const ops = this.ops;
    this.ops = [];
    this.bytes = 0;
    await this.session.send(ops);
  }

  /** Waits until everything is done; throws the first failure. */
  async finish(): Promise<void> {
    const ops = this.ops;
    this.ops = [];
    this.bytes = 0;
    await this.session.sync(ops);
  }
}

interface DirectoryModes {
  readonly all?: number | undefined;
  readonly last?: number | undefined;
  /** compat: with `--link` those that are there are as if they were new, too. */
  readonly isLink?: boolean;
}

/** Writes files below one directory of a draft. */
export class TreeWriter {
  private readonly session: FsSession;
  private readonly batch: OpBatch;
  /** Directories that this writer made: nothing can be in the way there. */
  private readonly fresh = new Set<string>();
  /** First name of each file that has several. */
  private readonly firstNames = new Map<string, string>();
  /** Directories that get their metadata when everything is in them: what is put into one changes its time. */
  private readonly unfinished: { readonly path: string; readonly meta: FileMeta }[] = [];

  constructor(session: FsSession) {
    this.session = session;
    this.batch = new OpBatch(session);
  }

  /** Makes a directory and its parents where missing; all belong to `owner` and have `modes.all`, but for the last one's `modes.last`. */
  async makeDirectories(path: string, owner: Owner, modes: DirectoryModes = {}): Promise<void> {
    await this.batch.finish();
    const { all = 0o755, last = all, isLink = false } = modes;
    const missing: string[] = [];
    for (let at = path; at !== "/" && at !== ""; at = at.slice(0, at.lastIndexOf("/"))) {
      const node = await statInSession(this.session, at);
      if (node?.type === "directory" && !isLink) break;
      if (node?.type === "directory") {
        await this.batch.add(
          fs.meta(kernelPath(at), { mode: at === path ? last : all, ...owner, ...timeNow() }),
        );
        continue;
      }
      if (node !== undefined) throw inTheWay(at);
      missing.push(at);
    }
    const now = timeNow();
    for (const directory of missing.reverse()) {
      const bits = directory === path ? last : all;
      await this.batch.add(fs.mkdir(kernelPath(directory), { mode: bits, ...owner, ...now }));
      this.fresh.add(directory);
    }
  }

  /** Gives a directory the time of `node` when everything is in it. */
  async keepTime(path: string, { mtimeSec, mtimeNsec }: FileNode): Promise<void> {
    const there = await this.look(path);
    if (there === undefined) return;
    const { mode, uid, gid } = there;
    this.unfinished.push({ path, meta: { mode, uid, gid, mtimeSec, mtimeNsec } });
  }

  /** Sets a file's metadata, nothing else. */
  async setMeta(path: string, meta: FileMeta): Promise<void> {
    await this.batch.add(fs.meta(kernelPath(path), meta));
    await this.batch.finish();
  }

  private isFresh(path: string): boolean {
    return this.fresh.has(path.slice(0, path.lastIndexOf("/")));
  }

  /** Writes one file at a resolved path. */
  async write(file: WalkedFile, path: string, as: { mode: number; uid: number; gid: number }): Promise<void> {
    const { node } = file;
    const target = kernelPath(path);
    const meta: FileMeta = { ...as, mtimeSec: node.mtimeSec, mtimeNsec: node.mtimeNsec };
    if (node.type === "directory") {
      const there = this.isFresh(path) ? undefined : await this.look(path);
      if (there?.type !== "directory") this.fresh.add(path);
      await this.batch.add(fs.mkdir(target, meta));
      this.unfinished.push({ path, meta });
      await this.writeXattrs(file, path);
      return;
    }
    if (!this.isFresh(path) && (await this.look(path))?.type === "directory") {
      throw new Fault("invalidParameter", `cannot overwrite directory with non-directory: "${path}"`, {
        code: "build.copy",
      });
    }
    const first = file.inode === undefined ? undefined : this.firstNames.get(file.inode);
    if (first !== undefined) {
      await this.batch.add(fs.link(target, kernelPath(first)));
      return;
    }
    if (file.inode !== undefined) this.firstNames.set(file.inode, path);
    if (node.type === "symlink") await this.batch.add(fs.symlink(target, kernelPath(node.linkTarget), meta));
    else if (node.type === "file") await this.writeContent(file, path, meta);
    else if (file.device !== undefined) {
      const { modeBits, major, minor } = file.device;
      await this.batch.add(fs.node(target, { ...meta, mode: meta.mode | modeBits }, major, minor));
    }
    await this.writeXattrs(file, path);
  }

  private async look(path: string) {
    await this.batch.finish();
    return statInSession(this.session, path);
  }

  private async writeContent(file: WalkedFile, path: string, meta: FileMeta): Promise<void> {
    const target = kernelPath(path);
    if (file.hostFile !== undefined) {
      const { directory, name } = file.hostFile;
      const { uid, gid, mode } = meta;
      await this.batch.add(fs.copy(directory, name, target, { uid, gid, mode }));
      await this.batch.add(fs.meta(target, meta));
      return;
    }
    await this.batch.add(fs.file(target, meta, file.node.sizeBytes));
    for await (const chunk of file.content()) await this.batch.add(fs.data(chunk), chunk.length);
  }

  private async writeXattrs(file: WalkedFile, path: string): Promise<void> {
    for (const [name, value] of file.xattrs)
      await this.batch.add(fs.xattr(kernelPath(path), name, value), value.length + 256);
  }

  async finish(): Promise<void> {
    // The innermost first.
    for (const { path, meta } of this.unfinished.splice(0).reverse())
      await this.batch.add(fs.meta(kernelPath(path), meta));
    return this.batch.finish();
  }
}

function inTheWay(path: string): Fault {
  return new Fault("invalidParameter", `cannot copy to non-directory: "${path}"`, { code: "build.copy" });
}

function timeNow(): { mtimeSec: number; mtimeNsec: number } {
  const ms = Date.now();
  return { mtimeSec: Math.floor(ms / 1000), mtimeNsec: (ms % 1000) * 1e6 };
}

/** Returns where a destination path leads in the draft's root, and what is there. */
export async function resolveDestination(
  session: FsSession,
  destination: string,
  rules: Pick<CopyRules, "isLink">,
) {
  const path = destination.replace(/\/+$/, "") || "/";
  if (rules.isLink) await removeLinks(session, path);
  return resolveInTree(linkReader(session), path);
}

/** Removes the first symlink on the way, so that a directory of that name can be made. */
async function removeLinks(session: FsSession, path: string): Promise<void> {
  for (let end = path.indexOf("/", 1); ; end = path.indexOf("/", end + 1)) {
    const part = end < 0 ? path : path.slice(0, end);
    const node = part === "/" ? undefined : await statInSession(session, part);
    if (node?.type === "symlink") await session.sync([fs.remove(kernelPath(part))]);
    if (node?.type !== "directory" || end < 0) return;
  }
}

/** Copies one selected file or directory to `destination` (absolute; a trailing slash names a directory). */
export async function copySelected(
  session: FsSession,
  source: SourceTree,
  item: Selected,
  destination: string,
  rules: CopyRules,
): Promise<void> {
  const writer = new TreeWriter(session);
  const owner = rules.owner ?? { uid: 0, gid: 0 };
  const target = await resolveDestination(session, destination, rules);
  const walk = () => withoutExcluded(source.walk(item.path), rules.excludes);
  if (item.node.type === "directory") {
    if (target.exists && !target.isDirectory) throw inTheWay(target.path);
    // compat: a new destination is 0755, whatever the source directory's mode (classic builder).
    const modes = { all: rules.directoryMode, last: rules.mode?.(0o755, true), isLink: rules.isLink };
    if (!target.exists || rules.isLink) await writer.makeDirectories(target.path, owner, modes);
    if (rules.keepsTimes) await writer.keepTime(target.path, item.node);
    for await (const file of walk()) {
      if (file.path !== "")
        await writer.write(file, joinPath(target.path, file.path), metaAfter(file, rules));
    }
    return writer.finish();
  }
  let path = target.path;
  if (destination.endsWith("/") || target.isDirectory) {
    await writer.makeDirectories(target.path, owner, { all: rules.directoryMode, isLink: rules.isLink });
    path = (await resolveDestination(session, joinPath(target.path, item.name), rules)).path;
  } else {
    const parent = path.slice(0, path.lastIndexOf("/"));
    await writer.makeDirectories(parent, owner, { all: rules.directoryMode, isLink: rules.isLink });
  }
  for await (const file of walk()) await writer.write(file, path, metaAfter(file, rules));
  return writer.finish();
}
