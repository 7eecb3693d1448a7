// Limits of what directories may hold, by project quotas: ext4 and xfs that are mounted with `prjquota`. A directory is put into a project
// of its own, whose number is recorded with what it belongs to.
import { Fault, SysError } from "../lib/errors.ts";
import type { Keel } from "../linux/keel.ts";
import { host } from "../linux/ops.ts";

/** ESRCH, EINVAL, ENOTTY, ENOSYS, EOPNOTSUPP: no quotas are on there, or the kernel has none. */
const NO_QUOTAS = [3, 22, 25, 38, 95];

/** Numbers of projects. Those of others (dockerd, /etc/projects) begin at 1. */
export class ProjectIds {
  readonly #used: () => Iterable<number | undefined>;
  #last: number;

  /** `used` are those that are recorded; ranges that begin 2^24 apart do not meet. */
  constructor(first: number, used: () => Iterable<number | undefined>) {
    this.#last = first - 1;
    this.#used = used;
  }

  /** Returns one that nobody has. */
  next(): number {
    for (const id of this.#used()) if (id !== undefined && id > this.#last) this.#last = id;
    return ++this.#last;
  }
}

/** Limits directories, which are empty, together. Fails with invalidParameter, saying `refusal`, where there are no project quotas. */
export async function limitDirectories(
  keel: Keel,
  paths: readonly string[],
  limit: { projectId: number; sizeBytes: number },
  refusal: string,
): Promise<void> {
  try {
    await keel.run(paths.map((path) => host.projectQuota(path, limit.projectId, limit.sizeBytes)));
  } catch (error) {
    if (!(error instanceof SysError) || !NO_QUOTAS.includes(error.errno)) throw error;
    throw new Fault("invalidParameter", refusal, { code: "quota.unsupported", cause: error });
  }
}
