// Which processes have a socket open: their descriptors, read without blocking since a host may have many.
import { readdir, readlink } from "node:fs/promises";

/** Returns a process for each of the sockets (by inode) that one of `pids` has open; all of the host's when absent. */
export async function findSocketOwners(
  inodes: ReadonlySet<string>,
  pids?: readonly number[],
): Promise<Map<string, number>> {
  const owners = new Map<string, number>();
  if (inodes.size === 0) return owners;
  for (const pid of pids ?? (await allPids())) {
    if (owners.size === inodes.size) break;
    for (const inode of await socketsOf(pid))
      if (inodes.has(inode) && !owners.has(inode)) owners.set(inode, pid);
  }
  return owners;
}

async function allPids(): Promise<number[]> {
  return (await readdir("/proc")).filter((name) => /^\d+$/.test(name)).map(Number);
}

async function socketsOf(pid: number): Promise<string[]> {
  const names = await readdir(`/proc/${pid}/fd`).catch(() => []); // ignored: it has ended, or is not ours to look at
  const links = await Promise.all(
    names.map((name) => readlink(`/proc/${pid}/fd/${name}`).catch(() => "")), // ignored: closed meanwhile
  );
  return links.flatMap((link) => /^socket:\[(\d+)\]$/.exec(link)?.[1] ?? []);
}
