// The files of a stopped container's mounts, for `cp`: which mount a path is in, and a file session on what would be mounted
// there. A volume stays mounted for as long as its session.
import { access } from "node:fs/promises";
import { posix } from "node:path";
import { randomHex } from "../../../lib/id.ts";
import { Fault, SysError } from "../../../lib/errors.ts";
import { type IdMap, idMapTexts } from "../../../linux/idmap.ts";
import type { FsRoot, FsSession } from "../../../linux/keel.ts";
import type { ContainerContext } from "../context.ts";
import { cleanPath } from "../files/path.ts";
import type { ContainerRecord } from "../record.ts";
import { etcFilesOf } from "../spec/input.ts";
import { mountIdMap } from "./idmap.ts";
import type { MountRecord } from "./record.ts";

type Context = Pick<ContainerContext, "keel" | "layers" | "volumes">;

/** A session, and where in it the wanted path is. */
export interface OpenedSource {
  readonly session: FsSession;
  readonly clean: string;
}

/** Returns what would be mounted over a stopped container's files; a tmpfs has none, so it does not count. */
export async function mountsOf(
  context: Pick<ContainerContext, "paths">,
  record: ContainerRecord,
): Promise<MountRecord[]> {
  const own = (record.mounts ?? []).filter((m) => m.type !== "tmpfs");
  return [...own, ...(await etcMountsOf(context, record))];
}

/** Returns the cleaned paths that something is mounted on in a run. */
export async function destinationsOf(
  context: Pick<ContainerContext, "paths">,
  record: ContainerRecord,
): Promise<ReadonlySet<string>> {
  const mounts = [...(record.mounts ?? []), ...(await etcMountsOf(context, record))];
  return new Set(mounts.map((m) => cleanPath(m.destination)));
}

/** Returns its files of /etc as the last start left them, where no mount of its own takes their place. */
async function etcMountsOf(
  { paths }: Pick<ContainerContext, "paths">,
  record: ContainerRecord,
): Promise<MountRecord[]> {
  const taken = new Set((record.mounts ?? []).map((m) => m.destination));
  const { hostname = "", hosts = "", resolvConf = "" } = etcFilesOf(record, paths);
  const files = { "/etc/hostname": hostname, "/etc/hosts": hosts, "/etc/resolv.conf": resolvConf };
  const isReadonly = record.hostConfig.ReadonlyRootfs === true;
  const mounts: MountRecord[] = [];
  for (const [destination, source] of Object.entries(files))
    if (!taken.has(destination) && (await exists(source)))
      mounts.push({ type: "bind", destination, source, mode: "", isReadonly, propagation: "" });
  return mounts;
}

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false, // ignored: a container that was never started has none
  );

/** Returns the innermost mount that a cleaned path is in. */
export function mountAt(mounts: readonly MountRecord[], path: string): MountRecord | undefined {
  return mounts
    .map((m) => ({ mount: m, at: cleanPath(m.destination) }))
    .filter(({ at }) => path === at || path.startsWith(`${at}/`))
    .sort((a, b) => b.at.length - a.at.length)[0]?.mount;
}

/** Returns the mounts below a cleaned directory, outermost first, as the packer of `cp` takes them. */
export function nestedMounts(
  context: Context,
  record: ContainerRecord,
  mounts: readonly MountRecord[],
  dir: string,
): { path: string; open(): Promise<OpenedSource | undefined> }[] {
  const before = dir === "" ? "" : `${dir}/`;
  return mounts
    .map((m) => ({ mount: m, at: cleanPath(m.destination) }))
    .filter(({ at }) => at.startsWith(before) && at !== dir)
    .sort((a, b) => a.at.length - b.at.length)
    .map(({ mount, at }) => ({
      path: at.slice(before.length),
      open: () => openSource(context, record, mount, ""),
    }));
}

/** Opens what a mount is of; `rest` is the wanted path in it. undefined when it is a file and something below it is wanted. */
export async function openSource(
  context: Context,
  record: ContainerRecord,
  mount: MountRecord,
  rest: string,
): Promise<OpenedSource | undefined> {
  const inside = posix.join(mount.subpath ?? "", rest);
  const clean = inside === "." ? "" : inside.replace(/\/$/, "");
  if (mount.type === "image")
    return { session: await context.layers.openFs(context.layers.rootSource(mount.layer ?? null)), clean };
  if (mount.type === "volume") {
    return { session: await openVolume(context, record, mount), clean };
  }
  try {
    const root = await sourceRoot(context, record, mount, mount.source);
    return { session: await context.keel.openFs(root), clean };
  } catch (error) {
    if (!(error instanceof SysError) || error.errno !== ENOTDIR) throw error;
  }
  // What is bound is a file; it is looked up in its directory.
  if (rest !== "") return undefined;
  const root = await sourceRoot(context, record, mount, mount.source);
  const session = await context.keel.openFs({ ...root, path: posix.dirname(mount.source) });
  return { session, clean: posix.basename(mount.source) };
}

const ENOTDIR = 20;

/** A host's directory as the container's root sees it, with no other rights than his. */
async function sourceRoot(
  context: Context,
  record: ContainerRecord,
  mount: MountRecord,
  path: string,
): Promise<Extract<FsRoot, { kind: "dir" | "inside" }>> {
  // Files in volumes of such a container have its own ids on the disk.
  const idMap = mount.type === "volume" && record.hasOwnRange ? undefined : record.idMap;
  if (mount.idMap === undefined)
    return idMap === undefined ? { kind: "dir", path } : { kind: "inside", path, userns: idMapTexts(idMap) };
  if (record.idMap !== undefined)
    throw new Fault(
      "conflict",
      `${mount.destination} is id-mapped into the container's user namespace: start the container first`,
      { code: "container.not-running" },
    );
  const maps = idMapTexts((await mountIdMap(context, record, mount, path)) as IdMap);
  return { kind: "dir", path, idMapped: [{ path, maps }] };
}

async function openVolume(context: Context, record: ContainerRecord, mount: MountRecord): Promise<FsSession> {
  const name = mount.name ?? "";
  const user = `copy:${randomHex()}`;
  const giveBack = (): Promise<void> => context.volumes.unmount(name, user);
  const path = await context.volumes.mount(name, user);
  try {
    const session = await context.keel.openFs(await sourceRoot(context, record, mount, path));
    return {
      send: (ops) => session.send(ops),
      sync: (ops) => session.sync(ops),
      export: (at) => session.export(at),
      async [Symbol.asyncDispose]() {
        await session[Symbol.asyncDispose]();
        await giveBack();
      },
    };
  } catch (error) {
    await giveBack();
    throw error;
  }
}
