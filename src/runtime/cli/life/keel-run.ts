// Starting `keel run` (native/PROTOCOL.md) with a list of operations and taking its answer. The request is a file without a name, to whose
// end keel appends the answer; in the foreground, where keel stays, the answer comes through a pipe.

import { closeSync, openSync, readSync, unlinkSync, writeSync } from "node:fs";
import { join } from "node:path";
import { Fault, SysError } from "../../../lib/errors.ts";
import { readReply } from "../../../linux/keel-reply.ts";
import { unpackKeel } from "../../../linux/keel-program.ts";
import type { Op } from "../../../linux/ops.ts";
import { asList, decodeBody, encodeFrame, frameLength, type Reply } from "../../../linux/wire.ts";

export interface Outcome {
  /** One per operation. */
  results: Reply[];
  warnings: string[];
}

/** Directories for the program, the first that can be used: /run is often mounted noexec. */
export function programDirs(): string[] {
  if (process.geteuid?.() === 0) return ["/run/berth", "/var/lib/berth"];
  const { XDG_RUNTIME_DIR: runtime, HOME: home } = process.env;
  return [...(runtime ? [join(runtime, "berth")] : []), join(home ?? "/tmp", ".local/share/berth")];
}

/** Runs operations to their end. `dir` is the container's directory, for a temporary file and to be known by, `preserve` descriptors to pass on. Throws SysError. */
export function runOps(ops: readonly Op[], dir: string, preserve: readonly number[] = []): Outcome {
  const frame = encodeFrame([ops]);
  const fd = openRequest(dir, frame);
  try {
    const stdio = ["inherit", "inherit", "inherit", fd, fd, ...preserve] as const;
    start((program) => Bun.spawnSync([program, "run", dir], { env: {}, stdio }));
    return readOutcome((buffer, at) => readSync(fd, buffer, 0, buffer.length, frame.length + at));
  } finally {
    closeSync(fd);
  }
}

/** A process that keel stays with. */
export interface Foreground {
  outcome: Outcome;
  /** Its exit code, 128 and the signal when it was killed. */
  ended: Promise<number>;
}

/** Runs operations of which the last launches a process in the foreground. Throws SysError when one fails. */
export async function runForeground(
  ops: readonly Op[],
  dir: string,
  preserve: readonly number[] = [],
): Promise<Foreground> {
  const { spawn } = await import("node:child_process");
  const frame = encodeFrame([ops]);
  const fd = openRequest(dir, frame);
  try {
    const child = start((program) =>
      spawn(program, ["run", dir], {
        env: {},
        stdio: ["inherit", "inherit", "inherit", fd, "pipe", ...preserve],
      }),
    );
    const ended = new Promise<number>((resolve, reject) => {
      child.once("exit", (code, signal) => resolve(code ?? (signal === null ? 1 : 137)));
      child.once("error", reject);
    });
    ended.catch(() => undefined); // ignored: whoever awaits it is told
    const chunks: Buffer[] = [];
    for await (const chunk of child.stdio[4] as unknown as AsyncIterable<Buffer>) chunks.push(chunk);
    const reply = Buffer.concat(chunks);
    return { outcome: readOutcome((buffer, at) => reply.copy(buffer, 0, at)), ended };
  } finally {
    closeSync(fd);
  }
}

function start<T>(spawnIt: (program: string) => T): T {
  let failure: unknown;
  for (const dir of programDirs()) {
    try {
      return spawnIt(unpackKeel(dir));
    } catch (error) {
      const { code = "" } = error as NodeJS.ErrnoException;
      if (!["EACCES", "EROFS", "EPERM", "ENOSPC"].includes(code)) throw error;
      failure = error;
    }
  }
  throw new Fault(
    "system",
    `cannot start keel from ${programDirs().join(" or ")}: may not be written to or executed`,
    {
      code: "keel.not-executable",
      cause: failure,
    },
  );
}

function openRequest(dir: string, frame: Buffer): number {
  const path = join(dir, `.request-${process.pid}`);
  const fd = openSync(path, "wx+", 0o600);
  unlinkSync(path);
  for (let at = 0; at < frame.length; ) at += writeSync(fd, frame, at, frame.length - at, at);
  return fd;
}

function readOutcome(read: (buffer: Buffer, at: number) => number): Outcome {
  const head = Buffer.alloc(4);
  if (read(head, 0) < 4) throw new SysError("keel", "", 0, "it ended without an answer");
  const body = Buffer.alloc(frameLength(head));
  if (read(body, 4) < body.length) throw new SysError("keel", "", 0, "its answer is not complete");
  const { warnings, rest } = readReply(decodeBody(body));
  return { results: asList(rest[0]), warnings };
}

/** A process of ours that does nothing until it is told to end: a cgroup can be made around it. */
export async function placeholder(): Promise<{ pid: number; end(): Promise<void> }> {
  const { spawn } = await import("node:child_process");
  // it waits for a request, and ends when none comes
  const child = start((program) =>
    spawn(program, ["run"], { env: {}, stdio: ["ignore", "ignore", "ignore", "pipe", "ignore"] }),
  );
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  child.stdio[3]?.on("error", () => undefined); // ignored: it has ended, which is what is asked for
  return {
    pid: child.pid ?? 0,
    async end() {
      (child.stdio[3] as NodeJS.WritableStream | null)?.end();
      await ended;
    },
  };
}
