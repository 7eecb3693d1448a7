// What the builder needs from above and beside it. The engine fills these ports (engine/build); fakes live in
// ports-fake.ts. Nothing here names a transport, a store or a container implementation.
// Invariant: whatever a port hands out is disposable, and the solver disposes of it on every path.

import type { Op, RootSource, Value } from "../../linux/ops.ts";
import type { Digest } from "../../oci/digest.ts";
import type { ImageConfig } from "../../oci/image-config.ts";
import type { Platform } from "../../oci/platform.ts";

/** Identity of one stored layer, as the layer store gives it. */
export type LayerId = string;

/** One layer of a root file system, in the form an image configuration needs it. */
export interface LayerRef {
  readonly id: LayerId;
  /** Digest of the uncompressed tar, `rootfs.diff_ids` of the image configuration. */
  readonly diffId: Digest;
  readonly sizeBytes: number;
}

/** An image that a stage starts from or copies from. */
export interface SourceImage {
  /** Image id, `sha256:…`. */
  readonly id: string;
  readonly config: ImageConfig;
  /** Layers, bottom first; as many as `config.diffIds`. */
  readonly layers: readonly LayerRef[];
  /** The reference in the form to be shown, such as `debian:bookworm`. */
  readonly name: string;
}

export interface ResolveRequest {
  /** As written in the Dockerfile after expansion; an image id (or a prefix of one) is fine as well. */
  readonly reference: string;
  /** Absent: the host's. */
  readonly platform?: Platform;
  /** Ask the registry even when the image is here. */
  readonly pull: boolean;
  /** Takes one line of Docker's pull progress, such as `{"status":"Pulling from library/alpine","id":"3.7"}`. */
  readonly onProgress: (line: Readonly<Record<string, unknown>>) => void;
  readonly signal: AbortSignal;
}

export interface NewImage {
  /** The configuration as stored (`encodeImageConfig`); its digest is the image id. */
  readonly config: Uint8Array;
  readonly layers: readonly LayerRef[];
  /** Image that this one was built on, absent on scratch. */
  readonly parentId?: string;
  /** A step's image that no tag will name: listed only by `docker images -a`. */
  readonly isIntermediate: boolean;
}

/** Images: looked up (and pulled when missing) and made. */
export interface ImageSource {
  /** Throws Fault notFound, unauthorized or unavailable. */
  resolve(request: ResolveRequest): Promise<SourceImage>;
  /** Stores an image and returns its id; storing the same one twice is fine. */
  create(image: NewImage): Promise<string>;
}

/** One entry of an exported tree (native/PROTOCOL.md, "export"). */
export interface ExportedEntry {
  /** Relative to the exported directory, no leading slash. */
  readonly path: string;
  /** Including the file type bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly sizeBytes: number;
  readonly mtimeSec: number;
  readonly mtimeNsec: number;
  readonly major: number;
  readonly minor: number;
  /** dev and ino joined: equal for hard links of one file. */
  readonly inode: string;
  readonly linkCount: number;
  readonly linkTarget: string;
  readonly xattrs: readonly (readonly [name: string, value: Uint8Array])[];
  /** Content of a regular file; to be read before the next entry is asked for. */
  readonly content?: AsyncIterable<Uint8Array>;
}

/** Files below one root, by descriptor; keel's file session in the engine. */
export interface FileSession {
  /** Runs file operations in order and yields their results; throws the SysError of the first that fails. */
  run(ops: readonly Op[]): Promise<readonly Value[]>;
  /** Walks everything below a directory, parents first, names sorted. */
  exportTree(path: string): AsyncIterable<ExportedEntry>;
  close(): Promise<void>;
}

/** What became of a draft. */
export interface CommittedLayer extends LayerRef {
  /** True when the draft changed nothing: the step gets no layer. */
  readonly isEmpty: boolean;
}

/** A writable root on top of finished layers. Exactly one of commit and discard ends it. */
export interface LayerDraft {
  root(): RootSource;
  openFs(): Promise<FileSession>;
  commit(): Promise<CommittedLayer>;
  discard(): Promise<void>;
}

/** Layers: written, read and checked. */
export interface LayerSink {
  /** Starts a draft on top of `parents`, bottom first; none for an empty root. */
  beginDiff(parents: readonly LayerId[]): Promise<LayerDraft>;
  /** Opens finished layers, bottom first, for reading. */
  openView(layers: readonly LayerId[]): Promise<FileSession>;
  /** Whether all of these layers still exist. */
  has(layers: readonly LayerId[]): Promise<boolean>;
}

/** A file that exists in the container only while a step runs. */
export interface StepFile {
  readonly path: string;
  readonly content: string;
  readonly mode: number;
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
  readonly files: readonly StepFile[];
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
  /** The step's layer; absent when it changed no file. */
  readonly layer?: LayerRef;
  /** When the step ran, RFC 3339: the image of a cached build is the same image. */
  readonly createdAt: string;
  /** Digest of what a source path held, for the memo of COPY --from. */
  readonly sourceDigest?: string;
}

/** Results by key, durable in the engine. A lost record costs time only. */
export interface CacheStore {
  get(key: string): Promise<CacheRecord | undefined>;
  put(key: string, record: CacheRecord): Promise<void>;
}

/** Everything a build needs. */
export interface BuildPorts {
  readonly images: ImageSource;
  readonly layers: LayerSink;
  readonly steps: StepRunner;
  readonly cache: CacheStore;
  /** Returns a new private directory (0700) for the uploaded context; the builder removes it. */
  readonly makeScratch: () => Promise<string>;
  /** The time, RFC 3339 with nanoseconds, UTC. */
  readonly now: () => string;
}
