// Accounts and the ids that are set aside for them: /etc/passwd, /etc/group, /etc/subuid and /etc/subgid (subuid(5)).
// Read as text, as shadow's newuidmap(1) does where nothing else is configured.
import { readFileSync } from "node:fs";
import type { IdMap, IdRange } from "./idmap.ts";

/** A user or a group of this machine. */
export interface Account {
  readonly name: string;
  readonly id: number;
}

/** Ids set aside: `size` from `first` on. */
export interface SubIds {
  readonly first: number;
  readonly size: number;
}

const MAX_ID = 2 ** 32 - 2;

/** Returns the account of a name, or of a number, from the lines of /etc/passwd or /etc/group. */
export function findAccount(text: string, wanted: string | number): Account | undefined {
  for (const line of text.split("\n")) {
    const [name = "", , number = ""] = line.split(":");
    const id = idOf(number);
    if (name === "" || id === undefined) continue;
    if (typeof wanted === "number" ? id === wanted : name === wanted) return { name, id };
  }
  return undefined;
}

/** Returns the number that a text is, undefined for anything but the id of a user or group. */
export function idOf(text: string): number | undefined {
  if (!/^\d{1,10}$/.test(text)) return undefined;
  const id = Number(text);
  return id <= MAX_ID ? id : undefined;
}

/** Returns the ids of an account (by its name or number) in the order of the file; what is no range is passed over. */
export function findSubIds(text: string, account: Account): SubIds[] {
  const ranges: SubIds[] = [];
  for (const line of text.split("\n")) {
    const [owner = "", from = "", count = ""] = line.trim().split(":");
    if (owner !== account.name && owner !== String(account.id)) continue;
    const first = idOf(from);
    const size = idOf(count);
    if (first !== undefined && size !== undefined && size > 0 && first + size <= MAX_ID + 1)
      ranges.push({ first, size });
  }
  return ranges;
}

/** Returns a map that gives the ids one after the other, from `inside` on. */
export function consecutive(ranges: readonly SubIds[], inside = 0): IdRange[] {
  let next = inside;
  return ranges.map(({ first, size }) => {
    const range = { inside: next, outside: first, size };
    next += size;
    return range;
  });
}

/** The files, in the daemon's view. */
export interface AccountFiles {
  readonly passwd: string;
  readonly group: string;
  readonly subuid: string;
  readonly subgid: string;
}

/** Reads the files; a missing one is empty. */
export function loadAccountFiles(): AccountFiles {
  const read = (name: string): string => {
    try {
      return readFileSync(`/etc/${name}`, "utf8");
    } catch {
      return ""; // ignored: no file, no accounts
    }
  };
  return { passwd: read("passwd"), group: read("group"), subuid: read("subuid"), subgid: read("subgid") };
}

/** Returns the ids that are set aside for a user and a group. */
export function subIdMap(files: AccountFiles, user: Account, group: Account): IdMap {
  return {
    uids: consecutive(findSubIds(files.subuid, user)),
    gids: consecutive(findSubIds(files.subgid, group)),
  };
}
