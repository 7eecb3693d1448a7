// Takes a checkpoint of a running container, which goes on or has ended then. Its root file system is not part of it: the container keeps that.
import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { InputOf } from "../../../api/contract.ts";
import type { containerCheckpoint } from "../../../api/operations/container.ts";
import { Fault, messageOf } from "../../../lib/errors.ts";
import { planCgroup } from "../../../runtime/cgroup/plan.ts";
import {
  checkpointContainer,
  checkpointOwn,
  type OwnContainer,
} from "../../../runtime/external/checkpoint.ts";
import { type ContainerContext, publish } from "../context.ts";
import { joinedContainer } from "../host-config/modes.ts";
import type { ContainerRecord } from "../record.ts";
import { newCgroupPlace } from "../run/cgroup.ts";
import { specOfRun } from "../spec/run.ts";
import { requireProcess } from "../run/state.ts";
import { planUserNamespace } from "../run/userns.ts";
import { externalOf, withUserOfNumbers } from "../runtime/external.ts";
import type { LiveContainer } from "../table.ts";
import { type CheckpointOwner, makeCheckpointDir } from "./places.ts";

type CheckpointRequest = InputOf<typeof containerCheckpoint>["body"];

/** Returns where a container's checkpoints are. */
export function checkpointsOf(
  { paths }: Pick<ContainerContext, "paths">,
  { id }: Pick<ContainerRecord, "id">,
  name: string,
): CheckpointOwner {
  return { name, dir: join(paths.dir(id), "checkpoints") };
}

/** Takes a checkpoint and returns when it is whole, and the container's end, if it is one, is settled. `name` as the user calls it. */
export async function createCheckpoint(
  context: ContainerContext,
  live: LiveContainer,
  name: string,
  request: CheckpointRequest,
): Promise<void> {
  const { run } = live;
  const { CheckpointID: checkpoint, CheckpointDir: dir, Exit: isLast } = request;
  await live.lane.run(async () => {
    const record = context.table.find(live.id);
    requireProcess(record);
    checkPossible(record, checkpoint ?? "");
    const owner = checkpointsOf(context, record, name);
    const imageDir = await makeCheckpointDir(owner, dir ?? "", checkpoint ?? "");
    // What ends by a checkpoint ends because a user wants it: no restart policy brings it back.
    if (isLast) await callOffRestart(context, live);
    try {
      await takeCheckpoint(context, record, { imageDir, isLeftRunning: !isLast });
    } catch (error) {
      await rm(imageDir, { recursive: true, force: true });
      live.isRestartCalledOff = false;
      const kind = error instanceof Fault ? error.kind : "system";
      throw new Fault(kind, `cannot checkpoint container ${name}: ${messageOf(error)}`, {
        code: "checkpoint.failed",
        cause: error,
      });
    }
    publish(context, record, "checkpoint");
  });
  if (isLast) await run?.settled;
}

async function callOffRestart(context: ContainerContext, live: LiveContainer): Promise<void> {
  live.isRestartCalledOff = true;
  await context.table.putState(live.id, { isStoppedByUser: true });
}

/** Refuses what could not be restored. */
function checkPossible({ config, hostConfig, idMap, state }: ContainerRecord, name: string): void {
  const cannot = [
    [config.Tty, "has a terminal"],
    [idMap !== undefined, "is in a user namespace"],
    [hostConfig.PidMode === "host", "has the host's process numbers, which others may have by then"],
    [hostConfig.ReadonlyRootfs, "has a read-only root file system, in which criu cannot work"],
    [state.status === "paused", "is paused: unpause it first"],
  ] as const;
  const why = cannot.find(([is]) => is)?.[1];
  if (why !== undefined)
    throw new Fault("notImplemented", `cannot create checkpoint ${name}: the container ${why}`, {
      code: "checkpoint.unsupported",
    });
}

async function takeCheckpoint(
  context: ContainerContext,
  record: ContainerRecord,
  options: { imageDir: string; isLeftRunning: boolean },
): Promise<void> {
  const external = externalOf(context, record);
  if (external !== undefined) return checkpointContainer(context.keel, external, options);
  const known = externalOf(context, { id: record.id, external: context.defaults.runtimes.own });
  if (known === undefined) return;
  await checkpointOwn(context.keel, known, await ownContainer(context, record), options);
}

async function ownContainer(context: ContainerContext, record: ContainerRecord): Promise<OwnContainer> {
  const { spec } = await specOfRun(context, record, {
    places: new Map(),
    userns: planUserNamespace(context, record),
  });
  await using session = await context.keel.openFs({ kind: "dir", path: `/proc/${record.state.pid}/root` });
  const { NetworkMode } = record.hostConfig;
  return {
    spec: await withUserOfNumbers(session, spec),
    pid: record.state.pid,
    rootPath: context.paths.rootTarget(),
    cgroup: planCgroup(context.cgroups, {
      ...(record.cgroup ?? newCgroupPlace(context, record.hostConfig.CgroupParent, record.id)),
      ...(spec.linux?.resources === undefined ? {} : { resources: spec.linux.resources }),
    }),
    hasNetwork: NetworkMode !== "host" && joinedContainer(NetworkMode) === undefined,
  };
}
