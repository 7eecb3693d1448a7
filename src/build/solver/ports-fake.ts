// Fakes of the builder's ports for tests: images in memory, layers as whole directories below a temporary one, steps as
// JavaScript functions. File sessions are played with node:fs, paths resolved inside the root by resolveInTree.
// They keep the ports' promises (sharing, emptiness, disposal), not their speed or safety.

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  chownSync,
  cpSync,
  lchownSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Fault, SysError } from "../../lib/errors.ts";
import type { CdiDevice } from "../../runtime/cdi/load.ts";
import type { StepInputs } from "../explain/inputs.ts";
import { StepFlights } from "./flights.ts";
import type { ExportEntry, FsSession, Reply } from "../../linux/keel.ts";
import { OPCODES, type Op, type RootSource } from "../../linux/ops.ts";
import type { Digest } from "../../oci/digest.ts";
import { type ChainId, chainIdOf, imageIdOf, parseImageConfig } from "../../oci/image-config.ts";
import type { LayerId } from "../../storage/layer/types.ts";
import { resolveInTree } from "../files/resolve.ts";
import type {
  BuildPorts,
  CacheMount,
  CacheMountRequest,
  CacheRecord,
  CommittedLayer,
  LayerDraft,
  LayerSink,
  NewImage,
  ResolveRequest,
  SourceImage,
  StepRequest,
} from "./ports.ts";

const O = OPCODES;
const text = (value: unknown): string =>
  value instanceof Uint8Array ? Buffer.from(value).toString() : String(value);

/** A file session on a plain directory. */
export class DirectorySession implements FsSession {
  private readonly root: string;
  private readonly onClose: () => void;
  private kept: unknown;
  private current: { path: string; left: number; meta: readonly number[]; parts: Uint8Array[] } | undefined;
  private queue: Promise<unknown> = Promise.resolve();

  constructor(root: string, onClose: () => void = () => undefined) {
    this.root = root;
    this.onClose = onClose;
  }

  private async host(path: unknown, options: { follow?: boolean } = {}): Promise<string> {
    const resolved = await resolveInTree(
      async (at) => {
        const st = lstatSync(join(this.root, at), { throwIfNoEntry: false });
        if (st === undefined) return undefined;
        const link = st.isSymbolicLink() ? { linkTarget: readlinkSync(join(this.root, at)) } : {};
        return { isDirectory: st.isDirectory(), ...link };
      },
      text(path),
      { keepLast: !options.follow },
    );
    return join(this.root, resolved.path);
  }

  private static apply(path: string, meta: readonly number[], isLink = false): void {
    const [mode, uid, gid, mtimeSec] = meta as [number, number, number, number];
    if (isLink) lchownSync(path, uid, gid);
    else {
      chownSync(path, uid, gid);
      chmodSync(path, mode & 0o7777);
    }
    lutimesSync(path, mtimeSec, mtimeSec);
  }

  private static clear(path: string): void {
    rmSync(path, { recursive: true, force: true });
    mkdirSync(join(path, ".."), { recursive: true });
  }

  private endFile(): void {
    const file = this.current;
    if (file === undefined || file.left > 0) return;
    writeFileSync(file.path, Buffer.concat(file.parts));
    DirectorySession.apply(file.path, file.meta);
    this.current = undefined;
  }

