// Names of the host's users and groups, from /etc/passwd and /etc/group. Docker shows a container's processes
// under the host's names, because ps runs on the host. Read again when the file changed.

import { readFileSync, statSync } from "node:fs";

interface Cache {
  stamp: string;
  names: ReadonlyMap<number, string>;
}

const caches = new Map<string, Cache>();

/** Returns the name of a user id, undefined when /etc/passwd has none. */
export function userNameOf(uid: number): string | undefined {
  return namesOf("/etc/passwd").get(uid);
}

/** Returns the name of a group id, undefined when /etc/group has none. */
export function groupNameOf(gid: number): string | undefined {
  return namesOf("/etc/group").get(gid);
}

function namesOf(path: string): ReadonlyMap<number, string> {
  try {
    const { mtimeMs, size, ino } = statSync(path);
    const stamp = `${mtimeMs} ${size} ${ino}`;
    const known = caches.get(path);
    if (known?.stamp === stamp) return known.names;
    const names = parseAccounts(readFileSync(path, "utf8"));
    caches.set(path, { stamp, names });
    return names;
  } catch {
    return new Map(); // ignored: without the file everybody is a number
  }
}

/** Parses `name:password:id:…` lines; the first of several names for an id counts. */
export function parseAccounts(text: string): Map<number, string> {
  const names = new Map<number, string>();
  for (const line of text.split("\n")) {
    const [name, , id] = line.split(":");
    if (!name || !id || !/^\d+$/.test(id) || names.has(Number(id))) continue;
    names.set(Number(id), name);
  }
  return names;
}
