// What planContainer and planExec take and give. Types only; plan.ts and exec.ts decide.

import type { HealthPlan, Op, Register, RootSource, ShimPlan } from "../../linux/ops.ts";
import type { CgroupPlan } from "../cgroup/plan.ts";
import type { OciSpec } from "../spec/oci.ts";

export interface PlanInput {
  id: string;
  spec: OciSpec;
  root: RootSource;
  /** Host directory on which the root is mounted, inside the new mount namespace only; it may be shared by containers. */
  rootTarget: string;
  /** Host directory for file systems of which only a part is mounted, likewise. */
  stageTarget?: string;
  /** Private directory for shim.sock and exit.json; made by hostOps with mode 0700. */
  stateDir: string;
  log: ShimPlan["log"];
  /** An existing directory, in which output waits for attached clients that lag; absent: those slow the container down. */
  spillDir?: string;
  stdin?: { isOpen: boolean; isOnce?: boolean };
  /** Initial terminal size; the spec's consoleSize when absent. */
  terminal?: { rows: number; columns: number };
  /**
   * The network namespace to join instead of the one the spec asks for: a register that an earlier operation of the
   * same request fills, or the path of a namespace file.
   */
  netns?: Register | string;
  /** An earlier operation has put the user namespace that the specification asks for into register USERNS. */
  isUsernsMade?: boolean;
  /** false: who starts the container is nobody outside of its user namespace, so that everything is done inside. */
  hasRightsOutside?: boolean;
  /** Programs that write the id maps for who may not, newuidmap(1) and newgidmap(1). */
  idTools?: { uid: string; gid: string };
  /** Mount namespace file of the container whose ipc namespace is joined: its /dev/shm is shared, too. */
  sharedShm?: string;
  /** From planCgroup; absent: the container stays in the daemon's cgroups. */
  cgroup?: CgroupPlan;
  /** Enter the root by moving it over the host's instead of pivot_root(2): where that is an initramfs, which cannot be moved. */
  hasNoPivot?: boolean;
  /** A specification without a mount namespace is one for the caller's (caller-mounts.ts), not an error. */
  mayShareMounts?: boolean;
  /** Absolute directory of the bundle, for whoever listens to the container's filter; absent: there is none. */
  bundle?: string;
  /** Stop before exec until the shim gets START (OCI `create`; networks that are plugged in later). */
  hasBarrier?: boolean;
  /** Further host operations for the shim to run after the container's end, after the cgroups are removed. */
  exitOps?: readonly Op[];
  /** From planHealth; absent: the container is not checked. */
  health?: HealthPlan | null;
}

export interface ContainerPlan {
  /** To be run before `host.shim(shim)` in the same request: state directory and cgroups, with their roll-back. */
  hostOps: readonly Op[];
  shim: ShimPlan;
  /** Whatever the spec asks for that is left undone, in words for the user. */
  warnings: string[];
}

/** `docker exec`: what differs from the container's own process. */
export interface ExecRequest {
  execId: string;
  args: readonly string[];
  /** `-e`: added to the container's environment, replacing equal names. */
  env?: readonly string[];
  /** `-u`: Docker's USER text; absent: the container's. */
  user?: string;
  /** `-w`: absolute; absent: the container's. */
  cwd?: string;
  tty?: boolean;
  isPrivileged?: boolean;
  hasStdin?: boolean;
  terminal?: { rows: number; columns: number };
}
