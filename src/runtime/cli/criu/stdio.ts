// A container's stdin, stdout and stderr where they are pipes to somebody outside: an image cannot hold the other end, so each is noted by its
// name beside the images and is replaced by the caller's descriptor of the same number at a restore.
//
// compat: the file and its form are runc's.

import { readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { readProcTextIfPresent } from "../../../linux/procfs/read.ts";

const FILE = "descriptors.json";
const STDIO = [0, 1, 2] as const;
const O_ACCMODE = 3;
const isPipe = (name: string) => name.startsWith("pipe:");

/** Notes what the first process has. `pids`: all processes of the container. */
export function saveStdio(imageDir: string, pid: number, pids: readonly number[]): void {
  const names = STDIO.map((fd) => linkOf(`/proc/${pid}/fd/${fd}`));
  const outside = STDIO.map((fd, i) => {
    const name = names[i] ?? "";
    return isPipe(name) && hasOtherEnd(name, accessOf(`/proc/${pid}/fdinfo/${fd}`), pids) ? "" : name;
  });
  writeFileSync(join(imageDir, FILE), JSON.stringify(outside), { mode: 0o600 });
}

/** Which of our descriptors criu gives to the container in the place of which of its own. */
export function loadStdio(imageDir: string): { key: string; fd: number }[] {
  const names = JSON.parse(readFileSync(join(imageDir, FILE), "utf8")) as unknown;
  if (!Array.isArray(names)) return [];
  return names.flatMap((name, fd) => (typeof name === "string" && isPipe(name) ? [{ key: name, fd }] : []));
}

/** A pipe of which the container has both ends is its own and is in the images as a whole. */
function hasOtherEnd(name: string, access: number, pids: readonly number[]): boolean {
  return pids.some((pid) =>
    descriptorsOf(pid).some(
      (fd) => linkOf(`/proc/${pid}/fd/${fd}`) === name && accessOf(`/proc/${pid}/fdinfo/${fd}`) !== access,
    ),
  );
}

function descriptorsOf(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`);
  } catch {
    return []; // ignored: the process has ended
  }
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return ""; // ignored: closed, or the process has ended
  }
}

function accessOf(path: string): number {
  const flags = /^flags:\s*([0-7]+)$/m.exec(readProcTextIfPresent(path) ?? "")?.[1] ?? "0";
  return Number.parseInt(flags, 8) & O_ACCMODE;
}
