// The first use of a volume: what the image has at the mount point, its owner and mode included, goes into an empty volume
// (unless `nocopy`). Done when the container is made, as Docker does; by descriptor below the container's root, so that a
// symlink in the image leads nowhere else. A destination that the image does not have, or that is a file, fills nothing.
import { Fault, SysError } from "../../../lib/errors.ts";
import { nameForKernel } from "../../../lib/tar/names.ts";
import type { FsSession } from "../../../linux/keel.ts";
import { fs } from "../../../linux/ops.ts";
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
  const { layers } = context;
  await using session = await layers.openFs(
    layers.containerRoot(layers.viewSource(layers.upperOf(record.id), record.layer)),
  );
  for (const mount of wanted) await fillVolume(context, record.id, session, mount);
}

async function fillVolume(
  context: Context,
  containerId: string,
  session: FsSession,
  mount: MountRecord,
): Promise<void> {
  const path = nameForKernel(mount.destination.slice(1));
  const names = await namesIn(session, path, mount);
  if (names === undefined) return;
  const isPart = mount.subpath !== undefined;
  const options = { hasContent: names > 0, isPart };
  await context.volumes.fill(mount.name ?? "", `fill:${containerId}`, options, async (target) => {
    try {
      await session.sync([fs.fill(path, target, mount.subpath)]);
    } catch (error) {
      // A sub-path that does not exist is told when the container starts.
      if (!(isPart && isErrno(error, ENOENT))) throw error;
    }
  });
}

/** Returns how many names a directory of the container has, undefined when there is no directory. */
async function namesIn(
  session: FsSession,
  path: string | Uint8Array,
  mount: MountRecord,
): Promise<number | undefined> {
  try {
    const [names] = await session.sync([fs.list(path)]);
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
