// What binds are of, looked at through keel and with a time limit: a path may be on a file system whose server is gone, and whoever asks for
// it waits as long as the kernel does. The daemon's own threads for files must never be among them.
import { constants } from "node:os";
import { Fault, messageOf, SysError } from "../../../lib/errors.ts";
import type { Owner } from "../../../linux/idmap.ts";
import { host } from "../../../linux/ops.ts";
import type { ContainerContext } from "../context.ts";

const TIMEOUT_MS = 10_000;
/** Errors of a path at which there is nothing; what is wrong with the path itself is told when it is made. */
const NOTHING_THERE = new Set<number>([
  constants.errno.ENOENT,
  constants.errno.ENOTDIR,
  constants.errno.ELOOP,
  constants.errno.ENAMETOOLONG,
]);

/**
 * Returns who owns what is at a path, symlinks followed, undefined where nothing can be found. Fails with invalidParameter when the kernel
 * refuses the look, with unavailable when it does not answer.
 */
export async function ownerOfSource(
  { keel }: Pick<ContainerContext, "keel">,
  path: string,
): Promise<Owner | undefined> {
  try {
    const { results } = await keel.run([host.owner(path)], { signal: AbortSignal.timeout(TIMEOUT_MS) });
    const [uid, gid] = results[0] as unknown as [uid: number, gid: number];
    return { uid, gid };
  } catch (error) {
    if (error instanceof SysError && NOTHING_THERE.has(error.errno)) return undefined;
    if (error instanceof SysError)
      throw new Fault("invalidParameter", `bind source path ${path}: ${messageOf(error)}`, {
        code: "mount.source",
        cause: error,
      });
    throw new Fault("unavailable", `bind source path ${path} does not answer: ${messageOf(error)}`, {
      code: "mount.source-unreachable",
      cause: error,
    });
  }
}
