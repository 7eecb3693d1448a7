// The root of a container without a mount namespace is a mount of the caller's (plan/caller-mounts.ts). Its number tells it from
// what others mount at the same place: only that one, with everything in it, is unmounted when the container goes.

import { closeSync, constants, existsSync, openSync, realpathSync } from "node:fs";
import { Fault } from "../../../lib/errors.ts";
import { parseMountInfo } from "../../../linux/procfs/mountinfo.ts";
import { readProcText } from "../../../linux/procfs/read.ts";
import { unmountCallersRoot } from "../../plan/caller-mounts.ts";
import { runOps } from "../life/keel-run.ts";

/** Returns the number of the mount that a directory is on (proc_pid_fdinfo(5)). Throws the system's error when there is none. */
export function mountIdOf(path: string): number {
  return withDirectory(path, idOfDescriptor);
}

/**
 * Unmounts the mount `id`, which was made at `path`; gone is fine. `dir` is for a temporary file. Throws SysError, and Fault conflict when
 * something else is mounted over it.
 */
export function unmountRoot(path: string, id: number, dir: string): void {
  if (!isMounted(id, path)) return;
  withDirectory(path, (fd) => {
    if (idOfDescriptor(fd) !== id)
      throw new Fault(
        "conflict",
        `${path}: something else is mounted over the container's root: unmount that first`,
        {
          code: "container.root-covered",
        },
      );
    // by descriptor: what somebody mounts on it meanwhile does not become ours
    runOps(unmountCallersRoot(`/proc/${process.pid}/fd/${fd}`), dir);
  });
}

/** Numbers are given again: it has to be where it was. */
function isMounted(id: number, path: string): boolean {
  const at = realPathOf(path);
  return parseMountInfo(readProcText("/proc/self/mountinfo")).some(
    (mount) => mount.id === id && mount.mountpoint === at,
  );
}

/** As mountinfo names it; a path that is gone is its own. */
export const realPathOf = (path: string): string => (existsSync(path) ? realpathSync(path) : path);

function withDirectory<T>(path: string, use: (fd: number) => T): T {
  const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    return use(fd);
  } finally {
    closeSync(fd);
  }
}

function idOfDescriptor(fd: number): number {
  return Number(/^mnt_id:\s*(\d+)$/m.exec(readProcText(`/proc/self/fdinfo/${fd}`))?.[1]);
}