  private async perform(op: Op): Promise<Reply> {
    const [code, path, ...args] = op;
    const meta = args.slice(0, 5).map(Number);
    if (this.current !== undefined && code !== O.fsData)
      throw new SysError("protocol", "", 22, "less content");
    switch (code) {
      case O.fsMkdir: {
        const at = await this.host(path);
        if (!lstatSync(at, { throwIfNoEntry: false })?.isDirectory()) {
          DirectorySession.clear(at);
          mkdirSync(at);
        }
        DirectorySession.apply(at, meta);
        return 0;
      }
      case O.fsFile: {
        const at = await this.host(path);
        DirectorySession.clear(at);
        this.current = { path: at, left: Number(args[5]), meta, parts: [] };
        this.endFile();
        return 0;
      }
      case O.fsData: {
        const file = this.current;
        const bytes = path as Uint8Array;
        if (file === undefined || bytes.length > file.left)
          throw new SysError("protocol", "", 22, "more content");
        file.parts.push(Uint8Array.from(bytes));
        file.left -= bytes.length;
        this.endFile();
        return 0;
      }
      case O.fsSymlink: {
        const at = await this.host(path);
        DirectorySession.clear(at);
        symlinkSync(text(args[5]), at);
        DirectorySession.apply(at, meta, true);
        return 0;
      }
      case O.fsLink: {
        const [at, existing] = [await this.host(path), await this.host(args[0])];
        DirectorySession.clear(at);
        linkSync(existing, at);
        return 0;
      }
      case O.fsRemove:
        rmSync(await this.host(path), { recursive: true, force: true });
        return 0;
      case O.fsMeta:
        DirectorySession.apply(await this.host(path), meta);
        return 0;
      case O.fsCopy:
        return this.copy(text(path), text(args[0]), await this.host(args[1]), args.slice(2).map(Number));
      case O.fsStat:
        return this.stat(await this.host(path, { follow: args[0] === 1 }), text(path));
      case O.fsRead: {
        const at = await this.host(path, { follow: true });
        if (!lstatSync(at, { throwIfNoEntry: false })?.isFile())
          throw new SysError("read", text(path), 2, "no such file");
        return readFileSync(at).subarray(0, Number(args[0]));
      }
      case O.fsList:
        return readdirSync(await this.host(path, { follow: true }))
          .sort()
          .map((name) => Buffer.from(name));
      default:
        throw new SysError("protocol", "", 22, `operation ${code} is not played`);
    }
  }

  private copy(root: string, source: string, at: string, [uid, gid, mode]: number[]): Reply {
    const from = join(root, source);
    const st = lstatSync(from);
    DirectorySession.clear(at);
    cpSync(from, at, { preserveTimestamps: true });
    chownSync(at, uid === -1 ? st.uid : Number(uid), gid === -1 ? st.gid : Number(gid));
    chmodSync(at, mode === -1 ? st.mode & 0o7777 : Number(mode));
    return 0;
  }

  private stat(at: string, shown: string): Reply {
    const st = lstatSync(at, { throwIfNoEntry: false });
    if (st === undefined) throw new SysError("stat", shown, 2, "no such file or directory");
    const link = st.isSymbolicLink() ? readlinkSync(at) : "";
    return [
      st.mode,
      st.uid,
      st.gid,
      st.size,
      Math.floor(st.mtimeMs / 1000),
      0,
      0,
      0,
      st.nlink,
      Buffer.from(link),
    ];
  }

  send(ops: readonly Op[]): Promise<void> {
    this.queue = this.queue.then(async () => {
      try {
        if (this.kept === undefined) for (const op of ops) await this.perform(op);
      } catch (error) {
        this.kept = error;
      }
    });
    return Promise.resolve();
  }

  async sync(ops: readonly Op[] = []): Promise<Reply[]> {
    const mine = this.queue.then(async () => {
      const { kept } = this;
      this.kept = undefined;
      if (kept !== undefined) throw kept;
      const replies: Reply[] = [];
      for (const op of ops) replies.push(await this.perform(op));
      return replies;
    });
    this.queue = mine.catch(() => undefined);
    return mine;
  }

  async *export(path: string): AsyncIterable<ExportEntry> {
    await this.queue;
    const top = await this.host(path);
    if (lstatSync(top).isDirectory()) yield* this.exportBelow(top, "");
    else yield this.entry(top, ".");
  }

  private *exportBelow(directory: string, prefix: string): Generator<ExportEntry> {
    for (const name of readdirSync(directory).sort()) {
      const at = join(directory, name);
      const path = prefix === "" ? name : `${prefix}/${name}`;
      yield this.entry(at, path);
      if (lstatSync(at).isDirectory()) yield* this.exportBelow(at, path);
    }
  }

