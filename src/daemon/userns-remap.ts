// `userns-remap`: the user and group whose set-aside ids containers get, and the data root of its own that such a daemon has, as
// dockerd's. Layers need nothing of it: they are shown to containers through id-mapped mounts
// (docs/decisions/0002-id-mapped-layers.md); the directory is for what containers write, whose owners are those ids.
import { spawnSync } from "node:child_process";
import { appendFileSync, chmodSync, chownSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { type IdPool, POOL_USER } from "../engine/container/host-config/id-ranges.ts";
import { Fault } from "../lib/errors.ts";
import { checkIdMap, type IdMap, outsideRoot } from "../linux/idmap.ts";
import {
  type Account,
  type AccountFiles,
  findAccount,
  findSubIds,
  idOf,
  loadAccountFiles,
  subIdMap,
} from "../linux/subid.ts";

/** compat: dockerd's word for "a user made for it", and that user's name. */
const DEFAULT = "default";
const DEFAULT_USER = "dockremap";
/** Ids of a user that is made here. */
const RANGE_SIZE = 65_536;
const FIRST_RANGE = 100_000;

/** Returns the ids for a setting; undefined where it changes nothing. Fails with invalidParameter. */
export function remapOf(setting: string, files: AccountFiles): IdMap | undefined {
  if (setting === "") return undefined;
  const [user = "", group, ...rest] = setting === DEFAULT ? [DEFAULT_USER] : setting.split(":");
  if (rest.length > 0) throw invalid(`Invalid user/group specification in --userns-remap: "${setting}"`);
  const account = lookUp(files.passwd, user, "uid");
  // compat: without a group the one with the user's name, or number, counts.
  const groupAccount = lookUp(files.group, group ?? user, "gid");
  // compat: root as itself is no user namespace.
  if (account.id === 0) return undefined;
  const map = subIdMap(files, account, groupAccount);
  for (const [file, ranges, owner] of [
    ["subuid", map.uids, account],
    ["subgid", map.gids, groupAccount],
  ] as const)
    if (ranges.length === 0)
      throw invalid(`Can't create ID mappings: no ids are set aside for "${owner.name}" in /etc/${file}`);
  return checkIdMap(map, "userns-remap");
}

function lookUp(text: string, wanted: string, kind: "uid" | "gid"): Account {
  const file = kind === "uid" ? "/etc/passwd" : "/etc/group";
  const id = idOf(wanted);
  const account = findAccount(text, id ?? wanted);
  if (account !== undefined) return account;
  throw invalid(
    id === undefined
      ? `Error during ${kind} lookup for "${wanted}": it is not in ${file}`
      : `${kind === "uid" ? "Uid" : "Gid"} ${id} has no entry in ${file}`,
  );
}

/** Makes the default user, with ids set aside, where it is missing. Fails with system where that cannot be done. */
export function makeDefaultUser(files: AccountFiles): void {
  if (findAccount(files.passwd, DEFAULT_USER) === undefined) {
    const args = ["--system", "--user-group", "--no-create-home", "--shell", "/bin/false", DEFAULT_USER];
    const { error, status, stderr } = spawnSync("useradd", args, { encoding: "utf8" });
    if (error !== undefined || status !== 0)
      throw new Fault(
        "system",
        `Error during "${DEFAULT_USER}" user creation: useradd: ${error?.message ?? stderr.trim()}; make the user yourself, with ids in /etc/subuid and /etc/subgid, or name another one`,
        { code: "daemon.userns-user" },
      );
  }
  for (const name of ["subuid", "subgid"] as const)
    if (!files[name].split("\n").some((line) => line.startsWith(`${DEFAULT_USER}:`)))
      appendFileSync(`/etc/${name}`, `${DEFAULT_USER}:${freeRange(files[name])}:${RANGE_SIZE}\n`);
}

/** Returns the first id behind all that are set aside already. */
export function freeRange(text: string): number {
  const ends = text.split("\n").map((line) => {
    const [, first = "", size = ""] = line.split(":");
    return (idOf(first) ?? 0) + (idOf(size) ?? 0);
  });
  return Math.max(FIRST_RANGE, ...ends);
}

/** Returns the settings of a daemon with the ids that its containers get and the data root that goes with them. */
export function withRemap<T extends { readonly dataRoot: string; readonly usernsRemap: string }>(
  config: T,
): T & { readonly idMap: IdMap | undefined } {
  if (config.usernsRemap === DEFAULT) makeDefaultUser(loadAccountFiles());
  const idMap = remapOf(config.usernsRemap, loadAccountFiles());
  if (idMap === undefined) return { ...config, idMap };
  const { uid, gid } = outsideRoot(idMap);
  const dataRoot = join(config.dataRoot, `${uid}.${gid}`);
  // compat: the remapped group may pass through; what is in it has owners and modes of its own.
  mkdirSync(config.dataRoot, { recursive: true, mode: 0o711 });
  mkdirSync(dataRoot, { recursive: true, mode: 0o710 });
  chmodSync(dataRoot, 0o710);
  chownSync(dataRoot, 0, gid);
  return { ...config, dataRoot, idMap };
}

/** Reads what is set aside for containers with ranges of their own. */
export function loadIdPool(): IdPool {
  const { passwd, subuid, subgid } = loadAccountFiles();
  const user = findAccount(passwd, POOL_USER) ?? { name: POOL_USER, id: -1 };
  return { uids: findSubIds(subuid, user), gids: findSubIds(subgid, user) };
}

/** An ordinary user's daemon has the user's ids, and all containers share them. */
export function noIdPool(): never {
  throw invalid("--userns=auto cannot be used in rootless mode");
}

function invalid(message: string): Fault {
  return new Fault("invalidParameter", message, { code: "daemon.userns-remap" });
}
