// The first use of a volume: what the image has at the mount point, its owner and mode included, goes into an empty volume
// (unless `nocopy`). Done when the container is made, as Docker does; by descriptor below the container's root, so that a
// symlink in the image leads nowhere else. A destination that the image does not have, or that is a file, fills nothing.
import { Fault, messageOf, SysError } from "../../../lib/errors.ts";
import { nameForKernel } from "../../../lib/tar/names.ts";
import type { FsSession } from "../../../linux/keel.ts";
import { fs } from "../../../linux/ops.ts";
import { isPlain } from "../../volume/record.ts";
import type { ContainerContext } from "../context.ts";
import type { ContainerRecord } from "../record.ts";
import type { MountRecord } from "./record.ts";

type Context = Pick<ContainerContext, "layers" | "volumes">;

const ENOENT = 2;
const ENOTDIR = 20;

/** Fills the container's empty volumes. Fails with system where the disk refuses. */
export async function fillVolumes(context: Context, record: ContainerRecord): Promise<void> {
  const wanted: MountRecord[] = [];
  for (const mount of record.mounts ?? [])
    if (mount.type === "volume" && !mount.hasNoCopy && mount.name !== undefined)
      if (mount.subpath !== undefined || (await context.volumes.mayBeEmpty(mount.name))) wanted.push(mount);
  if (wanted.length === 0) return;
  await using session = await openImage(context, record);
  for (const mount of wanted) await fillVolume(context, record, session, mount);
}

/** The container's root without what is mounted in it, with the owners that files have in volumes. */
function openImage({ layers }: Context, record: ContainerRecord): Promise<FsSession> {
  const root = layers.containerRoot(layers.viewSource(layers.upperOf(record.id), record.layer));
  return layers.openFs(layers.mappedRoot(root, record.hasOwnRange ? undefined : record.idMap));
}

async function fillVolume(
  context: Context,
  record: ContainerRecord,
  session: FsSession,
  mount: MountRecord,
): Promise<void> {
  const { name = "", subpath } = mount;
  const names = await namesIn(session, mount);
  if (names === undefined) return;
  const volume = context.volumes.get(name);
  const options = { hasContent: names > 0, isPart: subpath !== undefined };
  await context.volumes.fill(name, `fill:${record.id}`, options, async (target) => {
    if (volume !== undefined && isPlain(volume)) return copyInto(session, mount, target);
    // A session has mounts of its own: only one that begins now sees what has just been mounted.
    await using later = await openImage(context, record);
    await copyInto(later, mount, target);
  });
}

const pathOf = (mount: MountRecord): string | Uint8Array => nameForKernel(mount.destination.slice(1));

async function copyInto(session: FsSession, mount: MountRecord, target: string): Promise<void> {
  try {
    await session.sync([fs.fill(pathOf(mount), target, mount.subpath)]);
  } catch (error) {
    // A sub-path that does not exist is told when the container starts.
    if (mount.subpath !== undefined && isErrno(error, ENOENT)) return;
    throw new Fault(
      "system",
      `cannot copy the image's files into volume ${mount.name}: ${messageOf(error)}`,
      { code: "volume.fill", cause: error },
    );
  }
}

/** Returns how many names a directory of the container has, undefined when there is no directory. */
async function namesIn(session: FsSession, mount: MountRecord): Promise<number | undefined> {
  try {
    const [names] = await session.sync([fs.list(pathOf(mount))]);
    return (names as unknown as unknown[]).length;
  } catch (error) {
    if (isErrno(error, ENOENT)) return undefined;
    if (!isErrno(error, ENOTDIR)) throw error;
    if (mount.isAnonymous)
      throw new Fault("system", `cannot mount volume over existing file, file exists ${mount.destination}`, {
        code: "mount.over-file",
      });
    return undefined;
  }
}

function isErrno(error: unknown, errno: number): boolean {
  return error instanceof SysError && error.errno === errno;
}
