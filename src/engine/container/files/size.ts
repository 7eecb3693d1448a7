// How much a container's files take: what it has written itself, and with its image (SizeRw and SizeRootFs).
import { messageOf } from "../../../lib/errors.ts";
import { treeBytes } from "../../../storage/tree-size.ts";
import type { ContainerContext } from "../context.ts";
import type { ContainerRecord } from "../record.ts";

/** Returns both sizes in bytes, for `inspect -s` and `ps -s`. */
export async function sizesOf(
  context: ContainerContext,
  record: ContainerRecord,
): Promise<{ SizeRw: number; SizeRootFs: number }> {
  // In the step in which the record was read: while files are counted the container may go, and its image's layers with it.
  const layers = record.layer === null ? [] : context.layers.chain(record.layer);
  const SizeRw = await writtenBytes(context, record);
  return { SizeRw, SizeRootFs: SizeRw + layers.reduce((sum, l) => sum + l.sizeBytes, 0) };
}

/** Returns the bytes that a container has written into its own layer. */
export async function writtenBytes(context: ContainerContext, record: ContainerRecord): Promise<number> {
  try {
    const dirs = context.layers.upperOf(record.id, record.idMap);
    await using session = await context.layers.openUpper(dirs);
    return await treeBytes(session);
  } catch (error) {
    context.log("warn", `cannot measure container ${record.id.slice(0, 12)}: ${messageOf(error)}`);
    return 0; // ignored: a number for the user must not keep anything from being removed
  }
}
