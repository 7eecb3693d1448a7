// Volumes as archives, and copies of them (an extension of Docker's API): export and import as tar streams with owners, modes, times, links
// and attributes, the top directory's included, and clone, which shares blocks where the file system can.
import { randomHex } from "../../lib/id.ts";
import { Fault, messageOf } from "../../lib/errors.ts";
import type { ByteStream, UploadBody } from "../../api/call.ts";
import type { FsSession, Keel } from "../../linux/keel.ts";
import { fs } from "../../linux/ops.ts";
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
}

/** Returns everything in a volume as a tar, named from `./`. The volume stays mounted as long as the stream. */
export async function exportVolume(context: TransferContext, name: string): Promise<ByteStream> {
  await using stack = new AsyncDisposableStack();
  const path = await mountFor(context.catalog, name, stack);
  const session = stack.use(await context.keel.openFs({ kind: "dir", path }));
  const resources = stack.move();
  return context.archiver.pack(session, () => resources.disposeAsync());
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

/**
 * Makes a new `local` volume with the content and labels of another one. Fails with conflict when the new name is taken. A crash, or a
 * failure, leaves nothing of it.
 */
export async function cloneVolume(
  { catalog, keel }: TransferContext,
  name: string,
  target: string,
): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const source = await mountFor(catalog, name, stack);
  if (catalog.get(target) !== undefined)
    throw new Fault("conflict", `clone ${name}: volume ${target} exists already`, {
      code: "volume.name-taken",
    });
  const labels = catalog.get(name)?.labels ?? undefined;
  const user = `clone:${randomHex()}`;
  using pin = catalog.pin(target, user);
  await catalog.ensure({ name: target, driver: DEFAULT_DRIVER, labels, isPending: true });
  try {
    await catalog.fill(target, user, { hasContent: true, isPart: false }, async (path) => {
      await using session = await keel.openFs({ kind: "dir", path });
      await session.sync([fs.copy(source, ".", ".")]);
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

/** Mounts a volume until `stack` is disposed of; returns where it is. Fails with notFound. */
async function mountFor(catalog: VolumeCatalog, name: string, stack: AsyncDisposableStack): Promise<string> {
  const user = `copy:${randomHex()}`;
  stack.use(catalog.pin(name, user));
  const path = await catalog.mount(name, user);
  stack.defer(() => catalog.unmount(name, user));
  return path;
}
