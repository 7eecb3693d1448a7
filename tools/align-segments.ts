// The last step of `make build`: lays an executable out so that the kernel can map it in pieces of 2 MB.
// The linker has put the segments one right behind the other in the file, so that their places in memory and in the file differ
// by odd pages, and every command begins with hundreds of page faults. Here each segment that is only read moves in the file to
// where it lies in memory, modulo 2 MB (what `ld -z max-page-size=0x200000` does), and the file is written in pieces of 2 MB, which
// the page cache keeps as they are. Nothing moves in memory, so that no address changes.
// Source: elf(5); Linux: mm/memory.c (do_set_pmd).
//
//   bun tools/align-segments.ts FROM TO
import { closeSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";

/** What one entry of a page middle directory maps on x86-64, and on arm64 with pages of 4 kB. */
export const HUGE_PAGE = 2 << 20;
const PAGE = 4096;
const ELF64_LITTLE = Buffer.from("\x7fELF\x02\x01", "latin1");
const PT_LOAD = 1;
const PF_W = 2;
const SHT_NULL = 0;

/** Where the fields of the headers are. */
const EHDR = { phoff: 32, shoff: 40, phentsize: 54, phnum: 56, shentsize: 58, shnum: 60 } as const;
const PHDR = { type: 0, flags: 4, offset: 8, vaddr: 16, filesz: 32, align: 48 } as const;
const SHDR = { type: 4, offset: 24 } as const;

/** A piece of the file that stays in one piece. */
interface Piece {
  readonly from: number;
  readonly to: number;
  readonly size: number;
}

const word = (bytes: Buffer, at: number): number => Number(bytes.readBigUInt64LE(at));
const put = (bytes: Buffer, at: number, value: number): number => bytes.writeBigUInt64LE(BigInt(value), at);

/** The offsets of the entries of the program headers (`ph`) or the section headers (`sh`). */
function entries(elf: Buffer, kind: "ph" | "sh"): number[] {
  const [start, size] = [word(elf, EHDR[`${kind}off`]), elf.readUInt16LE(EHDR[`${kind}entsize`])];
  return Array.from({ length: elf.readUInt16LE(EHDR[`${kind}num`]) }, (_, i) => start + i * size);
}

/** What is written is copied page by page anyway. */
const alignmentOf = (elf: Buffer, segment: number): number =>
  (elf.readUInt32LE(segment + PHDR.flags) & PF_W) === 0 ? HUGE_PAGE : word(elf, segment + PHDR.align);

/** The first offset from `end` on that equals `like` modulo `alignment`. */
const behind = (end: number, like: number, alignment: number): number =>
  end + ((((like - end) % alignment) + alignment) % alignment);

/** Returns the executable with its segments aligned. Throws Error for what is not ELF with 64 bits, little-endian. */
export function alignSegments(elf: Buffer): Buffer {
  if (!elf.subarray(0, ELF64_LITTLE.length).equals(ELF64_LITTLE))
    throw new Error("not an ELF executable with 64 bits, little-endian");
  const segments = entries(elf, "ph").filter((at) => elf.readUInt32LE(at + PHDR.type) === PT_LOAD);
  const pieces: Piece[] = [];
  let [end, read] = [0, 0];
  for (const at of segments) {
    const [from, size] = [word(elf, at + PHDR.offset), word(elf, at + PHDR.filesz)];
    const to = behind(end, word(elf, at + PHDR.vaddr), alignmentOf(elf, at));
    pieces.push({ from, to, size });
    [end, read] = [to + size, from + size];
  }
  // Behind the segments: sections that are not loaded, and the section headers.
  pieces.push({ from: read, to: behind(end, read, PAGE), size: elf.length - read });

  const moved = (offset: number): number => {
    const piece = pieces.findLast(({ from }) => from <= offset);
    return piece === undefined ? offset : offset - piece.from + piece.to;
  };
  const { to, size } = pieces.at(-1) as Piece;
  const out = Buffer.alloc(to + size);
  for (const piece of pieces) elf.copy(out, piece.to, piece.from, piece.from + piece.size);
  put(out, EHDR.shoff, moved(word(elf, EHDR.shoff)));
  for (const at of entries(elf, "ph")) {
    put(out, at + PHDR.offset, moved(word(elf, at + PHDR.offset)));
    if (segments.includes(at)) put(out, at + PHDR.align, alignmentOf(elf, at));
  }
  for (const at of entries(out, "sh"))
    if (out.readUInt32LE(at + SHDR.type) !== SHT_NULL)
      put(out, at + SHDR.offset, moved(word(out, at + SHDR.offset)));
  return out;
}

/** Writes an executable in pieces of 2 MB, and puts it in its place when it is whole. */
export function writeInPieces(path: string, bytes: Buffer): void {
  const fd = openSync(`${path}.new`, "w", 0o755);
  try {
    for (let at = 0; at < bytes.length; )
      at += writeSync(fd, bytes, at, Math.min(HUGE_PAGE, bytes.length - at), at);
  } finally {
    closeSync(fd);
  }
  renameSync(`${path}.new`, path);
}

if (import.meta.main) {
  const [from, to] = process.argv.slice(2);
  if (from === undefined || to === undefined) throw new Error("usage: align-segments FROM TO");
  writeInPieces(to, alignSegments(readFileSync(from)));
}
