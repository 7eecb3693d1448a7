// `idmap` on a bind or volume: its files are shown with other owners than they have on the disk, by the kernel's id-mapped mounts.
// `owner` (what a bare `idmap` means) lets the container's user and the owner of the source be the same: what the one makes belongs to the
// other. Else the ids are listed in crun's and Podman's form, `uids=DISK-HOST-COUNT#…;gids=…`, `@` in front of a range where its
// second number is the container's. Parsing and maps are pure; who the two are is looked up at each start.
import { Fault } from "../../../lib/errors.ts";
import { checkIdMap, type IdMap, type IdRange, type Owner, outsideId } from "../../../linux/idmap.ts";
import { fs } from "../../../linux/ops.ts";
import type { ContainerContext } from "../context.ts";
import type { ContainerRecord } from "../record.ts";
import type { MountRecord } from "./record.ts";
import { ownerOfSource } from "./source.ts";

/** What a bare `idmap` means. */
export const OWNER = "owner";

type Context = Pick<ContainerContext, "keel" | "layers">;
type Ids = "uids" | "gids";

interface WrittenRange {
  readonly disk: number;
  readonly shown: number;
  readonly size: number;
  readonly isRelative: boolean;
}

/** All ids of the host, which a container without a user namespace has. */
const ALL: readonly IdRange[] = [{ inside: 0, outside: 0, size: 2 ** 32 - 1 }];
const HOST_IDS: IdMap = { uids: ALL, gids: ALL };
const RANGE = /^(@?)(\d{1,10})-(\d{1,10})-(\d{1,10})$/;

/** Returns what is after `idmap=` when it is one of the forms. Fails with invalidParameter. */
export function checkMountIdMap(text: string): string {
  if (text === OWNER) return text;
  for (const key of ["uids", "gids"] as const)
    for (const { disk, shown, size } of parse(text)[key] ?? [])
      if (size < 1 || disk + size > 2 ** 32 - 1 || shown + size > 2 ** 32 - 1)
        throw invalid(text, `${disk}-${shown}-${size} is no range of ids`);
  return text;
}

function parse(text: string): Partial<Record<Ids, readonly WrittenRange[]>> {
  const maps: Partial<Record<Ids, readonly WrittenRange[]>> = {};
  for (const part of text.split(";")) {
    const [, key, ranges] = /^(uids|gids)=(.+)$/.exec(part) ?? [];
    if (key === undefined || ranges === undefined || maps[key as Ids] !== undefined)
      throw invalid(text, 'expected "uids=DISK-HOST-COUNT#...;gids=DISK-HOST-COUNT#..."');
    maps[key as Ids] = ranges.split("#").map((range) => {
      const [, relative = "", disk, shown, size] = RANGE.exec(range) ?? [];
      if (disk === undefined) throw invalid(text, `${JSON.stringify(range)} is not DISK-HOST-COUNT`);
      return { disk: Number(disk), shown: Number(shown), size: Number(size), isRelative: relative !== "" };
    });
  }
  return maps;
}

/** Returns the maps of a container's mounts that ask for one, by destination; `places` are its volumes'. */
export async function mountIdMaps(
  context: Context,
  record: ContainerRecord,
  places: ReadonlyMap<string, string>,
): Promise<ReadonlyMap<string, IdMap>> {
  const wanted = (record.mounts ?? []).filter((m) => m.idMap !== undefined);
  const maps = new Map<string, IdMap>();
  if (wanted.length === 0) return maps;
  const user = wanted.some((m) => m.idMap === OWNER) ? await userOf(context, record) : { uid: 0, gid: 0 };
  const container = record.idMap ?? HOST_IDS;
  for (const mount of wanted)
    maps.set(
      mount.destination,
      mount.idMap === OWNER
        ? checked(mount, ownerMap(container, user, await ownerOf(context, mount, places)))
        : checked(mount, listedMap(container, mount.idMap ?? "")),
    );
  return maps;
}

