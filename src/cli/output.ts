// Writes text to stdout and stderr, synchronously: a command's output is complete when it returns, and node:stream
// and node:tty need not be loaded for it. Streams that must not block the loop (attach) use process.stdout instead.

import { writeSync } from "node:fs";

/** Writes everything; waits where the descriptor is non-blocking and full. A closed pipe ends the program. */
export function writeAll(fd: number, data: string | Uint8Array): void {
  let rest: Uint8Array = typeof data === "string" ? Buffer.from(data) : data;
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(fd, rest));
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      if (code === "EAGAIN") {
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2);
        continue;
      }
      // What a program without a handler for SIGPIPE does: end quietly with 128 + 13.
      if (code === "EPIPE") process.exit(141);
      throw error;
    }
  }
}

/** Writes to stdout. */
export function print(text: string | Uint8Array): void {
  writeAll(1, text);
}

/** Writes to stderr. */
export function printError(text: string | Uint8Array): void {
  writeAll(2, text);
}
