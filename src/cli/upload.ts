// Bytes that are sent to the daemon: a file or stdin, read as they are needed.

import { createReadStream, openSync } from "node:fs";
import { complain } from "./failure.ts";
import { errnoText } from "./options/env.ts";

/** Opens a file for sending. Throws a Fault with Go's sentence when it cannot be opened. */
export function openUpload(path: string): AsyncIterable<Uint8Array> {
  let fd: number;
  try {
    fd = openSync(path, "r");
  } catch (error) {
    throw complain(`open ${path}: ${errnoText(error)}`);
  }
  return createReadStream("", { fd, highWaterMark: 1 << 18 });
}

/** Returns what arrives on stdin. */
export function stdinUpload(): AsyncIterable<Uint8Array> {
  return createReadStream("", { fd: 0, autoClose: false, highWaterMark: 1 << 18 });
}

/** Reads stdin to its end. */
export async function readAllStdin(): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stdinUpload()) chunks.push(chunk);
  return Buffer.concat(chunks);
}
