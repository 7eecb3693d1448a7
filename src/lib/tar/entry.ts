// What a tar archive consists of, as reader and writer exchange it. Plain data, no I/O.
// Names are the archive's bytes as strings in the form of names.ts, never cleaned: `../x` and `/x` come through,
// and whoever writes to a file system must treat them as hostile.

export type TarEntryType = "file" | "directory" | "symlink" | "hardlink" | "char" | "block" | "fifo";

export interface TarEntry {
  readonly type: TarEntryType;
  /** As in the archive, except that a directory's trailing slashes are dropped. */
  readonly name: string;
  /** Target of a symlink or hardlink, else "". */
  readonly linkName: string;
  /** Permission bits with setuid, setgid and sticky; no file type. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly userName: string;
  readonly groupName: string;
  /** Length of the content; for a sparse file including its holes. 0 for everything but files. */
  readonly sizeBytes: number;
  /** Seconds since 1970, may be negative; with mtimeNsec (0…999999999) added to it. */
  readonly mtimeSec: number;
  readonly mtimeNsec: number;
  readonly devMajor: number;
  readonly devMinor: number;
  /** Extended attributes by full name (`security.capability`), from SCHILY.xattr records. */
  readonly xattrs: ReadonlyMap<string, Uint8Array>;
}

/** What a reader reports, in the order of the archive. */
export type TarEvent =
  | { readonly kind: "entry"; readonly entry: TarEntry }
  /** A piece of the current file's content. The bytes belong to the chunk that was pushed. */
  | { readonly kind: "data"; readonly bytes: Uint8Array }
  /** So many zero bytes of content that the archive does not store (sparse files). */
  | { readonly kind: "hole"; readonly sizeBytes: number }
  /** The current entry is complete; comes once for each entry. */
  | { readonly kind: "end" };

/** Bounds on what an archive may demand of the reader. */
export interface TarLimits {
  /** Longest extended header or long name in bytes. Go's archive/tar has the same bound. */
  maxHeaderBytes: number;
  /** Longest name or link target in bytes; Linux takes 4095. */
  maxNameBytes: number;
  maxEntries: number;
  /** Most pieces of a sparse file. */
  maxSparsePieces: number;
  /** Most bytes that all holes stand for: a few bytes of archive can be any number, and whoever unpacks them writes zeros. */
  maxHoleBytes: number;
  /** Most bytes of content that all files have, holes included. */
  maxContentBytes: number;
}

export const DEFAULT_TAR_LIMITS: TarLimits = {
  maxHeaderBytes: 1 << 20,
  maxNameBytes: 4095,
  maxEntries: 10_000_000,
  maxSparsePieces: 1 << 18,
  maxHoleBytes: 64 * 2 ** 30,
  maxContentBytes: Number.POSITIVE_INFINITY,
};
