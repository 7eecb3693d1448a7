// Operations for making processes without a shim (PROTOCOL.md "keel run"): a container's first process that waits for `start`, a
// further process in a container. The plans are the shim's (ops.ts); here is what comes around them.

import {
  encodeExecPlan,
  encodeShimPlan,
  type ExecPlan,
  OPCODES,
  type Op,
  type ShimPlan,
  type Value,
} from "./ops.ts";

/** A program of the runtime specification's `hooks`. */
export interface HookPlan {
  /** How errors call it: `createRuntime hook #0`. */
  label: string;
  /** Absolute, in the file system of whoever runs it. */
  path: string;
  /** With argv[0]; empty: the path alone. */
  args: readonly string[];
  env: readonly string[];
  /** 0: as long as it likes. */
  timeoutMs: number;
}

/** The state that hooks read, as JSON without the number that only keel knows: what comes before it and after it. */
export type StateText = readonly [head: string, tail: string];

/** How the process is handed over. */
export interface LaunchOptions {
  /** keel stays until the process has ended, with its terminal on our stdin and stdout, and ends with its exit code. */
  isForeground?: boolean;
  /** Orphans of the container become keel's while it stays. */
  isSubreaper?: boolean;
  /** Unix sockets that get the terminal's master and the pidfd. */
  consoleSocket?: string | undefined;
  pidfdSocket?: string | undefined;
  /** How many descriptors behind 4 the program inherits, as 3 and so on. */
  preservedFds?: number;
}

/** Makes a container's first process, which stops at `awaitStart`. Yields [pid, start time, [warning…], how keel is sealed (native/self.h)]. */
export function launchContainer(
  options: LaunchOptions,
  life: { startFifo: string; callerHooks: readonly HookPlan[]; state: StateText },
  plan: ShimPlan,
): Op {
  const [id, stateDir, flags, ...rest] = encodeShimPlan(plan) as [Value, Value, number, ...Value[]];
  const head = [life.startFifo, life.callerHooks.map(encodeHook), ...life.state];
  return [OPCODES.launch, ...encodeOptions(options), ...head, id, stateDir, flags | PLAN_LAUNCH, ...rest];
}

/** The plan is for a launch, not for a shim (native/plan.h). */
const PLAN_LAUNCH = 8;

/** The container that a further process joins. */
export interface ExecTarget {
  pid: number;
  /** Clock ticks since boot, from /proc/PID/stat: the number alone may have become another process's. */
  startTicks: number;
  /** CLONE_NEW* of all namespaces that are not the caller's. */
  namespaces: number;
  cgroups: readonly string[];
  cgroup2: string;
}

/** Makes a further process in a container. Yields what launchContainer does, when its program runs. */
export function launchExec(options: LaunchOptions, target: ExecTarget, plan: ExecPlan): Op {
  const { pid, startTicks, namespaces, cgroups, cgroup2 } = target;
  const head = [...encodeOptions(options), pid, startTicks, namespaces, cgroups, cgroup2];
  return [OPCODES.launchExec, ...head, ...encodeExecPlan(plan)];
}

/** Host operations on a launched process, which is named by number and start time (clock ticks since boot). */
export const outside = {
  /** Sends it a signal. Fails with ESRCH when it is gone or a zombie. */
  signal: ({ pid, startTicks }: LaunchedProcess, signo: number): Op => [
    OPCODES.signalProcess,
    pid,
    startTicks,
    signo,
  ],
  /** Kills it and waits until it has ended, at most `timeoutMs` (ETIMEDOUT); gone is fine. */
  end: ({ pid, startTicks }: LaunchedProcess, timeoutMs: number): Op => [
    OPCODES.endProcess,
    pid,
    startTicks,
    timeoutMs,
  ],
  /** Lets the process go on that waits at this fifo, which goes. Fails with ENOENT for the second, ENXIO when nobody waits. */
  release: (fifo: string): Op => [OPCODES.release, fifo],
} as const;

export interface LaunchedProcess {
  pid: number;
  startTicks: number;
}

function encodeOptions(o: LaunchOptions): Value[] {
  const flags = (o.isForeground ? 1 : 0) | (o.isSubreaper ? 2 : 0);
  return [flags, o.consoleSocket ?? "", o.pidfdSocket ?? "", o.preservedFds ?? 0];
}

export const encodeHook = (h: HookPlan): Value[] => [h.label, h.path, h.args, h.env, h.timeoutMs];

/** Container operations that only a launched plan may have. */
export const launched = {
  /** Runs hooks in the container's namespaces; those without HOME get the user's, once there is one. */
  hooks: (hooks: readonly HookPlan[], [head, tail]: StateText): Op => [
    OPCODES.hooks,
    hooks.map(encodeHook),
    head,
    tail,
  ],
  /** Waits until the hooks of the caller's side have run. */
  callerHooks: (): Op => [OPCODES.callerHooks],
  /** Fails as `exec` would when there is no such program: `name` without a slash is looked up in `search`. */
  findProgram: (name: string, search: string): Op => [OPCODES.findProgram, name, search],
  /** Lets the caller go and waits for `start`. */
  awaitStart: (): Op => [OPCODES.awaitStart],
  /**
   * The root of a container without a mount namespace: the directory `target` of the caller's tree, on which a host operation has
   * mounted it. What is mounted in it stays when the container is gone, until somebody unmounts it.
   */
  rootHere: (target: string): Op => [OPCODES.rootHere, target],
  /** Instead of pivot: enters that root and leaves the caller's tree as it is. */
  chroot: (): Op => [OPCODES.chroot],
} as const;
