// The mounts of a RUN step at work: what of them decides about the result (its key), and what is mounted while the step
// runs. Secrets and agents decide by their names alone; their contents are asked for when the command starts, and are
// gone when it ends.

import { Fault } from "../../lib/errors.ts";
import type { FsSession } from "../../linux/keel.ts";
import type { RootSource } from "../../linux/ops.ts";
import type { LayerId } from "../../storage/layer/types.ts";
import { keyOf } from "../cache/key.ts";
import { copySelected, type CopyRules, TreeWriter } from "../files/copy.ts";
import { linkReader } from "../files/layer-tree.ts";
import { resolveInTree } from "../files/resolve.ts";
import { type SourceTree, TreeDigester } from "../files/source-tree.ts";
import type { FileSource, MountOp } from "../graph/vertex.ts";
import type { BuildClient, BuildPorts, CacheMount, LayerDraft, StepMount } from "./ports.ts";

/** A tree to be mounted or copied from. */
export interface OpenedSource {
  readonly tree: SourceTree;
  /** Top layer where the tree is a root; undefined for contexts and for what is empty. */
  readonly top: LayerId | undefined;
  /** Content identity of the whole, undefined where only the files tell. */
  readonly identity: string | undefined;
}

export interface MountOptions {
  readonly ports: BuildPorts;
  readonly client: BuildClient | undefined;
  readonly open: (source: FileSource) => Promise<OpenedSource>;
  readonly signal: AbortSignal;
}

/** The mounts of one step, ready to be keyed and made. */
export interface PreparedMounts {
  /** What decides about the result. */
  readonly key: readonly unknown[];
  /** Makes them for a draft's root; everything is let go with the stack. */
  make(draft: LayerDraft, stack: AsyncDisposableStack): Promise<MadeMounts>;
}

export interface MadeMounts {
  readonly mounts: readonly StepMount[];
  /** Secrets for the environment, `name=value`. */
  readonly env: readonly string[];
  /** Says that the command succeeded: caches keep what it wrote. */
  succeed(): void;
}

const OURS = { uid: 0, gid: 0 };
type Of<K extends MountOp["kind"]> = Extract<MountOp, { kind: K }>;
/** What a mount is, wherever it is mounted. */
type Mounted = StepMount extends infer M
  ? M extends { kind: string }
    ? Omit<M, "target" | "isMissing" | "isFile">
    : never
  : never;

async function digestOf(source: OpenedSource, path: string): Promise<string> {
  const digester = new TreeDigester();
  for await (const file of source.tree.walk(path))
    await digester.add(file, { ...file.node, path: file.path });
  return digester.finish();
}

async function resolvePath(
  source: OpenedSource,
  path: string,
  what: string,
): Promise<Pick<Origin, "path" | "isFile">> {
  const resolved = await resolveInTree(async (at) => {
    const node = await source.tree.lstat(at);
    if (node === undefined) return undefined;
    const link = node.type === "symlink" ? { linkTarget: node.linkTarget } : {};
    return { isDirectory: node.type === "directory", ...link };
  }, path);
  if (resolved.exists) return { path: resolved.path, isFile: !resolved.isDirectory };
  throw new Fault("invalidParameter", `failed to compute cache key: "${path}": not found`, {
    code: "build.mount",
    detail: { mount: what },
  });
}

/** What a mount takes its files from. */
interface Origin {
  readonly source: OpenedSource;
  /** Without symlinks. */
  readonly path: string;
  readonly isFile: boolean;
  readonly digest: string;
}

class Mounts implements PreparedMounts {
  readonly key: readonly unknown[];
  private readonly ops: readonly MountOp[];
  private readonly options: MountOptions;
  /** Opened sources and resolved paths, by the mount's number. */
  private readonly sources: ReadonlyMap<MountOp, Origin>;

  constructor(ops: readonly MountOp[], options: MountOptions, sources: ReadonlyMap<MountOp, Origin>) {
    this.ops = ops;
    this.options = options;
    this.sources = sources;
    this.key = ops.map((op) => {
      const { source: _, ...plain } = { source: undefined, ...op };
      const origin =
        "origin" in plain && plain.origin !== undefined ? { path: plain.origin.path } : undefined;
      return { ...plain, origin, digest: sources.get(op)?.digest };
    });
  }

  async make(draft: LayerDraft, stack: AsyncDisposableStack): Promise<MadeMounts> {
    const caches: CacheMount[] = [];
    let isGood = false;
    stack.defer(async () => {
      for (const cache of caches) await cache.release({ isGood });
    });
    const mounted: { op: MountOp; mount: Mounted }[] = [];
    const env: string[] = [];
    for (const op of this.ops) {
      const mount = await this.makeOne(op, stack, caches, env);
      if (mount !== undefined) mounted.push({ op, mount });
    }
    return {
      mounts: await place(draft, mounted, (op) => this.isFile(op)),
      env,
      succeed: () => {
        isGood = true;
      },
    };
  }

  private isFile(op: MountOp): boolean {
    if (op.kind === "bind") return this.sources.get(op)?.isFile ?? false;
    return op.kind === "secret" || op.kind === "ssh";
  }

  private makeOne(
    op: MountOp,
    stack: AsyncDisposableStack,
    caches: CacheMount[],
    env: string[],
  ): Promise<Mounted | undefined> {
    switch (op.kind) {
      case "tmpfs":
        return Promise.resolve({ kind: "tmpfs", sizeBytes: op.sizeBytes });
      case "bind":
        return this.bind(op, stack);
      case "cache":
        return this.cache(op, caches);
      case "secret":
        return this.secret(op, env);
      case "ssh":
        return this.agent(op, env);
    }
  }

