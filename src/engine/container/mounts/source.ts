// What binds are of, looked at through keel and with a time limit: a path may be on a file system whose server is gone, and whoever asks for
// it waits as long as the kernel does. The daemon's own threads for files must never be among them.
import { Fault, messageOf, SysError } from "../../../lib/errors.ts";
import type { Owner } from "../../../linux/idmap.ts";
import { host } from "../../../linux/ops.ts";
import type { ContainerContext } from "../context.ts";

const TIMEOUT_MS = 10_000;

/** Returns who owns what is at a path, symlinks followed, undefined where nothing can be found. Fails with unavailable. */
export async function ownerOfSource(
  { keel }: Pick<ContainerContext, "keel">,
  path: string,
): Promise<Owner | undefined> {
  try {
    const { results } = await keel.run([host.owner(path)], { signal: AbortSignal.timeout(TIMEOUT_MS) });
    const [uid, gid] = results[0] as unknown as [uid: number, gid: number];
    return { uid, gid };
  } catch (error) {
    if (error instanceof SysError) return undefined;
    throw new Fault("unavailable", `bind source path ${path} does not answer: ${messageOf(error)}`, {
      code: "mount.source-unreachable",
      cause: error,
    });
  }
}