  private entry(at: string, path: string): ExportEntry {
    const st = lstatSync(at);
    return {
      path,
      rawPath: Buffer.from(path),
      mode: st.mode,
      uid: st.uid,
      gid: st.gid,
      sizeBytes: st.size,
      mtimeSec: Math.floor(st.mtimeMs / 1000),
      mtimeNsec: 0,
      major: 0,
      minor: 0,
      dev: st.dev,
      ino: st.ino,
      nlink: st.nlink,
      linkTarget: Buffer.from(st.isSymbolicLink() ? readlinkSync(at) : ""),
      xattrs: [],
      async *content() {
        if (st.isFile() && st.size > 0) yield readFileSync(at);
      },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.queue;
    this.onClose();
  }
}

/** Returns a digest of everything in a directory but times. */
function digestDirectory(directory: string): string {
  const hash = createHash("sha256");
  const visit = (at: string, path: string): void => {
    const st = lstatSync(at);
    hash.update(`${path}\0${st.mode}\0${st.uid}\0${st.gid}\0`);
    if (st.isFile()) hash.update(readFileSync(at));
    if (st.isSymbolicLink()) hash.update(readlinkSync(at));
    if (st.isDirectory()) for (const name of readdirSync(at).sort()) visit(join(at, name), `${path}/${name}`);
  };
  visit(directory, "");
  return hash.digest("hex");
}

/** Layers as whole root directories. */
export class FakeLayers implements LayerSink {
  readonly directory = mkdtempSync(join(tmpdir(), "berth-fake-layers-"));
  readonly maxArchiveBytes = Number.POSITIVE_INFINITY;
  private count = 0;
  private readonly byChain = new Map<ChainId, LayerId>();
  private readonly chains = new Map<LayerId, ChainId>();
  /** Drafts and sessions that are not disposed of; 0 after every build. */
  openDrafts = 0;
  openSessions = 0;

  /** Where a layer's root is, for assertions. */
  pathOf(id: LayerId): string {
    return join(this.directory, id);
  }

  rootOf(id: LayerId): RootSource {
    return { kind: "dir", path: this.pathOf(id) };
  }

  private session(root: string): FsSession {
    this.openSessions++;
    return new DirectorySession(root, () => this.openSessions--);
  }

  /** Makes a layer from files, for base images. */
  make(files: Readonly<Record<string, string>>): LayerId {
    const id = `L${this.count++}` as LayerId;
    mkdirSync(this.pathOf(id));
    for (const [path, content] of Object.entries(files)) {
      const at = join(this.pathOf(id), path);
      mkdirSync(join(at, ".."), { recursive: true });
      if (content.startsWith("->")) symlinkSync(content.slice(2), at);
      else writeFileSync(at, content);
    }
    return id;
  }

  /** Notes the content identity of a layer. */
  know(id: LayerId, chainId: ChainId): void {
    this.chains.set(id, chainId);
    this.byChain.set(chainId, id);
  }

  async beginDiff(parent: LayerId | null): Promise<LayerDraft> {
    const id = `L${this.count++}` as LayerId;
    const root = this.pathOf(id);
    mkdirSync(root);
    // cpSync keeps no owners.
    if (parent !== null) execFileSync("cp", ["-a", "--", `${this.pathOf(parent)}/.`, root]);
    const before = digestDirectory(root);
    this.openDrafts++;
    let isOpen = true;
    const end = (): void => {
      if (isOpen) this.openDrafts--;
      isOpen = false;
    };
    return {
      root: (): RootSource => ({ kind: "dir", path: root }),
      upper: root,
      openFs: async () => this.session(root),
      openUpper: async () => this.session(root),
      commit: async (): Promise<CommittedLayer> => {
        end();
        const digest = digestDirectory(root);
        const diffId = `sha256:${createHash("sha256").update(`${before}${digest}`).digest("hex")}` as Digest;
        const chainId = chainIdOf(parent === null ? null : (this.chains.get(parent) ?? null), diffId);
        this.know(id, chainId);
        return { id, diffId, chainId, sizeBytes: 0, isEmpty: before === digest };
      },
      discard: async () => {
        if (isOpen) rmSync(root, { recursive: true, force: true });
        end();
      },
    };
  }

  async openView(top: LayerId): Promise<FsSession> {
    return this.session(this.pathOf(top));
  }

  async unpack(): Promise<LayerId> {
    throw new Fault("notImplemented", "layers are no archives here");
  }

