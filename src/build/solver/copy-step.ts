// The COPY and ADD steps: selects the sources, digests them into the step's key, and, when the key is unknown, copies
// them into a draft. Sources are digested before anything is written, so that a cached step costs reading only.

import { createHash } from "node:crypto";
import { join } from "node:path";
import { Fault } from "../../lib/errors.ts";
import { newId } from "../../lib/id.ts";
import { compileIgnorePatterns, type IgnorePatterns } from "../../lib/patternmatch/ignore-patterns.ts";
import type { FsSession } from "../../linux/keel.ts";
import { keyOf } from "../cache/key.ts";
import { BASE, type StepInputs } from "../explain/inputs.ts";
import { type Contexts, openRepository } from "../context/contexts.ts";
import { type Downloaded, download, isUrl } from "../context/download.ts";
import {
  copySelected,
  type CopyRules,
  metaAfter,
  resolveDestination,
  TreeWriter,
  withoutExcluded,
} from "../files/copy.ts";
import { isGitSource } from "../../lib/git/git-ref.ts";
import { extractArchive, openArchive } from "../files/extract.ts";
import { type ModeChange, parseMode } from "../files/mode.ts";
import { resolveOwner } from "../files/owner.ts";
import { selectWithParents } from "../files/parents.ts";
import { type Selected, type SelectOptions, selectSources } from "../files/select.ts";
import { type SourceTree, TreeDigester, type WalkedFile } from "../files/source-tree.ts";
import type { CopyOp } from "../graph/vertex.ts";
import type { CacheStore, LayerSink } from "./ports.ts";

/** One thing to be copied: a selected file or directory and the tree it is in. */
interface CopyItem {
  readonly tree: SourceTree;
  readonly selected: Selected;
  /** `file:…` or `dir:…`, as the history shows it. */
  readonly digest: string;
  /** What each file is, by path, where that is known for nothing. */
  readonly files: ReadonlyMap<string, string>;
  readonly isRemote: boolean;
}

/** A COPY whose sources are known. */
export interface PreparedCopy {
  readonly op: CopyOp;
  readonly items: readonly CopyItem[];
  readonly excludes: IgnorePatterns | undefined;
  readonly createdBy: string;
}

export interface CopySources {
  /** The context, or the root that --from names. */
  readonly tree: SourceTree;
  /** Content identity of the tree, for the memo of digests; undefined for the context, whose digests are known. */
  readonly identity: string | undefined;
  readonly contexts: Contexts;
  readonly cache: CacheStore;
  readonly signal: AbortSignal;
  readonly now: () => string;
}

/** Files that are told one by one when they change. */
const MAX_KNOWN_FILES = 5000;
const CONTEXT_OWNER = { uid: 0, gid: 0 };

/** A tree of one file. */
function singleFile(file: WalkedFile): SourceTree {
  return {
    lstat: async () => file.node,
    list: async () => [],
    async *walk() {
      yield file;
    },
  };
}

function inlineFile(text: string): WalkedFile {
  const bytes = Buffer.from(text);
  return {
    path: "",
    node: {
      type: "file",
      mode: 0o644,
      uid: 0,
      gid: 0,
      sizeBytes: bytes.length,
      mtimeSec: Math.floor(Date.now() / 1000),
      mtimeNsec: 0,
      linkTarget: "",
    },
    xattrs: [],
    async *content() {
      if (bytes.length > 0) yield bytes;
    },
    contentDigest: createHash("sha256").update(bytes).digest("hex"),
  };
}

/** How something comes to be copied. */
interface Added {
  readonly isRemote: boolean;
  /** What alone of a directory is taken. */
  readonly only?: string;
}

class Preparation {
  private readonly op: CopyOp;
  private readonly sources: CopySources;
  private readonly excludes: IgnorePatterns | undefined;
  private readonly mode: ModeChange | undefined;
  private readonly items: CopyItem[] = [];

  constructor(op: CopyOp, sources: CopySources) {
    this.op = op;
    this.sources = sources;
    this.excludes = op.excludes.length === 0 ? undefined : compileIgnorePatterns(op.excludes);
    this.mode = op.chmod === "" ? undefined : parseMode(op.chmod);
  }

  async run(): Promise<PreparedCopy> {
    const { op } = this;
    for (const source of op.sources) {
      if (isGitSource(source)) await this.addRepository(source);
      else if (isUrl(source)) await this.addRemote(source);
      else if (op.keepsParents) await this.addWithParents(source);
      else await this.addLocal(source);
    }
    for (const { name, text } of op.contents) {
      const file = inlineFile(text);
      await this.add(singleFile(file), { name, path: "/", node: file.node }, { isRemote: true });
    }
    // compat: to BuildKit a wildcard that matches nothing copies nothing.
    if (this.items.length === 0 && op.dialect === "classic" && !op.keepsParents)
      throw this.failed("no source files were specified");
    if (this.items.length > 1 && !op.destination.endsWith("/")) {
      throw new Fault(
        "invalidParameter",
        `When using ${op.verb} with more than one source file, the destination must be a directory and end with a /`,
        { code: "build.copy" },
      );
    }
    return { op, items: this.items, excludes: this.excludes, createdBy: createdBy(op, this.items) };
  }

