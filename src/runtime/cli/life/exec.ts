// Making a further process in a running container through keel, and staying with it unless it is detached.

import { Fault } from "../../../lib/errors.ts";
import { launchExec } from "../../../linux/launch.ts";
import { asList, asNumber, asText, type Reply } from "../../../linux/wire.ts";
import { planExec } from "../../plan/exec.ts";
import type { OciProcess } from "../../spec/oci.ts";
import { checkTerminal, startFault, writePidFile } from "./create.ts";
import { inheritedDescriptors } from "./descriptors.ts";
import { environment } from "./environment.ts";
import { keepFilters } from "./filter-store.ts";
import { SignalForwarder, stayWith } from "./foreground.ts";
import type { Invocation } from "../invocation.ts";
import { type Foreground, runForeground, runOps } from "./keel-run.ts";
import type { ContainerDir, ContainerState } from "./store.ts";
import { traceFirstCpus, traceOps, traceSeal, traceStage } from "./trace.ts";

export interface ExecOptions {
  consoleSocket: string;
  pidfdSocket: string;
  pidFile: string;
  preserveFds: number;
  isDetached: boolean;
  /** `[controller,…:]path` below the container's cgroup. */
  subCgroups: readonly string[];
}

/** Returns the process's exit code, 0 when it is detached. Throws Fault or SysError when it could not be started. */
export async function execInContainer(
  call: Invocation,
  dir: ContainerDir,
  state: ContainerState,
  process: OciProcess,
  options: ExecOptions,
): Promise<number> {
  checkTerminal(process.terminal === true, options);
  keepFilters();
  const inherited = inheritedDescriptors(options.preserveFds);
  const plan = planProcess(state, {
    ...process,
    env: environment([...(process.env ?? []), ...inherited.env]),
  });
  traceOps(call.log, "inside", plan.ops);
  traceStage(call.log, "making");
  traceFirstCpus(call.log, plan.ops);
  const target = {
    pid: state.pid,
    startTicks: state.startTicks,
    namespaces: state.namespaces,
    ...joinedCgroups(state.cgroup, options.subCgroups),
  };
  const op = launchExec(
    {
      isForeground: !options.isDetached,
      consoleSocket: options.consoleSocket,
      pidfdSocket: options.pidfdSocket,
      preservedFds: inherited.fds.length,
    },
    target,
    plan,
  );
  const signals = options.isDetached ? undefined : new SignalForwarder();
  const foreground = await launch(op, dir.path, inherited.fds, options.isDetached);
  const [pid, , warnings, way] = asList(foreground.outcome.results.at(-1)) as [Reply, Reply, Reply, Reply];
  for (const warning of asList(warnings)) call.log.warn(asText(warning));
  traceSeal(call.log, asText(way));
  traceStage(call.log, "inside");
  traceStage(call.log, "executing");
  call.log.debug(`process ${asNumber(pid)} runs`);
  if (options.pidFile !== "") writePidFile(options.pidFile, asNumber(pid));
  return signals ? await stayWith(signals, asNumber(pid), foreground) : 0;
}

async function launch(
  op: ReturnType<typeof launchExec>,
  dir: string,
  fds: readonly number[],
  isDetached: boolean,
): Promise<Foreground> {
  try {
    if (!isDetached) return await runForeground([op], dir, fds);
    return { outcome: runOps([op], dir, fds), ended: Promise.resolve(0) };
  } catch (error) {
    throw startFault(error);
  }
}

/** The container's filter and namespaces, the process's own of everything else. */
function planProcess(state: ContainerState, process: OciProcess): ReturnType<typeof planExec> {
  const plan = planExec({ ...state.spec, process }, { execId: "exec", args: process.args ?? [] });
  return {
    ...plan,
    isTty: process.terminal === true,
    rows: process.consoleSize?.height ?? 0,
    columns: process.consoleSize?.width ?? 0,
  };
}

/** Where the process goes. Throws Fault invalidParameter for what names no cgroup of the container's. */
export function joinedCgroups(
  own: ContainerState["cgroup"],
  args: readonly string[],
): { cgroups: string[]; cgroup2: string } {
  const wanted = new Map<string, string>();
  for (const arg of args) {
    const colon = arg.indexOf(":");
    if (colon < 0 && args.length > 1)
      throw invalid(`invalid --cgroup argument: ${arg} (missing <controller>: prefix)`);
    const path = arg.slice(colon + 1);
    if (path.split("/").includes("..")) throw invalid(`bad sub cgroup path: ${path}`);
    for (const controller of colon < 0 ? [""] : arg.slice(0, colon).split(",")) {
      if (colon >= 0 && controller === "")
        throw invalid(`invalid --cgroup argument: ${arg} (empty <controller> prefix)`);
      if (wanted.has(controller))
        throw invalid(`invalid --cgroup argument(s): controller ${controller} specified multiple times`);
      wanted.set(controller, path.replace(/^\/+|\/+$/g, ""));
    }
  }
  return moved(own, wanted);
}

function moved(
  own: ContainerState["cgroup"],
  wanted: ReadonlyMap<string, string>,
): { cgroups: string[]; cgroup2: string } {
  const { v1 } = own.paths;
  const below = (dir: string, path: string | undefined) => (path ? `${dir}/${path}` : dir);
  const all = wanted.get("");
  for (const controller of wanted.keys())
    if (controller !== "" && v1[controller] === undefined)
      throw invalid(`unknown controller ${controller} in SubCgroupPaths`);
  const dirs = Object.entries(v1).map(([controller, dir]) => below(dir, wanted.get(controller) ?? all));
  return {
    cgroups: [...(own.cgroups.length === 0 ? [] : new Set(dirs)), ...(own.resctrl?.join ?? [])],
    cgroup2: own.cgroup2 === "" ? "" : below(own.cgroup2, all),
  };
}

function invalid(message: string): Fault {
  return new Fault("invalidParameter", message, { code: "exec.cgroup" });
}
