// What the builder needs from above and beside it. The engine fills these ports (engine/build); fakes live in
// ports-fake.ts. Nothing here names a transport, a store or a container implementation.
// Invariant: whatever a port hands out is disposable, and the solver disposes of it on every path.

import type { CdiCatalogue } from "../../runtime/cdi/load.ts";
import type { Duplex } from "node:stream";
import type { FsSession } from "../../linux/keel.ts";
import type { RootSource } from "../../linux/ops.ts";
import type { Digest } from "../../oci/digest.ts";
import type { ChainId, ImageConfig } from "../../oci/image-config.ts";
import type { Platform } from "../../oci/platform.ts";
import type { LayerId } from "../../storage/layer/types.ts";
import type { StepHistory } from "../explain/explainer.ts";
import type { StepFlights } from "./flights.ts";

/** An image that a stage starts from or copies from. */
export interface SourceImage {
  /** Image id, `sha256:…`. */
  readonly id: string;
  readonly config: ImageConfig;
  /** Layers, bottom first; as many as `config.diffIds`. */
  readonly layers: readonly LayerId[];
  /** The reference in the form to be shown, such as `debian:bookworm`. */
  readonly name: string;
  /** Digest of what the reference means in its registry; absent for what never was in one. */
  readonly registryDigest?: string;
}

export interface ResolveRequest {
  /** As written in the Dockerfile after expansion; an image id (or a prefix of one) is fine as well. */
  readonly reference: string;
  /** Absent: the host's. */
  readonly platform?: Platform;
  /** Ask the registry even when the image is here. */
  readonly pull: boolean;
  /** Returns what the user logs in with at a registry, undefined for anonymous. */
  readonly credentials: (host: string) => Promise<Readonly<Record<string, string>> | undefined>;
  /** Takes one line of Docker's pull progress, such as `{"status":"Pulling from library/alpine","id":"3.7"}`. */
  readonly onProgress: (line: Readonly<Record<string, unknown>>) => void;
  readonly signal: AbortSignal;
}

export interface NewImage {
  /** The configuration as stored (`encodeImageConfig`); its digest is the image id. */
  readonly config: Uint8Array;
  /** Bottom first, as many as the configuration has diff ids. */
  readonly layers: readonly LayerId[];
  /** Image of the step before, absent behind scratch. */
  readonly parentId?: string;
  /** A step's image that no tag will name: listed only by `docker images -a`. */
  readonly isIntermediate: boolean;
}

/** Images: looked up (and pulled when missing) and made. */
export interface ImageSource {
  /** Throws Fault notFound, unauthorized or unavailable. */
  resolve(request: ResolveRequest): Promise<SourceImage>;
  /** Finds an image that is here already; undefined when there is none of this name. */
  findLocal(reference: string): Promise<SourceImage | undefined>;
  /** Stores an image and returns its id; storing the same one twice is fine. */
  create(image: NewImage): Promise<string>;
}

/** What became of a draft: a layer that stands on the draft's parent. */
export interface CommittedLayer {
  readonly id: LayerId;
  readonly diffId: Digest;
  readonly chainId: ChainId;
  readonly sizeBytes: number;
  /** True when the draft changed nothing: the step gets no layer, and this one is not to be used. */
  readonly isEmpty: boolean;
}

/** A writable root on top of a finished layer. Commit or discard ends it; discard after commit does nothing. */
export interface LayerDraft {
  root(): RootSource;
  /** Host directory of what was written. */
  readonly upper: string;
  openFs(): Promise<FsSession>;
  /** Opens what was written alone. */
  openUpper(): Promise<FsSession>;
  /** With `keepsEmpty` a draft that changed nothing is a layer like any other. */
  commit(options?: { readonly keepsEmpty?: boolean }): Promise<CommittedLayer>;
  discard(): Promise<void>;
}

/** Layers: written, read and checked. A layer id stands for the layer and everything below it. */
export interface LayerSink {
  /** Most bytes that the files of an archive may have that goes into a layer. */
  readonly maxArchiveBytes: number;
  /** Starts a draft on top of `parent`, null for an empty root. */
  beginDiff(parent: LayerId | null): Promise<LayerDraft>;
  /** Opens a finished root for reading. */
  openView(top: LayerId): Promise<FsSession>;
  /** Returns how a finished root is mounted read-only. */
  rootOf(top: LayerId): RootSource;
  /**
   * Finds the layer that gives a root this content, undefined when there is none. It stays until the build is over: a
   * cached step's layer must not go between being found and being part of an image.
   */
  find(chainId: ChainId): Promise<LayerId | undefined>;
  /** Makes a layer of an archive that comes from elsewhere; it stays as with `find`. Throws Fault dataLoss for another one. */
  unpack(content: AsyncIterable<Uint8Array>, parent: LayerId | null, diffId: Digest): Promise<LayerId>;
}

