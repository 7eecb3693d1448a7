// Volumes as archives, and copies of them (an extension of Docker's API): export and import as tar streams with owners, modes, times, links
// and attributes, the top directory's included, and clone, which shares blocks where the file system can.
import { randomHex } from "../../lib/id.ts";
import { Fault, messageOf } from "../../lib/errors.ts";
import type { ByteStream, ProgressSink, UploadBody } from "../../api/call.ts";
import type { FsSession, Keel } from "../../linux/keel.ts";
import type { VolumeTrees } from "../../storage/volume/snapshots.ts";
import type { VolumeCatalog } from "./catalog.ts";
import { DEFAULT_DRIVER } from "./driver.ts";

/** Trees as archives; the side that copies files of containers does it (engine/container/files). */
export interface TreeArchiver {
  /** Returns the session's whole tree as a tar, named from `./`; `close` is called at the stream's end, whoever ends it. */
  pack(session: FsSession, close: () => Promise<void>): Promise<ByteStream>;
  /** Unpacks a tar, compressed or not, over the session's tree. Fails with invalidParameter for a bad archive. */
  unpack(session: FsSession, body: UploadBody): Promise<void>;
}

export interface TransferContext {
  readonly catalog: VolumeCatalog;
  readonly keel: Keel;
  readonly archiver: TreeArchiver;
  readonly trees: VolumeTrees;
  /** Lets the running containers that have a volume stand still until it is disposed of. */
  readonly holdUsers: (name: string) => Promise<AsyncDisposable>;
}

export interface CopyOptions {
  /** The containers that use the volume stand still meanwhile: the copy is of one moment. */
  readonly pause: boolean;
}

/** Returns everything in a volume as a tar, named from `./`. The volume stays mounted as long as the stream. */
export async function exportVolume(
  context: TransferContext,
  name: string,
  options: CopyOptions,
): Promise<ByteStream> {
  await using stack = new AsyncDisposableStack();
  const path = await mountFor(context.catalog, name, stack);
  if (options.pause) stack.use(await context.holdUsers(name));
  const session = stack.use(await context.keel.openFs({ kind: "dir", path }));
  const resources = stack.move();
  return await context.archiver.pack(session, () => resources.disposeAsync());
}

/** Unpacks a tar, compressed or not, into a volume that exists: what has the same name is replaced. */
export async function importVolume(
  { catalog, keel, archiver }: TransferContext,
  name: string,
  body: UploadBody,
): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const path = await mountFor(catalog, name, stack);
  await using session = await keel.openFs({ kind: "dir", path });
  try {
    await archiver.unpack(session, body);
  } catch (error) {
    if (error instanceof Fault) throw error;
    throw new Fault("system", `cannot import into volume ${name}: ${messageOf(error)}`, {
      code: "volume.import",
      cause: error,
    });
  }
}

export interface CloneRequest extends CopyOptions {
  /** The new volume. */
  readonly target: string;
  /** Opens what is to be copied, in place of the volume as it is now. */
  readonly openSource?: (stack: AsyncDisposableStack) => Promise<string>;
}

/**
 * Makes a new `local` volume with the content and labels of another one. Fails with conflict when the new name is taken. A crash, or a
 * failure, leaves nothing of it.
 */
export async function cloneVolume(
  { catalog, trees, holdUsers }: TransferContext,
  name: string,
  { target, pause, openSource }: CloneRequest,
  out: ProgressSink,
): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const source = await (openSource?.(stack) ?? mountFor(catalog, name, stack));
  if (catalog.get(target) !== undefined)
    throw new Fault("conflict", `clone ${name}: volume ${target} exists already`, {
      code: "volume.name-taken",
    });
  const labels = catalog.get(name)?.labels ?? undefined;
  const user = `clone:${randomHex()}`;
  using pin = catalog.pin(target, user);
  const onProgress = copyProgress(out, name, await trees.sizeBytes(source));
  await catalog.ensure({ name: target, driver: DEFAULT_DRIVER, labels, isPending: true });
  try {
    await catalog.fill(target, user, { hasContent: true, isPart: false }, async (path) => {
      await using _still = pause ? await holdUsers(name) : undefined;
      await trees.fill(source, path, onProgress);
    });
    await catalog.keep(target);
  } catch (error) {
    pin[Symbol.dispose]();
    await catalog.remove(target, { force: true });
    throw new Fault("system", `cannot clone volume ${name}: ${messageOf(error)}`, {
      code: "volume.clone",
      cause: error,
    });
  }
}

/** Returns what tells a client how far a copy is. */
export function copyProgress(out: ProgressSink, id: string, total: number): (bytes: number) => void {
  return (current) =>
    void out.write({ id, status: "Copying", progressDetail: { current: Math.min(current, total), total } });
}

/** Mounts a volume until `stack` is disposed of; returns where it is. Fails with notFound. */
export async function mountFor(
  catalog: VolumeCatalog,
  name: string,
  stack: AsyncDisposableStack,
): Promise<string> {
  const user = `copy:${randomHex()}`;
  stack.use(catalog.pin(name, user));
  const path = await catalog.mount(name, user);
  stack.defer(() => catalog.unmount(name, user));
  return path;
}
