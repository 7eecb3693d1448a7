// What a daemon that was killed in the middle of a start, or of a build step, has left: shims of which no record says that
// they run. Nobody was told that they were started, so they are ended, and their directories and cgroups removed.
import { readdir } from "node:fs/promises";
import { removeTree } from "../../../linux/remove-tree.ts";
import { containerCgroup } from "../../../runtime/cgroup/plan.ts";
import type { ContainerContext } from "../context.ts";
import { isRunning } from "../record.ts";
import { endScope, newCgroupPlace } from "./cgroup.ts";
import { lastExit } from "./lost.ts";
import { killShim } from "./start.ts";

/** Ends them all; called before the runs that are known are restored. */
export async function endOrphans(context: ContainerContext): Promise<void> {
  const ids = await readdir(context.paths.stateRoot());
  await Promise.all(ids.filter((id) => !isKnownToRun(context, id)).map((id) => endOrphan(context, id)));
}

function isKnownToRun(context: ContainerContext, id: string): boolean {
  const record = context.table.get(id);
  return record !== undefined && isRunning(record);
}

async function endOrphan(context: ContainerContext, id: string): Promise<void> {
  const record = context.table.get(id);
  await killShim(context.paths.socket(id));
  const place = newCgroupPlace(context, record?.hostConfig.CgroupParent, id);
  await lastExit(context, id, containerCgroup(context.cgroups, place));
  await endScope(context, place);
  await removeTree(context.paths.stateDir(id));
  context.log(
    "info",
    `container ${id.slice(0, 12)}: ended, its start was not finished when the daemon was killed`,
  );
}
