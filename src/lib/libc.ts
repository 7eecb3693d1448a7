// Functions of the C library. Two of them a command needs to print a line: node:fs and node:tty have them, too, and cost such a command
// at their first use as much as all else that it does (1.7 and 15 ms; this 0.2). One the runtime has not.

import type * as Ffi from "bun:ffi";

const LIBC = "libc.so.6";
/** Bytes of one call. */
const WRITE_BYTES = 1 << 20;

let printing: ReturnType<typeof functionsToPrint> | undefined;

/** Calls write(2) and returns how many bytes were written, 0 when none could be: the caller's next try, by node:fs, has the reason. */
export function write(fd: number, bytes: Uint8Array): number {
  return Math.max(0, libc().write(fd, bytes, Math.min(bytes.length, WRITE_BYTES)));
}

/** Tells whether the descriptor is a terminal (isatty(3)). */
export function isatty(fd: number): boolean {
  return libc().isatty(fd) === 1;
}

/** Advice of madvise(2). */
export const MADV = { dontNeed: 4, noHugePage: 15 } as const;

/** A piece of the address space: its begin and length in bytes. */
export interface Area {
  readonly start: number;
  readonly length: number;
}

/** Calls madvise(2) for areas of whole pages of this process; advice that the kernel does not take changes nothing. */
export function adviseMemory(areas: readonly Area[], advice: number): void {
  const { symbols } = ffi().dlopen(LIBC, {
    madvise: { args: ["usize", "usize", "i32"], returns: "i32" },
  });
  for (const { start, length } of areas) symbols.madvise(start, length, advice);
}

const libc = (): ReturnType<typeof functionsToPrint> => (printing ??= functionsToPrint());

const functionsToPrint = () =>
  ffi().dlopen(LIBC, {
    write: { args: ["i32", "ptr", "usize"], returns: "i32" },
    isatty: { args: ["i32"], returns: "i32" },
  }).symbols;

const ffi = (): typeof Ffi => process.getBuiltinModule("bun:ffi") as typeof Ffi;
