// From a bundle's specification to the operation that makes its container without a shim: the plan that the engine's containers get,
// too, with what belongs to the runtime's life cycle put in its places: hooks, the wait for `start`, no pivot.

import type { IdMap } from "../../../linux/idmap.ts";
import type { HookPlan, StateText } from "../../../linux/launch.ts";
import { launched } from "../../../linux/launch.ts";
import { OPCODES, type Op, type ShimPlan } from "../../../linux/ops.ts";
import type { CgroupPlan } from "../../cgroup/plan.ts";
import { planContainer } from "../../plan/plan.ts";
import { planHooks } from "../../plan/hooks.ts";
import { type HostDevice, planNetDevices } from "./net-devices.ts";
import { withJoinedMappings } from "../../spec/joined-userns.ts";
import type { OciSpec } from "../../spec/oci.ts";

export interface BundleInput {
  id: string;
  bundle: string;
  spec: OciSpec;
  /** The container's directory, for keel's files. */
  stateDir: string;
  cgroup: CgroupPlan;
  hasNoPivot: boolean;
  hasNoKeyring: boolean;
  /** Reads the maps of the user namespace at a path. */
  loadUserMap: (path: string) => IdMap;
  /** What of the host's becomes the container's. */
  netDevices: readonly HostDevice[];
  /** What hooks read before and after `start`. */
  creating: StateText;
  created: StateText;
}

export interface BundlePlan {
  /** Host operations before the launch. */
  hostOps: readonly Op[];
  plan: ShimPlan;
  /** What those operations are for whose failure would not say it. */
  labels: ReadonlyMap<Op, string>;
  callerHooks: readonly HookPlan[];
  warnings: string[];
}

/** Plans. Throws Fault invalidParameter or notImplemented for what cannot be carried out. */
export function planBundle(input: BundleInput): BundlePlan {
  const { id, spec, stateDir, cgroup } = input;
  const { hooks = {}, ...rest } = spec;
  const { netDevices: _moved, intelRdt: _joined, ...linux } = spec.linux ?? {};
  const devices = planNetDevices(spec, input.netDevices);
  const rootPath = spec.root?.path ?? "";
  const { hostOps, shim, warnings } = planContainer({
    id,
    spec: withJoinedMappings({ ...rest, linux }, input.loadUserMap),
    ...(devices.netns === undefined ? {} : { netns: devices.netns }),
    hasRightsOutside: process.getuid?.() === 0,
    root: { kind: "dir", path: rootPath },
    rootTarget: rootPath,
    stageTarget: stateDir,
    stateDir,
    log: { kind: "none" },
    cgroup,
    hasNoPivot: input.hasNoPivot,
    mayShareMounts: true,
    bundle: input.bundle,
  });
  const callerHooks = [
    ...planHooks(hooks, "prestart", process.env),
    ...planHooks(hooks, "createRuntime", process.env),
  ];
  return {
    hostOps: [...hostOps, ...devices.ops],
    labels: devices.labels,
    plan: { ...shim, oomFile: "", exitOps: [], ops: withLifeCycle(shim.ops, input, callerHooks.length > 0) },
    callerHooks,
    warnings: [...warnings, ...cgroup.warnings],
  };
}

/** Mounts are done before the first of these; hooks that look at or add to them come in between. */
const LEAVES_HOST: ReadonlySet<number> = new Set([
  OPCODES.console,
  OPCODES.pivot,
  OPCODES.moveRoot,
  OPCODES.chroot,
]);

function withLifeCycle(ops: readonly Op[], input: BundleInput, hasCallerHooks: boolean): Op[] {
  const { spec, creating, created } = input;
  const hooks = spec.hooks ?? {};
  const env = spec.process?.env ?? [];
  const createContainer = planHooks(hooks, "createContainer", process.env);
  const startContainer = planHooks(hooks, "startContainer", {}).map((hook, i) => ({
    ...hook,
    env: hooks.startContainer?.[i]?.env ?? env,
  }));
  const leaving = ops.findIndex(([code]) => LEAVES_HOST.has(code));
  const kept = (op: Op): Op[] => {
    return op[0] === OPCODES.keyring && input.hasNoKeyring ? [] : [op];
  };
  return [
    ...ops.slice(0, leaving).flatMap(kept),
    ...(hasCallerHooks ? [launched.callerHooks()] : []),
    ...(createContainer.length > 0 ? [launched.hooks(createContainer, creating)] : []),
    ...ops.slice(leaving, -1).flatMap(kept),
    // compat: what cannot be executed is an error of `create`, as in runc
    launched.findProgram(spec.process?.args?.[0] ?? "", searchPath(env)),
    launched.awaitStart(),
    ...(startContainer.length > 0 ? [launched.hooks(startContainer, created)] : []),
    ...ops.slice(-1),
  ];
}

function searchPath(env: readonly string[]): string {
  return env.find((text) => text.startsWith("PATH="))?.slice("PATH=".length) ?? "";
}
