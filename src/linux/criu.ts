// Operations for checkpoints (native/PROTOCOL.md "criu"): one request to criu, and where paths lead to in a container. What a request says
// is runtime/cli/criu's.

import type { HookPlan, StateText } from "./launch.ts";
import { encodeHook } from "./launch.ts";
import { OPCODES, type Op } from "./ops.ts";

/** The descriptor at which criu finds the first of `opened`. */
export const FIRST_OPENED = 4;

export interface CriuCall {
  /** Absolute. */
  program: string;
  env: readonly string[];
  /** Files and directories that criu finds at descriptors 4 and on. */
  opened: readonly string[];
  request: Uint8Array;
  /** Whether the first preserved descriptor gets a byte when pages can be asked for. */
  hasStatusFd?: boolean;
  restore?: RestoreCall;
}

/** What there is for criu to restore into. */
export interface RestoreCall {
  /** keel stays until the process has ended, with its terminal on our stdin and stdout. */
  isForeground: boolean;
  isSubreaper: boolean;
  /** A unix socket that gets the terminal's master, "" for none. */
  consoleSocket: string;
  cgroups: readonly string[];
  cgroup2: string;
  /** Bound to `target` in a mount namespace of criu's own. */
  root: string;
  target: string;
  /** Container operations that make the root's mount points, in a mount namespace that goes with them. */
  prepare: readonly Op[];
  /** Run in the caller's namespaces when the container's are there. */
  hooks: readonly HookPlan[];
  state: StateText;
}

/** Asks criu. Yields [answer, process, start time]; the process is 0 for what restores none. */
export function askCriu({ restore, ...call }: CriuCall): Op {
  const flags = (restore?.isForeground ? 1 : 0) | (restore?.isSubreaper ? 2 : 0) | (call.hasStatusFd ? 4 : 0);
  return [
    OPCODES.criu,
    flags,
    restore?.consoleSocket ?? "",
    call.program,
    call.env,
    call.opened,
    restore?.cgroups ?? [],
    restore?.cgroup2 ?? "",
    restore?.root ?? "",
    restore?.target ?? "",
    restore?.prepare ?? [],
    (restore?.hooks ?? []).map(encodeHook),
    ...(restore?.state ?? ["", ""]),
    call.request,
  ];
}

/** Yields for each path where it leads to below the directory `root`, through its symbolic links; "" for what is not there. */
export function resolvePaths(root: string, paths: readonly string[]): Op {
  return [OPCODES.resolvePaths, root, paths];
}
