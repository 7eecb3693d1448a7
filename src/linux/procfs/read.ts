// Reading small kernel files. procfs and cgroupfs answer from memory, so the calls are synchronous on purpose:
// an asynchronous read costs a thread hop that is dearer than the read itself.
// Every read is bounded, and a file that is not there is told apart from one that cannot be read.

import { closeSync, openSync, readSync } from "node:fs";
import { Fault, messageOf } from "../../lib/errors.ts";

const MAX_BYTES = 4 << 20;
let buffer: Buffer = Buffer.allocUnsafe(64 << 10);

/**
 * Returns the text of a kernel file (at most 4 MiB, else Fault system). Throws Fault notFound when the file, process
 * or cgroup is gone (ENOENT, ESRCH, ENODEV), Fault system otherwise.
 */
export function readProcText(path: string): string {
  return readProcBytes(path).toString("utf8");
}

/** As readProcText, or undefined when the file is gone. */
export function readProcTextIfPresent(path: string): string | undefined {
  try {
    return readProcText(path);
  } catch (error) {
    if (error instanceof Fault && error.kind === "notFound") return undefined;
    throw error;
  }
}

/** Returns the bytes of a kernel file, see readProcText. */
export function readProcBytes(path: string): Buffer {
  let fd: number;
  try {
    fd = openSync(path, "r");
  } catch (error) {
    throw readFault(path, error);
  }
  try {
    let length = 0;
    for (;;) {
      if (length === buffer.length) buffer = grown(path, buffer);
      const n = readSync(fd, buffer, length, buffer.length - length, null);
      if (n === 0) return Buffer.from(buffer.subarray(0, length));
      length += n;
    }
  } catch (error) {
    throw error instanceof Fault ? error : readFault(path, error);
  } finally {
    closeSync(fd);
  }
}

function grown(path: string, old: Buffer): Buffer {
  if (old.length >= MAX_BYTES) {
    throw new Fault("system", `cannot read "${path}": larger than ${MAX_BYTES} bytes`, {
      code: "proc.too-large",
    });
  }
  const larger = Buffer.allocUnsafe(old.length * 2);
  old.copy(larger);
  return larger;
}

function readFault(path: string, error: unknown): Fault {
  const code = (error as NodeJS.ErrnoException).code ?? "";
  const isGone = code === "ENOENT" || code === "ESRCH" || code === "ENODEV" || code === "ENOTDIR";
  return new Fault(isGone ? "notFound" : "system", `cannot read "${path}": ${messageOf(error)}`, {
    code: isGone ? "proc.gone" : "proc.unreadable",
    cause: error,
  });
}