  async find(chainId: ChainId): Promise<LayerId | undefined> {
    const id = this.byChain.get(chainId);
    if (id === undefined) return undefined;
    return lstatSync(this.pathOf(id), { throwIfNoEntry: false }) === undefined ? undefined : id;
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** What a fake step does: gets the root as a directory and the request, returns the exit code. */
export type FakeStep = (root: string, request: StepRequest) => number | Promise<number>;

/** All ports of a build, in memory and below a temporary directory. */
export class FakePorts implements BuildPorts {
  readonly layers = new FakeLayers();
  readonly cacheRecords = new Map<string, CacheRecord>();
  /** Images by reference. */
  readonly known = new Map<string, SourceImage>();
  readonly created: NewImage[] = [];
  readonly requests: StepRequest[] = [];
  readonly resolved: ResolveRequest[] = [];
  readonly scratches: string[] = [];
  step: FakeStep = () => 0;
  private clock = 0;

  /** CDI devices of the host, by id. */
  readonly cdiDevices = new Map<string, CdiDevice>();
  readonly devices = async () => ({ devices: this.cdiDevices });

  readonly images = {
    resolve: async (request: ResolveRequest): Promise<SourceImage> => {
      this.resolved.push(request);
      const image = this.known.get(request.reference);
      if (image === undefined) {
        throw new Fault("notFound", `pull access denied for ${request.reference}, repository does not exist`);
      }
      request.onProgress({ status: `Pulling ${request.reference}` });
      return image;
    },
    findLocal: async (reference: string) => this.known.get(reference),
    create: async (image: NewImage): Promise<string> => {
      this.created.push(image);
      return imageIdOf(image.config);
    },
  };

  readonly steps = {
    run: async (request: StepRequest) => {
      this.requests.push(request);
      if (request.root.kind !== "dir") throw new Fault("system", "a fake step needs a directory");
      return { exitCode: await this.step(request.root.path, request) };
    },
  };

  readonly cache = {
    get: async (key: string) => this.cacheRecords.get(key),
    put: async (key: string, record: CacheRecord) => {
      this.cacheRecords.set(key, record);
    },
  };

  readonly flights = new StepFlights();
  readonly noted = new Map<string, StepInputs>();
  readonly history = {
    get: async (slot: string) => this.noted.get(slot),
    put: (slot: string, _key: string, inputs: StepInputs) => void this.noted.set(slot, inputs),
  };
  /** Directories of cache mounts by key, below the layers' directory. */
  readonly cacheDirs = new Map<string, string>();
  readonly cacheMounts = {
    take: async ({ key }: CacheMountRequest): Promise<CacheMount> => {
      const isNew = !this.cacheDirs.has(key);
      const path = this.cacheDirs.get(key) ?? mkdtempSync(join(this.layers.directory, "cache-"));
      this.cacheDirs.set(key, path);
      return {
        path,
        isNew,
        openFs: async () => new DirectorySession(path),
        release: async () => undefined,
      };
    },
  };

  readonly makeScratch = async (): Promise<string> => {
    const directory = await mkdtemp(join(tmpdir(), "berth-fake-scratch-"));
    this.scratches.push(directory);
    return directory;
  };

  readonly now = (): string => new Date(Date.UTC(2026, 0, 1) + this.clock++ * 1000).toISOString();

  /** Makes a base image of these files known under a name. */
  addImage(
    name: string,
    files: Readonly<Record<string, string>>,
    config: Record<string, unknown> = {},
  ): SourceImage {
    const layer = this.layers.make(files);
    const diffId = `sha256:${digestDirectory(this.layers.pathOf(layer))}`;
    const bytes = Buffer.from(
      JSON.stringify({
        architecture: "amd64",
        os: "linux",
        config,
        rootfs: { type: "layers", diff_ids: [diffId] },
        history: [{ created: "2026-01-01T00:00:00Z", created_by: "base" }],
      }),
    );
    this.layers.know(layer, diffId as ChainId);
    const image = { id: imageIdOf(bytes), config: parseImageConfig(bytes), layers: [layer], name };
    this.known.set(name, image);
    return image;
  }

  /** The root of the image that was made last, for assertions. */
  get lastRoot(): string {
    return this.layers.pathOf(this.created.at(-1)?.layers.at(-1) as LayerId);
  }
}
