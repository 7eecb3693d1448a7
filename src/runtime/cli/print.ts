// Standard output. bun: process.stdout takes several milliseconds to come into being, as long as everything else that a short command does.

import { writeSync } from "node:fs";
import { pause } from "./life/pause-briefly.ts";

const STDOUT = 1;

/** Writes the text, all of it, also to a pipe that does not block. */
export function print(text: string): void {
  const bytes = Buffer.from(text);
  for (let at = 0, waitedMs = 0; at < bytes.length; ) {
    try {
      at += writeSync(STDOUT, bytes, at);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === "EPIPE") return; // whoever read has seen enough
      if (code !== "EAGAIN") throw error;
      waitedMs += pause(waitedMs);
    }
  }
}