  private failed(why: string): Fault {
    return new Fault("invalidParameter", `${this.op.verb} failed: ${why}`, { code: "build.copy" });
  }

  private get selection(): SelectOptions {
    const { verb, source, dialect } = this.op;
    return { verb, dialect, isContext: typeof source === "string" };
  }

  private async addLocal(source: string): Promise<void> {
    const { tree } = this.sources;
    for (const selected of await selectSources(tree, [source], this.selection)) {
      await this.add(tree, selected, { isRemote: false });
    }
  }

  /** `--parents`: what matches, with the directories on the way to it, from the root or from behind `/./`. */
  private async addWithParents(source: string): Promise<void> {
    const { tree } = this.sources;
    const found = await selectWithParents(tree, source, this.selection);
    if (found !== undefined) await this.add(found.tree, found.selected, { isRemote: false, only: source });
  }

  private async addRepository(source: string): Promise<void> {
    const { contexts, signal } = this.sources;
    if (this.op.verb === "COPY") throw this.failed("source can't be a git ref for COPY");
    const { keepsGitDir, checksum } = this.op;
    const name = `add-${newId().slice(0, 12)}`;
    const tree = await openRepository(contexts, source, { name, keepsGitDir, checksum, signal });
    const node = await tree.lstat("/");
    if (node === undefined) throw this.failed(`${source} is empty`);
    await this.add(tree, { name: "", path: "/", node }, { isRemote: true });
  }

  private async addRemote(source: string): Promise<void> {
    if (this.op.verb === "COPY") throw this.failed("source can't be a URL for COPY");
    await this.sources.contexts.judge({ identifier: source });
    const got: Downloaded = await download(source, this.sources.contexts.blobs, this.sources.signal);
    if (this.op.checksum !== "" && this.op.checksum !== `sha256:${got.digest}`) {
      throw this.failed(`digest mismatch sha256:${got.digest}: ${this.op.checksum}`);
    }
    if (got.name === "" && this.op.destination.endsWith("/")) {
      throw this.failed(`cannot determine filename for source ${source}`);
    }
    const selected = { name: got.name || "__unnamed__", path: "/", node: got.file.node };
    await this.add(singleFile(got.file), selected, { isRemote: true });
  }

  private async add(tree: SourceTree, selected: Selected, how: Added): Promise<void> {
    const files = new Map<string, string>();
    const digest = await this.digestOf(tree, selected, { ...how, files });
    const kind = selected.node.type === "directory" ? "dir" : "file";
    this.items.push({ tree, selected, digest: `${kind}:${digest}`, files, isRemote: how.isRemote });
  }

  private async digestOf(
    tree: SourceTree,
    selected: Selected,
    how: Added & { readonly files: Map<string, string> },
  ): Promise<string> {
    const { cache, identity, now } = this.sources;
    const rules = this.digestRules(how.isRemote);
    const memoKey =
      identity === undefined || how.isRemote
        ? undefined
        : keyOf("source", [
            identity,
            selected.path,
            ...[rules.owner ?? null, this.op.chmod, this.op.excludes, how.only],
          ]);
    const known = memoKey === undefined ? undefined : (await cache.get(memoKey))?.sourceDigest;
    if (known !== undefined) return known;
    const digester = new TreeDigester();
    for await (const file of withoutExcluded(tree.walk(selected.path), this.excludes)) {
      const meta = metaAfter(file, rules);
      await digester.add(file, { path: file.path, ...meta });
      const { node, contentDigest = "" } = file;
      const isKnown = contentDigest !== "" || node.type === "symlink" || node.sizeBytes === 0;
      if (isKnown && node.type !== "directory" && how.files.size < MAX_KNOWN_FILES)
        how.files.set(file.path, `${node.type} ${meta.mode} ${contentDigest} ${node.linkTarget}`);
    }
    const digest = digester.finish();
    if (memoKey !== undefined) {
      await cache.put(memoKey, { version: 1, createdAt: now(), sourceDigest: digest });
    }
    return digest;
  }

  /** Owners as far as they are known without the destination's root: names of --chown are part of the key instead. */
  private digestRules(isRemote: boolean): CopyRules {
    const keepsOwner = typeof this.op.source === "number" && this.op.chown === "" && !isRemote;
    return {
      owner: keepsOwner ? undefined : CONTEXT_OWNER,
      mode: this.mode,
      excludes: this.excludes,
      isLink: this.op.isLink,
      keepsTimes: false,
      directoryMode: undefined,
    };
  }
}

