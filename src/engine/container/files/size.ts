// How much a container's files take: what it has written itself, and with its image (SizeRw and SizeRootFs).
import { messageOf } from "../../../lib/errors.ts";
import type { FsSession } from "../../../linux/keel.ts";
import { fs } from "../../../linux/ops.ts";
import type { ContainerContext } from "../context.ts";
import type { ContainerRecord } from "../record.ts";

const S_IFMT = 0o170000;
const S_IFDIR = 0o040000;
const SLASH = Buffer.from("/");

/** Returns both sizes in bytes, for `inspect -s` and `ps -s`. */
export async function sizesOf(
  context: ContainerContext,
  record: ContainerRecord,
): Promise<{ SizeRw: number; SizeRootFs: number }> {
  const SizeRw = await writtenBytes(context, record);
  const layers = record.layer === null ? [] : context.layers.chain(record.layer);
  return { SizeRw, SizeRootFs: SizeRw + layers.reduce((sum, l) => sum + l.sizeBytes, 0) };
}

/** Returns the bytes that a container has written into its own layer. */
export async function writtenBytes(context: ContainerContext, record: ContainerRecord): Promise<number> {
  try {
    const path = context.layers.upperOf(record.id).upper;
    await using session = await context.layers.openFs({ kind: "dir", path });
    return await bytesIn(session, ".");
  } catch (error) {
    context.log("warn", `cannot measure container ${record.id.slice(0, 12)}: ${messageOf(error)}`);
    return 0; // ignored: a number for the user must not keep anything from being removed
  }
}

async function bytesIn(session: FsSession, dir: string | Uint8Array): Promise<number> {
  const [names] = (await session.sync([fs.list(dir)])) as unknown as [Buffer[]];
  const paths = names.map((name) => (dir === "." ? name : Buffer.concat([Buffer.from(dir), SLASH, name])));
  const stats = await session.sync(paths.map((path) => fs.stat(path)));
  let sum = 0;
  for (const [i, stat] of (stats as unknown as number[][]).entries()) {
    const [mode = 0, , , size = 0] = stat;
    if ((mode & S_IFMT) === S_IFDIR) sum += await bytesIn(session, paths[i] as Buffer);
    else sum += size;
  }
  return sum;
}
