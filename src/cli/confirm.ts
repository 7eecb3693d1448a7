// Asks before something is destroyed.

import { readSync } from "node:fs";
import { exitWith } from "./failure.ts";
import { print } from "./output.ts";

/** Asks; anything but "y" ends the program without a word, with exit code 1. */
export function confirm(question: string): void {
  print(`${question} [y/N] `);
  if (readLine().trim().toLowerCase() !== "y") throw exitWith(1);
}

/** Reads one line of stdin. */
export function readLine(): string {
  const bytes: number[] = [];
  const one = Buffer.alloc(1);
  for (;;) {
    try {
      if (readSync(0, one, 0, 1, null) === 0) break;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") break; // ignored: a closed stdin is an empty answer
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
      continue;
    }
    if (one[0] === 10) break;
    bytes.push(one[0] ?? 0);
  }
  return Buffer.from(bytes).toString();
}
