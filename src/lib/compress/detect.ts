// Tells compression formats apart by their first bytes; nothing here decompresses.

export type Compression = "none" | "gzip" | "zstd" | "bzip2" | "xz";

/** As many bytes as detectCompression needs to be sure. */
export const DETECT_BYTES = 10;

function startsWith(bytes: Uint8Array, magic: readonly number[]): boolean {
  return bytes.length >= magic.length && magic.every((byte, i) => bytes[i] === byte);
}

/** Returns the format that `head`, the first bytes of a stream, belongs to; "none" for anything unknown. */
export function detectCompression(head: Uint8Array): Compression {
  if (startsWith(head, [0x1f, 0x8b, 0x08])) return "gzip";
  if (startsWith(head, [0x28, 0xb5, 0x2f, 0xfd])) return "zstd";
  // RFC 8878 section 3.1.2: a skippable frame may come first (zstd:chunked, eStargz tools write those).
  if (
    head.length >= 4 &&
    ((head[0] as number) & 0xf0) === 0x50 &&
    startsWith(head.subarray(1), [0x2a, 0x4d, 0x18])
  ) {
    return "zstd";
  }
  // "BZh", the block size, and the magic number of a block (pi) or of the end of an empty stream.
  if (startsWith(head, [0x42, 0x5a, 0x68]) && (head[3] as number) >= 0x31 && (head[3] as number) <= 0x39) {
    const rest = head.subarray(4);
    if (
      startsWith(rest, [0x31, 0x41, 0x59, 0x26, 0x53, 0x59]) ||
      startsWith(rest, [0x17, 0x72, 0x45, 0x38, 0x50, 0x90])
    ) {
      return "bzip2";
    }
  }
  if (startsWith(head, [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00])) return "xz";
  return "none";
}
