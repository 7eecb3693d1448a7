// `--storage-opt size=`: a limit of what a container may write into its root, by a project quota of xfs. On ext4 there is none to be had: it
// exempts whoever has CAP_SYS_RESOURCE, and the kernel writes into an overlay with the rights of who mounted it.
import { statfs } from "node:fs/promises";
import type { HostConfig } from "../../../api/schemas/host-config.ts";
import { Fault } from "../../../lib/errors.ts";
import { parseBinarySize } from "../../../lib/units/size.ts";
import { limitDirectories } from "../../../storage/project-quota.ts";
import type { UpperDirs } from "../../../storage/layer/types.ts";
import type { ContainerContext } from "../context.ts";
import type { ContainerRecord } from "../record.ts";

const XFS_MAGIC = 0x58_46_53_42;
/** compat: the answer of Docker's overlay2 driver. */
const REFUSAL = "--storage-opt is supported only for overlay over xfs with 'pquota' mount option";

/** Returns the limit in bytes, 0 for none. Fails with invalidParameter. */
export function rootSizeOf(h: { StorageOpt?: Readonly<Record<string, string>> | null | undefined }): number {
  const [, text] = Object.entries(h.StorageOpt ?? {}).find(([key]) => key.toLowerCase() === "size") ?? [];
  return text === undefined ? 0 : parseBinarySize(text);
}

/** Returns the project of a new container that is to be limited. */
export function projectOf(
  context: Pick<ContainerContext, "projectIds">,
  h: HostConfig,
): Pick<ContainerRecord, "projectId"> {
  return rootSizeOf(h) === 0 ? {} : { projectId: context.projectIds.next() };
}

/** Limits a container's writable directories, which are empty. Fails with invalidParameter where there are no quotas. */
export async function limitRoot(
  { keel }: Pick<ContainerContext, "keel">,
  { hostConfig, projectId }: Pick<ContainerRecord, "hostConfig" | "projectId">,
  { upper, work }: UpperDirs,
): Promise<void> {
  if (projectId === undefined) return;
  if ((await statfs(upper)).type !== XFS_MAGIC)
    throw new Fault("invalidParameter", REFUSAL, { code: "quota.unsupported" });
  const limit = { projectId, sizeBytes: rootSizeOf(hostConfig) };
  // One project for both: the kernel moves files from the one to the other.
  await limitDirectories(keel, [upper, work], limit, REFUSAL);
}