  private async bind(op: Of<"bind">, stack: AsyncDisposableStack): Promise<Mounted> {
    const { source, path } = this.sources.get(op) as Origin;
    const subpath = path.slice(1);
    const { layers } = this.options.ports;
    if (source.top !== undefined && op.isReadonly)
      return { kind: "root", root: layers.rootOf(source.top), subpath, isReadonly: true };
    // What is written goes nowhere, so it is written into a draft that nobody keeps.
    const draft = await layers.beginDiff(source.top ?? null);
    stack.defer(() => draft.discard());
    if (source.top !== undefined) {
      const root: RootSource = draft.root();
      return { kind: "root", root, subpath, isReadonly: false };
    }
    await using session = await draft.openFs();
    return { ...(await materialize(session, source, path)), path: draft.upper, isReadonly: op.isReadonly };
  }

  private async cache(op: Of<"cache">, caches: CacheMount[]): Promise<Mounted> {
    const { mode, uid, gid } = op;
    const origin = this.sources.get(op);
    const cache = await this.options.ports.cacheMounts.take({
      key: keyOf("cache-mount", [op.id, mode, uid, gid, origin?.digest]),
      name: op.id,
      sharing: op.sharing,
      signal: this.options.signal,
    });
    caches.push(cache);
    if (cache.isNew) {
      await using session = await cache.openFs();
      if (origin !== undefined) await seed(session, origin.source, origin.path);
      const now = { mtimeSec: Math.floor(Date.now() / 1000), mtimeNsec: 0 };
      const writer = new TreeWriter(session);
      await writer.setMeta("/", { mode, uid, gid, ...now });
    }
    return { kind: "directory", path: cache.path, subpath: "", isReadonly: op.isReadonly };
  }

  private async secret(op: Of<"secret">, env: string[]): Promise<Mounted | undefined> {
    const content = await this.options.client?.secret(op.id, this.options.signal);
    if (content === undefined) {
      if (!op.isRequired) return undefined;
      throw new Fault("notFound", `secret ${op.id}: not found`, { code: "build.secret" });
    }
    if (op.env !== undefined) env.push(`${op.env}=${Buffer.from(content).toString("utf8")}`);
    if (op.target === undefined) return undefined;
    return { kind: "file", content, mode: op.mode, uid: op.uid, gid: op.gid };
  }

  private async agent(op: Of<"ssh">, env: string[]): Promise<Mounted | undefined> {
    const { client } = this.options;
    if (client === undefined || !(await client.hasAgent(op.id))) {
      if (!op.isRequired) return undefined;
      throw new Fault("notFound", `unset ssh forward key ${op.id}`, { code: "build.ssh" });
    }
    if (!env.some((e) => e.startsWith("SSH_AUTH_SOCK="))) env.push(`SSH_AUTH_SOCK=${op.target}`);
    const { mode, uid, gid } = op;
    return { kind: "socket", connect: () => client.connectAgent(op.id), mode, uid, gid };
  }
}

const AS_IT_IS: CopyRules = {
  owner: undefined,
  mode: undefined,
  excludes: undefined,
  isLink: false,
  keepsTimes: false,
  directoryMode: undefined,
};

/** Writes a part of a context into an empty draft. */
async function materialize(
  session: FsSession,
  source: OpenedSource,
  path: string,
): Promise<{ kind: "directory"; subpath: string }> {
  const node = await source.tree.lstat(path);
  const name = path.split("/").at(-1) || "root";
  if (node === undefined) throw new Fault("system", `${path} is gone from its source`);
  const rules = { ...AS_IT_IS, owner: OURS };
  await copySelected(session, source.tree, { name, path, node }, `/${name}`, rules);
  return { kind: "directory", subpath: name };
}

async function seed(session: FsSession, source: OpenedSource, path: string): Promise<void> {
  const node = await source.tree.lstat(path);
  if (node?.type !== "directory") return;
  await copySelected(session, source.tree, { name: "", path, node }, "/", AS_IT_IS);
}

/** Finds out where in the root the targets are, symlinks followed, and which of them are not there. */
async function place(
  draft: LayerDraft,
  mounted: readonly { op: MountOp; mount: Mounted }[],
  isFile: (op: MountOp) => boolean,
): Promise<StepMount[]> {
  if (mounted.length === 0) return [];
  await using session = await draft.openFs();
  const placed: StepMount[] = [];
  for (const { op, mount } of mounted) {
    const { path, exists } = await resolveInTree(linkReader(session), op.target ?? "/");
    placed.push({ ...mount, target: path, isMissing: !exists, isFile: isFile(op) } as StepMount);
  }
  return placed;
}

/** Opens and digests what the mounts of a step take their files from. */
export async function prepareMounts(ops: readonly MountOp[], options: MountOptions): Promise<PreparedMounts> {
  const sources = new Map<MountOp, Origin>();
  for (const op of ops) {
    const origin = op.kind === "bind" ? op : op.kind === "cache" ? op.origin : undefined;
    if (origin === undefined) continue;
    const source = await options.open(origin.source);
    const { path, isFile } = await resolvePath(source, origin.path, op.kind);
    const digest =
      path === "/" && source.identity !== undefined ? source.identity : await digestOf(source, path);
    sources.set(op, { source, path, isFile, digest });
  }
  return new Mounts(ops, options, sources);
}
