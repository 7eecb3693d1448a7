// Writes to stdout and stderr by their descriptors: node:stream and node:tty need not be loaded for it, and a reader that has gone
// is an error (bun: process.stdout then never drains, and spins). Text is written at once: a command's output is complete
// when it returns. What must not hold the event loop up (attach) is written later.

import { fs } from "../lib/builtins.ts";
import { utf8Bytes } from "../lib/bytes.ts";
import { write } from "../lib/libc.ts";

const RETRY_MS = 2;
/** What a shell shows of a program without a handler for SIGPIPE, which ends quietly: 128 + 13. */
export const PIPE_EXIT_CODE = 141;

/** Writes everything; waits where the descriptor is non-blocking and full. A closed pipe ends the program. */
export function writeAll(fd: number, data: string | Uint8Array): void {
  let rest = typeof data === "string" ? utf8Bytes(data) : data;
  for (let written = 1; written > 0 && rest.length > 0; rest = rest.subarray(written))
    written = write(fd, rest);
  // What is left, if anything, waits here, or fails with its reason.
  while (rest.length > 0) {
    try {
      rest = rest.subarray(fs().writeSync(fd, rest));
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      if (code === "EAGAIN") {
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_MS);
        continue;
      }
      if (code === "EPIPE") process.exit(PIPE_EXIT_CODE);
      throw error;
    }
  }
}

/**
 * Writes everything while the event loop goes on, however long the reader takes. Rejects with the error of write(2); with EPIPE the caller
 * tidies up (a terminal in raw mode) and ends as after SIGPIPE.
 */
export async function writeLater(fd: number, data: Uint8Array): Promise<void> {
  let rest = data;
  while (rest.length > 0) {
    const [error, written] = await new Promise<[NodeJS.ErrnoException | null, number]>((resolve) =>
      fs().write(fd, rest, 0, rest.length, null, (failure, bytes) => resolve([failure, bytes])),
    );
    if (error?.code === "EAGAIN") await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    else if (error !== null) throw error;
    else rest = rest.subarray(written);
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