/** Returns the map of one mount that asks for one, whose source is at that place. */
export async function mountIdMap(
  context: Context,
  record: ContainerRecord,
  mount: MountRecord,
  source: string,
): Promise<IdMap | undefined> {
  const places = new Map(mount.name === undefined ? [] : [[mount.name, source]]);
  return (await mountIdMaps(context, { ...record, mounts: [mount] }, places)).get(mount.destination);
}

/** Who the container's first process is, in the container's ids. */
async function userOf({ layers }: Context, record: ContainerRecord): Promise<Owner> {
  const root = layers.containerRoot(layers.viewSource(layers.upperOf(record.id, record.idMap), record.layer));
  await using session = await layers.openFs(root);
  const [found] = await session.sync([fs.user(record.config.User, [])]);
  const [uid, gid] = found as unknown as [uid: number, gid: number];
  return { uid, gid };
}

async function ownerOf(
  context: Context,
  mount: MountRecord,
  places: ReadonlyMap<string, string>,
): Promise<Owner> {
  const source = places.get(mount.name ?? "") ?? mount.source;
  const owner = await ownerOfSource(context, source);
  if (owner !== undefined) return owner;
  throw new Fault("invalidParameter", `idmap of ${mount.destination}: there is no ${source}`, {
    code: "mount.idmap",
  });
}

/** Returns the map that lets `user` (the container's ids) and `owner` (the disk's) be the same, and all others who they are inside. */
export function ownerMap(container: IdMap, user: Owner, owner: Owner): IdMap {
  return {
    uids: exchanged(container.uids, user.uid, owner.uid),
    gids: exchanged(container.gids, user.gid, owner.gid),
  };
}

/**
 * The ranges of a namespace as the disk's ids, with two of them exchanged. Root on the disk is nobody else's in the container: it may not
 * become an ordinary user there just because it was displaced.
 */
function exchanged(ranges: readonly IdRange[], user: number, owner: number): IdRange[] {
  const shown = outsideId(ranges, user);
  if (shown === undefined) return [...ranges];
  const displaced = outsideId(ranges, owner);
  const rest = ranges.flatMap((r) => [...without(r, [user, owner])]);
  const one = { inside: owner, outside: shown, size: 1 };
  if (user === owner || user === 0 || displaced === undefined) return [...rest, one];
  return [...rest, one, { inside: user, outside: displaced, size: 1 }];
}

/** Yields what is left of a range without some of its ids. */
function* without(range: IdRange, ids: readonly number[]): Generator<IdRange> {
  const end = range.inside + range.size;
  let from = range.inside;
  for (const id of [...new Set(ids)].filter((i) => i >= from && i < end).sort((a, b) => a - b)) {
    if (id > from) yield part(range, from, id);
    from = id + 1;
  }
  if (from < end) yield part(range, from, end);
}

const part = (range: IdRange, from: number, to: number): IdRange => ({
  inside: from,
  outside: range.outside + (from - range.inside),
  size: to - from,
});

/** Returns the map that a list stands for; what it does not say of is as in the container. */
export function listedMap(container: IdMap, text: string): IdMap {
  const written = parse(text);
  const ranges = (key: Ids): readonly IdRange[] =>
    written[key]?.map((r) => {
      const outside = r.isRelative ? outsideId(container[key], r.shown) : r.shown;
      if (
        outside === undefined ||
        (r.isRelative && outsideId(container[key], r.shown + r.size - 1) !== outside + r.size - 1)
      )
        throw invalid(text, `the container does not have the ids ${r.shown} to ${r.shown + r.size - 1}`);
      return { inside: r.disk, outside, size: r.size };
    }) ?? container[key];
  return { uids: ranges("uids"), gids: ranges("gids") };
}

const checked = (mount: MountRecord, map: IdMap): IdMap => checkIdMap(map, `idmap of ${mount.destination}`);

function invalid(text: string, why: string): Fault {
  return new Fault("invalidParameter", `invalid idmap ${JSON.stringify(text)}: ${why}`, {
    code: "mount.idmap",
  });
}