/** A file that exists in the container only while a step runs. */
export interface StepFile {
  readonly path: string;
  readonly content: string;
  readonly mode: number;
}

/** Something that is mounted while a step runs. `target` has no symlink in it; `isMissing`: the root has nothing there. */
export type StepMount = {
  readonly target: string;
  readonly isMissing: boolean;
  /** What is mounted is no directory. */
  readonly isFile: boolean;
} & (
  | {
      readonly kind: "directory";
      /** A directory of ours on the host. */
      readonly path: string;
      /** What is mounted of it, "" for all; never resolved out of it. */
      readonly subpath: string;
      readonly isReadonly: boolean;
    }
  | {
      readonly kind: "root";
      readonly root: RootSource;
      readonly subpath: string;
      readonly isReadonly: boolean;
    }
  | { readonly kind: "tmpfs"; readonly sizeBytes: number }
  | ({ readonly kind: "file"; readonly content: Uint8Array } & StepFileOwner)
  | ({
      /** A unix socket whose connections go on where `connect` leads. */
      readonly kind: "socket";
      readonly connect: () => Promise<Duplex>;
    } & StepFileOwner)
);

export interface StepFileOwner {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

/** Limits of a step's container, Docker's fields; 0 and "" are "no limit". */
export interface StepLimits {
  readonly memory?: number;
  readonly memorySwap?: number;
  readonly cpuShares?: number;
  readonly cpuPeriod?: number;
  readonly cpuQuota?: number;
  readonly cpusetCpus?: string;
  readonly cpusetMems?: string;
  readonly cgroupParent?: string;
  readonly ulimits?: readonly { readonly name: string; readonly soft: number; readonly hard: number }[];
}

/** A user in front of a step. */
export interface StepTerminal {
  readonly isTty: boolean;
  /** 0 where it is not known. */
  readonly rows: number;
  readonly columns: number;
  /** What the user types, and what he is shown: raw with a tty, else Docker's frames. */
  readonly stream: Duplex;
  /** Calls with every new size. */
  onResize(listener: (rows: number, columns: number) => void): void;
}

export interface StepRequest {
  /** 64 hex digits chosen by the builder; its first twelve are shown as the step's container. */
  readonly containerId: string;
  readonly root: RootSource;
  readonly args: readonly string[];
  readonly env: readonly string[];
  readonly cwd: string;
  /** As in the image configuration: `user`, `uid`, `user:group`, or "" for root. */
  readonly user: string;
  /** "default", "none", "host" or the name of a network. */
  readonly network: string;
  readonly hostname: string;
  readonly extraHosts: readonly string[];
  /** Bytes of /dev/shm, 0 for the default. */
  readonly shmSizeBytes: number;
  readonly limits: StepLimits;
  readonly files: readonly StepFile[];
  readonly mounts: readonly StepMount[];
  /** Run with every right. */
  readonly isInsecure: boolean;
  /** CDI devices, by id. */
  readonly devices: readonly string[];
  /** The command is a user's: it reads what he types, and its output is his alone. */
  readonly terminal?: StepTerminal;
  readonly onOutput: (stream: "stdout" | "stderr", bytes: Uint8Array) => void;
  /** Aborted: the process is killed, and `run` rejects. */
  readonly signal: AbortSignal;
}

/** Runs one command in a container that is gone when the promise settles. */
export interface StepRunner {
  run(request: StepRequest): Promise<{ readonly exitCode: number }>;
}

/** What a step produced, kept under its key. */
export interface CacheRecord {
  readonly version: 1;
  /** The step's layer, by content; absent when it changed no file. */
  readonly diffId?: Digest;
  /** When the step ran, RFC 3339: the image of a cached build is the same image. */
  readonly createdAt: string;
  /** Digest of what a source path held, for the memo of COPY --from. */
  readonly sourceDigest?: string;
  /** The root with the step's layer, where the record keeps the layer alive: no image of the step does. */
  readonly chainId?: string;
  /** What the step was, for listings. */
  readonly description?: string;
  /** Kept by the store: when and how often the result was used. */
  readonly lastUsedAt?: string;
  readonly uses?: number;
}

/** Results by key, durable in the engine. A lost record costs time only. */
export interface CacheStore {
  get(key: string): Promise<CacheRecord | undefined>;
  put(key: string, record: CacheRecord): Promise<void>;
}

/** A directory that outlives builds, taken for one step. */
export interface CacheMount {
  readonly path: string;
  /** Nothing was in it yet. */
  readonly isNew: boolean;
  openFs(): Promise<FsSession>;
  /** Lets the next one have it; `isGood`: what is in it may stay. */
  release(how: { readonly isGood: boolean }): Promise<void>;
}

export interface CacheMountRequest {
  /** What tells caches apart. */
  readonly key: string;
  /** As the user calls it, for listings. */
  readonly name: string;
  readonly sharing: "shared" | "private" | "locked";
  readonly signal: AbortSignal;
}

/** The directories of `RUN --mount=type=cache`. */
export interface CacheMounts {
  /** Waits while a locked one is in use. */
  take(request: CacheMountRequest): Promise<CacheMount>;
}

/** What only the user's own machine has, asked for while a build runs. */
export interface BuildClient {
  /** Returns a secret, undefined when the user gave none of this name. */
  secret(id: string, signal: AbortSignal): Promise<Uint8Array | undefined>;
  /** Whether the user lets steps use his ssh agent (or keys) under this name. */
  hasAgent(id: string): Promise<boolean>;
  connectAgent(id: string): Promise<Duplex>;
  /** Returns the user's terminal for a shell where a step has failed with `failure`; undefined when he wants none. */
  openTerminal(failure: string, signal: AbortSignal): Promise<StepTerminal | undefined>;
  /** Sends the files of a directory that the client knows by `name` into a tree. */
  sendDirectory(name: string, options: SendOptions): Promise<void>;
}

/** Where something comes from, as policies speak of it: an image, a repository, a file on a server, a directory of the client's. */
export interface JudgedSource {
  /** `docker-image://REF`, `git://HOST/PATH#REF`, `https://…`, `local://NAME`. */
  readonly identifier: string;
  readonly attrs?: Readonly<Record<string, string>>;
  readonly platform?: Platform;
}

/** Throws where a source may not be used. */
export type SourceJudge = (source: JudgedSource, signal: AbortSignal) => Promise<void>;

export interface SendOptions {
  /** Patterns, as in .dockerignore, of what is not wanted. */
  readonly excludes?: readonly string[];
  /** Paths that alone are wanted, symlinks on the way included. */
  readonly only?: readonly string[];
  readonly sink: DirectorySink;
  /** Called with the size of each message that has come. */
  readonly onBytes?: (count: number) => void;
  readonly signal: AbortSignal;
}

/** Takes the files of a directory, parents first. */
export interface DirectorySink {
  /** Says what there is; resolves to whether the content is wanted (that of regular files). */
  entry(entry: SentEntry): Promise<boolean>;
  data(path: string, bytes: Uint8Array): Promise<void>;
  /** The content is complete. */
  end(path: string): Promise<void>;
}

/** One file of a directory, as the client describes it. */
export interface SentEntry {
  /** Relative to the directory. */
  readonly path: string;
  readonly type: "file" | "directory" | "symlink" | "hardlink" | "other";
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly sizeBytes: number;
  readonly mtimeSec: number;
  readonly mtimeNsec: number;
  readonly linkTarget: string;
}

/** Everything a build needs. */
export interface BuildPorts {
  /** The host's CDI devices. */
  readonly devices: () => Promise<Pick<CdiCatalogue, "devices">>;
  readonly cacheMounts: CacheMounts;
  readonly images: ImageSource;
  readonly layers: LayerSink;
  readonly steps: StepRunner;
  readonly cache: CacheStore;
  /** What decided about the steps of earlier builds. */
  readonly history: StepHistory;
  /** Steps under way in all builds of this daemon. */
  readonly flights: StepFlights;
  /** Returns a new private directory (0700) for the uploaded context; the builder removes it. */
  readonly makeScratch: () => Promise<string>;
  /** The time, RFC 3339 with nanoseconds, UTC. */
  readonly now: () => string;
}