/** compat: what BuildKit says of a copy: its words, without the flags that only tell how. */
function buildkitCreatedBy(op: CopyOp): string {
  const flags = [
    ...(op.keepsParents ? ["--parents"] : []),
    ...(op.chown === "" ? [] : [`--chown=${op.chown}`]),
    ...(op.chmod === "" ? [] : [`--chmod=${op.chmod}`]),
  ];
  const sources = [...op.sources, ...op.contents.map((c) => `<<${c.name}`)];
  return [op.verb, ...flags, ...sources, op.shownDestination, "# buildkit"].join(" ");
}

function createdBy(op: CopyOp, items: readonly CopyItem[]): string {
  if (op.dialect === "buildkit") return buildkitCreatedBy(op);
  const [only, ...more] = items.map((i) => i.digest);
  const hash =
    more.length === 0
      ? only
      : `multi:${createHash("sha256")
          .update([only, ...more].join(","))
          .digest("hex")}`;
  const chown = op.chown === "" ? "" : `--chown=${op.chown} `;
  return [...op.shell, `#(nop) ${op.verb} ${chown}${hash} in ${op.shownDestination} `].join(" ");
}

/** Returns what decides about a copy, piece by piece. */
export function inputsOfCopy({ op, items }: PreparedCopy, parentChain: string): StepInputs {
  const { destination, chown, chmod, isLink, unpacksLocal, unpacksRemote, keepsParents, excludes } = op;
  const how = [destination, chown, chmod, isLink, unpacksLocal, unpacksRemote, keepsParents, excludes];
  const sources = items.flatMap(({ selected, digest, files }, index): [string, string][] => {
    const name = op.sources[index] ?? selected.name;
    const inside = [...files].map(([path, what]): [string, string] => [
      `file ${path === "" ? name : join(name, path)}`,
      what,
    ]);
    return [[`source ${name}`, digest], ...inside];
  });
  return Object.fromEntries([
    [BASE, parentChain],
    [`how ${op.verb} is to copy`, JSON.stringify(how)],
    ...sources,
  ]) as StepInputs;
}

/** Finds and digests the sources. Throws Fault `build.copy` with Docker's texts. */
export function prepareCopy(op: CopyOp, sources: CopySources): Promise<PreparedCopy> {
  return new Preparation(op, sources).run();
}

/** Returns the key of a prepared copy on top of a root. */
export function keyOfCopy(copy: PreparedCopy, parentChain: string): string {
  const { op, items } = copy;
  return keyOf("copy", [
    parentChain,
    op.destination,
    items.map((i) => [i.selected.name, i.digest, i.isRemote]),
    op.chown,
    op.isLink,
    op.unpacksLocal,
    op.unpacksRemote,
    op.keepsParents,
  ]);
}

/** What an archive may be. */
export type ArchiveRules = Pick<LayerSink, "maxArchiveBytes">;

async function unpackItem(
  item: CopyItem,
  session: FsSession,
  destination: string,
  rules: CopyRules & ArchiveRules,
): Promise<boolean> {
  for await (const file of item.tree.walk(item.selected.path)) {
    const archive = await openArchive(file.content(), { maxContentBytes: rules.maxArchiveBytes });
    if (archive === undefined) return false;
    const target = await resolveDestination(session, destination, rules);
    const directories = new TreeWriter(session);
    await directories.makeDirectories(target.path, rules.owner ?? CONTEXT_OWNER);
    await directories.finish();
    await extractArchive(archive, session, target.path, rules.owner);
    return true;
  }
  return false;
}

/** Copies prepared sources into a draft's root. */
export async function executeCopy(
  copy: PreparedCopy,
  session: FsSession,
  { maxArchiveBytes }: ArchiveRules,
): Promise<void> {
  const { op, items, excludes } = copy;
  const chown = op.chown === "" ? undefined : await resolveOwner(session, op.chown, op.dialect);
  const mode = op.chmod === "" ? undefined : parseMode(op.chmod);
  for (const item of items) {
    const keepsOwner = typeof op.source === "number" && !item.isRemote;
    const owner = chown ?? (keepsOwner ? undefined : CONTEXT_OWNER);
    const isBuildKit = op.dialect === "buildkit";
    const directoryMode =
      isBuildKit && /^[0-7]+$/.test(op.chmod) ? Number.parseInt(op.chmod, 8) & 0o777 : undefined;
    const how = { isLink: op.isLink, keepsTimes: isBuildKit, directoryMode };
    const rules: CopyRules = { owner, mode, excludes, ...how };
    const unpacks = item.isRemote ? op.unpacksRemote : op.unpacksLocal;
    const isFile = item.selected.node.type === "file";
    const archiveRules = { ...rules, owner: chown, maxArchiveBytes };
    if (unpacks && isFile && (await unpackItem(item, session, op.destination, archiveRules))) continue;
    await copySelected(session, item.tree, item.selected, op.destination, rules);
  }
}
