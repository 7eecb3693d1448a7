// One command at a time changes a container. Neither node nor bun has flock(2), so that a lock is a file that is made exclusively and
// names its owner; one whose owner is gone is taken away. Held for milliseconds, waited for with pauses.

import { closeSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { Fault } from "../../../lib/errors.ts";
import { readProcessStat } from "../../../linux/procfs/process.ts";
import { pause } from "./pause-briefly.ts";
import { missingContainer } from "./store.ts";

const PATIENCE_MS = 10_000;

/**
 * Runs `body` while nobody else holds the container's lock. Throws Fault notFound when
 * there is no container any more, unavailable after ten seconds of waiting.
 */
export async function withLock<T>(directory: string, body: () => T | Promise<T>): Promise<T> {
  const path = join(directory, ".lock");
  acquire(path);
  try {
    return await body();
  } finally {
    rmSync(path, { force: true });
  }
}

function acquire(path: string): void {
  for (let waitedMs = 0; ; waitedMs += pause(waitedMs)) {
    try {
      const fd = openSync(path, "wx", 0o600);
      writeSync(fd, `${process.pid} ${startTicksOf(process.pid)}`);
      closeSync(fd);
      return;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === "ENOENT") throw missingContainer(error);
      if (code !== "EEXIST") throw error;
    }
    if (isStale(path)) rmSync(path, { force: true });
    if (waitedMs > PATIENCE_MS)
      throw new Fault("unavailable", `another command is at work on the container (${path})`, {
        code: "container.locked",
      });
  }
}

const startTicksOf = (pid: number): number => readProcessStat(`/proc/${pid}`)?.startTicks ?? 0;

function isStale(path: string): boolean {
  try {
    const [pid = 0, ticks = 0] = readFileSync(path, "utf8").split(" ").map(Number);
    return pid > 0 && startTicksOf(pid) !== ticks;
  } catch {
    return false; // ignored: it was given back meanwhile
  }
}
