// The files of a stopped container's mounts, for `cp`: which mount a path is in, and a file session on what would be mounted
// there. A volume stays mounted for as long as its session.
import { posix } from "node:path";
import { randomHex } from "../../../lib/id.ts";
import { SysError } from "../../../lib/errors.ts";
import { idMapTexts } from "../../../linux/idmap.ts";
import type { FsRoot, FsSession } from "../../../linux/keel.ts";
import type { ContainerContext } from "../context.ts";
import { cleanPath } from "../files/path.ts";
import type { ContainerRecord } from "../record.ts";
import type { MountRecord } from "./record.ts";

type Context = Pick<ContainerContext, "keel" | "layers" | "volumes">;

/** What is known of the ids of a container's files. */
type Owners = Pick<ContainerRecord, "idMap" | "hasOwnRange">;

/** A session, and where in it the wanted path is. */
export interface OpenedSource {
  readonly session: FsSession;
  readonly clean: string;
}

/** Returns the innermost mount that a cleaned path is in; a tmpfs of a stopped container has no files, so it does not count. */
export function mountAt(record: Pick<ContainerRecord, "mounts">, path: string): MountRecord | undefined {
  return (record.mounts ?? [])
    .filter((m) => m.type !== "tmpfs")
    .map((m) => ({ mount: m, at: cleanPath(m.destination) }))
    .filter(({ at }) => path === at || path.startsWith(`${at}/`))
    .sort((a, b) => b.at.length - a.at.length)[0]?.mount;
}

/** Returns the mounts below a cleaned directory, outermost first, as the packer of `cp` takes them. */
export function nestedMounts(
  context: Context,
  record: Pick<ContainerRecord, "mounts"> & Owners,
  dir: string,
): { path: string; open(): Promise<OpenedSource | undefined> }[] {
  const before = dir === "" ? "" : `${dir}/`;
  return (record.mounts ?? [])
    .filter((m) => m.type !== "tmpfs")
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
  record: Owners,
  mount: MountRecord,
  rest: string,
): Promise<OpenedSource | undefined> {
  const inside = posix.join(mount.subpath ?? "", rest);
  const clean = inside === "." ? "" : inside.replace(/\/$/, "");
  if (mount.type === "image")
    return { session: await context.layers.openFs(context.layers.rootSource(mount.layer ?? null)), clean };
  if (mount.type === "volume") {
    // Files in volumes of such a container have its own ids on the disk.
    const owners = record.hasOwnRange ? {} : record;
    return { session: await openVolume(context, owners, mount.name ?? ""), clean };
  }
  try {
    return { session: await context.keel.openFs(sourceRoot(record, mount.source)), clean };
  } catch (error) {
    if (!(error instanceof SysError) || error.errno !== ENOTDIR) throw error;
  }
  // What is bound is a file; it is looked up in its directory.
  if (rest !== "") return undefined;
  const session = await context.keel.openFs(sourceRoot(record, posix.dirname(mount.source)));
  return { session, clean: posix.basename(mount.source) };
}

const ENOTDIR = 20;

/** A host's directory as the container's root sees it, with no other rights than his. */
function sourceRoot({ idMap }: Owners, path: string): FsRoot {
  return idMap === undefined ? { kind: "dir", path } : { kind: "inside", path, userns: idMapTexts(idMap) };
}

async function openVolume(context: Context, record: Owners, name: string): Promise<FsSession> {
  const user = `copy:${randomHex()}`;
  const giveBack = (): Promise<void> => context.volumes.unmount(name, user);
  const path = await context.volumes.mount(name, user);
  try {
    const session = await context.keel.openFs(sourceRoot(record, path));
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
