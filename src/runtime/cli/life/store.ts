// What the runtime keeps of its containers: a directory each below --root with state.json in it. The directory is the claim
// on the id (made exclusively), state.json appears in it whole or not at all, exec.fifo is there while the
// container waits for `start`. A container without state.json is one whose creation is under way or was interrupted.
//
//   status     how it is told
//   creating   there is no state.json yet
//   created    its process lives and exec.fifo is there
//   running    its process lives; `paused` when its cgroup is frozen
//   stopped    its process is gone, a zombie, or has another start time than ours had

import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Fault } from "../../../lib/errors.ts";
import type { CgroupPaths } from "../../../linux/cgroupfs/hierarchy.ts";
import { readFreezerState } from "../../../linux/cgroupfs/freezer-state.ts";
import { readProcessStat } from "../../../linux/procfs/process.ts";
import type { OciSpec } from "../../spec/oci.ts";
import type { ResctrlGroup } from "../../resctrl/group.ts";

/** state.json. */
export interface ContainerState {
  id: string;
  /** Absolute. */
  bundle: string;
  /** RFC 3339 with nanoseconds. */
  created: string;
  pid: number;
  /** Of the process, in clock ticks since boot. */
  startTicks: number;
  /** CLONE_NEW* of the namespaces that it does not share with who created it. */
  namespaces: number;
  cgroup: {
    paths: CgroupPaths;
    /** Where further processes join. */
    cgroups: string[];
    cgroup2: string;
    /** The systemd unit that they belong to. */
    unit?: string;
    resctrl?: ResctrlGroup;
  };
  /** The mount of its root, where that is in the caller's mount namespace (place/caller-root.ts). */
  rootMount?: number;
  /** As read from the bundle and checked, with what `update` has changed. */
  spec: OciSpec;
}

export type Status = "creating" | "created" | "running" | "paused" | "stopped";

const STATE_FILE = "state.json";
export const FIFO_FILE = "exec.fifo";

/** A container's place on disk. */
export class ContainerDir {
  readonly id: string;
  readonly path: string;

  /** Throws Fault for an id that could not be a directory's name. */
  constructor(root: string, id: string) {
    if (id === "")
      throw new Fault("invalidParameter", "container id cannot be empty", { code: "container.id" });
    if (!/^[\w+.-]+$/.test(id) || id === "." || id === ".." || id.length > 127)
      throw new Fault("invalidParameter", "invalid container ID format", { code: "container.id" });
    this.id = id;
    this.path = join(root, id);
  }

  get fifo(): string {
    return join(this.path, FIFO_FILE);
  }

  /** Claims the id. Throws Fault conflict when it is taken. */
  make(): void {
    mkdirSync(join(this.path, ".."), { recursive: true, mode: 0o700 });
    try {
      mkdirSync(this.path, { mode: 0o711 });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
      throw new Fault("conflict", "container with given ID already exists", {
        code: "container.exists",
        cause: error,
      });
    }
  }

  /** Writes state.json in one step. */
  save(state: ContainerState): void {
    const fresh = join(this.path, `.${STATE_FILE}.${process.pid}`);
    writeFileSync(fresh, JSON.stringify(state), { mode: 0o600 });
    renameSync(fresh, join(this.path, STATE_FILE));
  }

  /** Throws Fault notFound when there is no container, or none yet. */
  load(): ContainerState {
    let text: string;
    try {
      text = readFileSync(join(this.path, STATE_FILE), "utf8");
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== "ENOENT" && code !== "ENOTDIR") throw error;
      throw missingContainer(error);
    }
    return JSON.parse(text) as ContainerState;
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }

  isWaiting(): boolean {
    return statSync(this.fifo, { throwIfNoEntry: false }) !== undefined;
  }

  statusOf(state: ContainerState): Status {
    if (!isAlive(state)) return "stopped";
    if (this.isWaiting()) return "created";
    return isPaused(state) ? "paused" : "running";
  }
}

/** compat: containerd and podman look for these words. */
export function missingContainer(cause: unknown): Fault {
  return new Fault("notFound", "container does not exist", { code: "container.not-found", cause });
}

/** Whether the container's first process is there and still the one that was made. */
export function isAlive({ pid, startTicks }: Pick<ContainerState, "pid" | "startTicks">): boolean {
  const stat = readProcessStat(`/proc/${pid}`);
  return stat !== undefined && stat.startTicks === startTicks && stat.state !== "Z" && stat.state !== "X";
}

function isPaused(state: ContainerState): boolean {
  try {
    return readFreezerState(state.cgroup.paths) === "frozen";
  } catch (error) {
    if (error instanceof Fault) return false; // ignored: without a freezer, or its cgroup, nothing is frozen
    throw error;
  }
}

/** Returns the ids below `root`, sorted. Throws the system's error when it is not there. */
export function listIds(root: string): string[] {
  return readdirSync(root, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith("."))
    .map((entry) => entry.name)
    .sort();
}

/** Returns the state as the specification words it (runtime.md "State"), which `state` prints and hooks read. */
export function specState(
  state: Pick<ContainerState, "id" | "bundle" | "spec">,
  status: Status,
  pid: number,
): Record<string, unknown> {
  const { annotations, ociVersion } = state.spec;
  return {
    ociVersion,
    id: state.id,
    status,
    ...(pid > 0 ? { pid } : {}),
    bundle: state.bundle,
    ...(annotations ? { annotations } : {}),
  };
}
