// ContainerArchiveInfo, ContainerArchive and PutContainerArchive: `docker cp`. Finds the path, says what it is, packs
// it or unpacks into it. Every look at the files goes through a keel session below the container's root.
import type { ArchiveStream, UploadBody } from "../../../api/call.ts";
import type { PathStat } from "../../../api/schemas/container.ts";
import { decompress } from "../../../lib/compress/stream.ts";
import { Fault, SysError } from "../../../lib/errors.ts";
import { type ContainerContext, publish } from "../context.ts";
import type { ContainerRecord } from "../record.ts";
import type { LiveContainer } from "../table.ts";
import { closing } from "./closing.ts";
import { ownerOf } from "./owner.ts";
import { packPath } from "./pack.ts";
import { parseContainerPath } from "./path.ts";
import { destinationsOf, mountsOf, nestedMounts } from "../mounts/open.ts";
import {
  type OpenRoot,
  openForReading,
  openForWriting,
  openLive,
  readOnlyRoot,
  readOnlyVolume,
} from "./root.ts";
import { ERRNO, isDirectory, isErrno, pathStatOf, statAt, statPath } from "./stat.ts";
import { unpackInto } from "./unpack.ts";

/** A container and how the request names it. */
export interface CopyTarget {
  readonly live: LiveContainer;
  readonly record: ContainerRecord;
  readonly reference: string;
}

export interface PutOptions {
  readonly path: string | undefined;
  readonly noOverwriteDirNonDir: boolean;
  readonly copyUIDGID: boolean;
}

/** Returns what is at a path. Fails with notFound. */
export async function archiveInfo(
  context: ContainerContext,
  target: CopyTarget,
  text: string | undefined,
): Promise<PathStat> {
  return guard(async () => {
    const root = await openForReading(context, target.live, target.record, parseContainerPath(text));
    await using session = root.session;
    return await pathStatOf(session, root.path, await statPath(session, root.path, target.reference));
  });
}

/** Returns a path with its tar. The session lives as long as the stream. */
export async function archive(
  context: ContainerContext,
  target: CopyTarget,
  text: string | undefined,
): Promise<ArchiveStream> {
  return guard(async () => {
    const wanted = parseContainerPath(text);
    const { session, path, isLive } = await openForReading(context, target.live, target.record, wanted);
    const mounts = isLive ? [] : await mountsOf(context, target.record);
    const nested = nestedMounts(context, target.record, mounts, wanted.clean);
    const close = async (): Promise<void> => {
      await session[Symbol.asyncDispose]();
    };
    try {
      const found = await statPath(session, path, target.reference);
      const stat = await pathStatOf(session, path, found);
      publish(context, target.record, "archive-path");
      return { stat, content: closing(packPath(session, path, found, { isLive, nested }), close) };
    } catch (error) {
      await close();
      throw error;
    }
  });
}

/** Unpacks an archive into a directory of the container. Fails with notFound, invalidParameter and forbidden. */
export async function putArchive(
  context: ContainerContext,
  target: CopyTarget,
  options: PutOptions,
  body: UploadBody,
): Promise<void> {
  const path = parseContainerPath(options.path);
  await guard(async () => {
    const live = await openLive(context, target.live.run, target.record, path);
    if (live !== undefined) return await unpackAt(context, live, target, options, body);
    await target.live.lane.run(async () => {
      const root =
        (await openLive(context, target.live.run, target.record, path)) ??
        (await openForWriting(context, target.record, path));
      await unpackAt(context, root, target, options, body);
    });
  }, target.record);
  publish(context, target.record, "extract-to-dir");
}

async function unpackAt(
  context: ContainerContext,
  root: OpenRoot,
  { record, reference }: CopyTarget,
  options: PutOptions,
  body: UploadBody,
): Promise<void> {
  await using session = root.session;
  const { path } = root;
  await statPath(session, { ...path, saysDirectory: false }, reference);
  const stat = await statAt(session, path.clean, { follow: true });
  if (stat === undefined)
    throw new Fault("notFound", `Could not find the file ${path.text} in container ${reference}`, {
      code: "container.path-not-found",
    });
  if (!isDirectory(stat))
    throw new Fault("invalidParameter", "extraction point is not a directory", { code: "container.path" });
  const owner = options.copyUIDGID ? await ownerOf(session, record.config.User ?? "") : undefined;
  const { stream } = await decompress(body);
  const keepsTypes = options.noOverwriteDirNonDir;
  const covered = root.isMount ? undefined : await destinationsOf(context, record);
  await unpackInto(session, stream, { directory: path.clean, keepsTypes, owner, covered });
}

/** Gives the kernel's refusals a kind; other errors pass. */
async function guard<T>(work: () => Promise<T>, record?: ContainerRecord): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (isErrno(error, ERRNO.EROFS))
      throw record?.hostConfig.ReadonlyRootfs ? readOnlyRoot() : readOnlyVolume();
    if (!(error instanceof SysError)) throw error;
    const kind = REQUEST_ERRNOS.has(error.errno) ? "invalidParameter" : "system";
    throw new Fault(kind, error.message, { code: "container.copy", cause: error });
  }
}

/** EPERM, EBUSY, ENOTDIR, EISDIR, EINVAL, ENAMETOOLONG, ELOOP: what was asked for cannot be, the machine is well. */
const REQUEST_ERRNOS = new Set([1, 16, 20, 21, 22, 36, 40]);
