// The words of storage/layer: what is recorded of a layer, and what making one needs.

import type { IdMap } from "../../linux/idmap.ts";
import type { RootSource } from "../../linux/ops.ts";
import type { Digest } from "../../oci/digest.ts";
import type { ChainId, HistoryEntry } from "../../oci/image-config.ts";

declare const layerIdBrand: unique symbol;
/** A layer's short name, also its directory's: a counter in base 36, so that a hundred fit into mount options. */
export type LayerId = string & { readonly [layerIdBrand]: true };

/** How a layer's tar comes about again, byte for byte. */
export type TarOrigin =
  /** Packed from the directory in our own deterministic form. */
  | { readonly kind: "packed" }
  /** Unpacked from a foreign tar: its headers were kept, file contents come from the directory. */
  | { readonly kind: "recipe" }
  /** From the blob that was kept. */
  | { readonly kind: "blob" };

/** What is stored of a layer; JSON, table `layers`, key = id. */
export interface LayerRecord {
  readonly version: 1;
  readonly id: LayerId;
  readonly chainId: ChainId;
  readonly parent: LayerId | null;
  readonly diffId: Digest;
  /** Bytes in the directory as Docker counts them: regular files once each, plus the targets of symlinks. */
  readonly sizeBytes: number;
  /** Length of the uncompressed tar. */
  readonly tarBytes: number;
  readonly tar: TarOrigin;
  readonly blob?: { readonly digest: Digest; readonly mediaType: string; readonly sizeBytes: number };
  /** RFC 3339. */
  readonly createdAt: string;
  readonly history?: HistoryEntry;
  /** Boot id of the kernel that may hold unflushed parts of the directory; absent once it is on stable storage. */
  readonly unflushed?: string;
}

/** A holder with a life of its own: keeps the layers of a pull, load or build until their image is recorded. */
export interface LayerLease extends Disposable {
  hold(id: LayerId): void;
  release(): void;
}

export interface UnpackOptions {
  /** A different result is a Fault(dataLoss) and leaves nothing behind. */
  expectedDiffId?: Digest;
  /** Keep the compressed bytes as a blob (pull); otherwise the tar's headers are kept, which is much smaller. */
  keepBlob?: { mediaType: string; digest?: Digest; sizeBytes?: number };
  history?: HistoryEntry;
  /** Called with the number of bytes of the stream (as it came, compressed) taken so far. */
  onProgress?: (sizeBytes: number) => void;
  /** Looked at between chunks: a source that stalls has to watch it itself. */
  signal?: AbortSignal;
  /** false: returns before the files are on stable storage; see LayerStore.flush. */
  durable?: boolean;
  /** Holds the layer, new or shared. Without one, a new layer is held until somebody retains it or builds on it. */
  lease?: LayerLease;
}

export interface CommitLayerOptions {
  history?: HistoryEntry;
  durable?: boolean;
  lease?: LayerLease;
  signal?: AbortSignal;
}

/** A container's or build step's writable directories, absolute. */
export interface UpperDirs {
  readonly upper: string;
  readonly work: string;
  /**
   * Of the container's user namespace: on the disk its files have the owners that the host knows. Layers always have the
   * container's own, and so has everything that is read and written through this store.
   */
  readonly idMap?: IdMap | undefined;
}

/** A layer in the making: an empty writable directory on top of a parent. */
export interface DiffDraft extends AsyncDisposable {
  readonly parent: LayerId | null;
  /** The writable directory, absolute, in overlay form. */
  readonly upper: string;
  /** The parent's files with the draft's own on top, writable. Mount one at a time; each call is for one mount. */
  root(): RootSource;
  /** Turns the directory into a layer; the draft is used up. */
  commit(options?: CommitLayerOptions): Promise<LayerRecord>;
  /** Throws the directory away; after commit it does nothing. */
  discard(): Promise<void>;
}

/** One line of `docker diff`: API field Kind 0 modified, 1 added, 2 deleted. */
export interface PathChange {
  /** Absolute, as seen in the container; bytes that are not UTF-8 as in lib/tar/names.ts. */
  readonly path: string;
  readonly kind: "modified" | "added" | "deleted";
}

/** One line of `image diff`. */
export interface PathDifference extends PathChange {
  /** By how much the file there grows; 0 for what has no size of its own. */
  readonly sizeBytes: number;
}
