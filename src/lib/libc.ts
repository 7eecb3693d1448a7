// The two functions of the C library that a command needs to print a line. node:fs and node:tty have them, too, and cost such a command at
// their first use as much as all else that it does (1.7 and 15 ms; this 0.2).

import type * as Ffi from "bun:ffi";

type Libc = ReturnType<typeof Ffi.dlopen>["symbols"];

/** Bytes of one call. */
const WRITE_BYTES = 1 << 20;

let loaded: Libc | undefined;

/** Calls write(2) and returns how many bytes were written, 0 when none could be: the caller's next try, by node:fs, has the reason. */
export function write(fd: number, bytes: Uint8Array): number {
  return Math.max(0, libc().write(fd, bytes, Math.min(bytes.length, WRITE_BYTES)));
}

/** Tells whether the descriptor is a terminal (isatty(3)). */
export function isatty(fd: number): boolean {
  return libc().isatty(fd) === 1;
}

function libc(): Libc {
  if (loaded === undefined) {
    const { dlopen } = process.getBuiltinModule("bun:ffi") as typeof Ffi;
    loaded = dlopen("libc.so.6", {
      write: { args: ["i32", "ptr", "usize"], returns: "i32" },
      isatty: { args: ["i32"], returns: "i32" },
    }).symbols;
  }
  return loaded;
}
