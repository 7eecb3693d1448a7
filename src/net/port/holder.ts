// Finds the process that holds a local port, for error messages: "by whom" turns a riddle into a fix.
// Reads procfs only when a bind has failed; best effort, never throws. Source: proc(5), /proc/net/tcp and /proc/PID/fd.

import { readFile, readdir, readlink } from "node:fs/promises";
import type { PortProto } from "../model.ts";

const TCP_LISTEN = "0A";

/** A process that holds a port. */
export interface PortHolder {
  pid: number;
  /** Its short name (/proc/PID/comm). */
  name: string;
}

/** Returns who listens on the port (on any address), undefined when that cannot be known. */
export async function findPortHolder(proto: PortProto, port: number): Promise<PortHolder | undefined> {
  if (proto === "sctp") return undefined;
  const inodes = new Set<string>();
  for (const table of [`/proc/net/${proto}`, `/proc/net/${proto}6`])
    for (const inode of socketInodes(await readOr(table, ""), proto, port)) inodes.add(inode);
  return inodes.size === 0 ? undefined : processWithSocket(inodes);
}

/** Returns the inodes of the sockets bound to a local port in the text of /proc/net/tcp or udp. */
export function socketInodes(table: string, proto: PortProto, port: number): string[] {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  return table.split("\n").flatMap((line) => {
    const [, local, , state, , , , , , inode] = line.trim().split(/\s+/);
    const isBound = local?.endsWith(suffix) === true && (proto === "udp" || state === TCP_LISTEN);
    return isBound && inode !== undefined && inode !== "0" ? [inode] : [];
  });
}

async function processWithSocket(inodes: ReadonlySet<string>): Promise<PortHolder | undefined> {
  const wanted = new Set([...inodes].map((inode) => `socket:[${inode}]`));
  for (const pid of await listOr("/proc")) {
    if (!/^\d+$/.test(pid)) continue;
    for (const fd of await listOr(`/proc/${pid}/fd`)) {
      const link = await readlink(`/proc/${pid}/fd/${fd}`).catch(() => ""); // ignored: the process or descriptor is gone
      if (wanted.has(link)) return { pid: Number(pid), name: (await readOr(`/proc/${pid}/comm`, "")).trim() };
    }
  }
  return undefined;
}

const readOr = (path: string, otherwise: string): Promise<string> =>
  readFile(path, "utf8").catch(() => otherwise);
const listOr = (path: string): Promise<string[]> => readdir(path).catch(() => []);
