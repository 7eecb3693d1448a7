// A checkpoint of a running container: its runtime makes images of its processes with criu. One that our own has made with the agent is not
// known to `berth runtime`, which gets a state of it for that.
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { Fault } from "../../lib/errors.ts";
import { formatNano, nowNano } from "../../lib/time.ts";
import type { Keel } from "../../linux/keel.ts";
import { readProcTextIfPresent } from "../../linux/procfs/read.ts";
import { readProcessStat } from "../../linux/procfs/process.ts";
import type { CgroupPlan } from "../cgroup/plan.ts";
import { foreignNamespaces } from "../cli/criu/namespaces.ts";
import { ContainerDir } from "../cli/life/store.ts";
import { parseSpec } from "../spec/bundle/parse.ts";
import type { OciSpec } from "../spec/oci.ts";
import { callRuntime } from "./call.ts";
import { bundleDir, criuWorkDir, type RuntimeContainer } from "./command.ts";
import { planBundle } from "./config.ts";
import { clearParentDeathSignal } from "./criu-core.ts";

/** A container that the agent has made. */
export interface OwnContainer {
  readonly spec: OciSpec;
  readonly pid: number;
  readonly rootPath: string;
  readonly cgroup: Pick<CgroupPlan, "paths" | "join">;
  /** Whether its network namespace is of the engine's making: then it is not in the images, and restored into another. */
  readonly hasNetwork: boolean;
}

export interface CheckpointOptions {
  /** Is made. Only what succeeds leaves something in it. */
  readonly imageDir: string;
  readonly isLeftRunning: boolean;
}

/** Makes the images. Throws Fault with what the runtime says. */
export async function checkpointContainer(
  keel: Keel,
  container: RuntimeContainer,
  { imageDir, isLeftRunning }: CheckpointOptions,
): Promise<void> {
  const workDir = criuWorkDir(container.stateDir);
  await mkdir(workDir, { recursive: true, mode: 0o700 });
  const places = ["--image-path", imageDir, "--work-path", workDir, "--manage-cgroups-mode", "ignore"];
  const verb = [...(isLeftRunning ? ["--leave-running"] : []), ...places, container.id];
  await callRuntime(keel, container, ["checkpoint", ...verb]);
}

/** As checkpointContainer, of a container of the agent's: it is known to `berth runtime` meanwhile. */
export async function checkpointOwn(
  keel: Keel,
  container: RuntimeContainer,
  own: OwnContainer,
  options: CheckpointOptions,
): Promise<void> {
  const dir = new ContainerDir(join(container.stateDir, "runtime"), container.id);
  const pid = namespacePid(own.pid);
  dir.make();
  try {
    dir.save(stateOf(container, own));
    await checkpointContainer(keel, container, options);
    await clearParentDeathSignal(options.imageDir, pid);
  } finally {
    dir.remove();
  }
}

/** The process's number in its own pid namespace, the innermost. */
function namespacePid(pid: number): number {
  const line = /^NSpid:\s*(.*)$/m.exec(readProcTextIfPresent(`/proc/${pid}/status`) ?? "")?.[1];
  return Number(line?.split(/\s+/).at(-1) ?? pid);
}

/** Its hooks have a place in the life of the container, not in this. */
function stateOf(
  { id, stateDir }: RuntimeContainer,
  { spec, pid, rootPath, cgroup, hasNetwork }: OwnContainer,
) {
  const bundle = bundleDir(stateDir);
  const netns = hasNetwork ? `/proc/${pid}/ns/net` : undefined;
  const stat = readProcessStat(`/proc/${pid}`);
  if (stat === undefined)
    throw new Fault("conflict", `process ${pid} has ended`, { code: "container.not-running" });
  const planned = planBundle(spec, { dir: bundle, rootPath, stageTarget: bundle, netns });
  const { hooks: _hooks, ...known } = parseSpec(planned.config, { bundle }).spec;
  return {
    id,
    bundle,
    spec: known,
    created: formatNano(nowNano()),
    pid,
    startTicks: stat.startTicks,
    namespaces: foreignNamespaces(pid),
    cgroup: { paths: cgroup.paths, ...cgroup.join },
  };
}
