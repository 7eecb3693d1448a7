// What the store keeps of a container (table `containers`, key = id), and the states it goes through:
//
//   created ─start→ running ─pause⇄unpause─ paused
//      │               │ exit
//      │               ├─ restart policy → restarting ─start→ running
//      │               └─→ exited ─start→ running
//      └─remove→ removing ←─remove─ exited, dead
//                   ├─ done → gone
//                   └─ files that cannot be removed → dead
//
// The request is kept in the words of the API, completed with the image's defaults, because `inspect` shows it
// again word for word; what the engine acts on is derived from it (spec/input.ts). A record is never changed in
// place: a new one is committed for its id.
import type { ContainerConfig } from "../../api/schemas/container.ts";
import type { HostConfig } from "../../api/schemas/host-config.ts";
import type { IdMap } from "../../linux/idmap.ts";
import type { EndpointRecord } from "../../net/model.ts";
import type { LayerId } from "../../storage/layer/types.ts";
import type { MountRecord } from "./mounts/record.ts";
import type { CgroupPlace } from "./run/cgroup.ts";
import type { ExternalRuntime } from "./runtime/runtimes.ts";

/**
 * Where a container is in its life. `paused` has its process, `restarting` waits for the next one; `dead` is left of a removal
 * that failed and can only be removed again.
 */
export type ContainerStatus =
  | "created"
  | "running"
  | "paused"
  | "restarting"
  | "removing"
  | "exited"
  | "dead";

/** What the health check has found; null where there is none, or no run yet. */
export interface Health {
  readonly status: "starting" | "healthy" | "unhealthy";
  readonly failingStreak: number;
  /** The last results, oldest first, also of earlier runs. */
  readonly log: readonly HealthResult[];
}

/** One run of the health check; times as in RunState. */
export interface HealthResult {
  readonly start: string;
  readonly end: string;
  /** -1 for one that took too long or could not be started. */
  readonly exitCode: number;
  readonly output: string;
}

/** What is remembered of the latest run. Times are RFC 3339 with nanoseconds, "" for never. */
export interface RunState {
  readonly status: ContainerStatus;
  readonly pid: number;
  readonly exitCode: number;
  /** Why the container could not be started or removed, "" otherwise. */
  readonly error: string;
  readonly isOomKilled: boolean;
  readonly startedAt: string;
  readonly finishedAt: string;
  readonly restartCount: number;
  /** A user has stopped it, or sent it a signal; what that means is the restart policy's to say. */
  readonly isStoppedByUser: boolean;
  /** As of the latest change of its status, with the results of earlier runs; newer in LiveContainer. */
  readonly health?: Health | null;
}

/** A container's place in one network: what was asked for, and what the network gave. */
export interface NetworkEndpoint {
  readonly networkName: string;
  /** "" until the container was first started in the network: till then it is found by name. */
  readonly networkId: string;
  /** Names asked for in this network. */
  readonly aliases: readonly string[];
  /** Addresses asked for, "" or absent for any. */
  readonly wantedIp: string;
  readonly wantedIp6?: string;
  readonly wantedMac: string;
  readonly linkLocalIps?: readonly string[];
  /** Names of other containers under names of this one's choosing, "db:alias". */
  readonly links?: readonly string[];
  readonly driverOpts?: Readonly<Record<string, string>>;
  /** The endpoint with the highest one gives the default route. */
  readonly gwPriority?: number;
  /** Addresses of the latest run; given again when they are free. */
  readonly lastIp?: string;
  readonly lastIp6?: string;
  /** Present while the container runs. */
  readonly attached?: AttachedEndpoint;
}

/** What the network gave, as `inspect` shows it. */
export interface AttachedEndpoint extends EndpointRecord {
  readonly gateway: string;
  readonly prefixLength: number;
  /** The network is internal: nothing is published there. */
  readonly isInternal?: boolean;
  /** "" and 0 without IPv6, absent in records of older versions. */
  readonly gateway6?: string;
  readonly prefixLength6?: number;
}

/** Another container under a name of this one's choosing (`--link` on the default bridge). */
export interface ContainerLink {
  readonly containerId: string;
  readonly alias: string;
}

export interface ContainerRecord {
  readonly version: 1;
  readonly id: string;
  /** Without the leading slash. */
  readonly name: string;
  readonly createdAt: string;
  readonly imageId: string;
  /** The image's topmost layer; null for an image without layers. */
  readonly layer: LayerId | null;
  readonly platform: string;
  /** argv[0] and the rest, entrypoint and command joined. */
  readonly path: string;
  readonly args: readonly string[];
  readonly config: ContainerConfig;
  readonly hostConfig: HostConfig;
  /** The network of HostConfig.NetworkMode first, where the container is in it, the others as they were joined. */
  readonly endpoints: readonly NetworkEndpoint[];
  readonly links?: readonly ContainerLink[];
  /** Of its user namespace, for life: its files have these owners. Absent where it has the host's ids. */
  readonly idMap?: IdMap;
  /** Of the quota that its writable layer has. */
  readonly projectId?: number;
  /** No other container has these ids: its volumes, which others may use, keep the container's own ids on the disk. */
  readonly hasOwnRange?: boolean;
  /** The runtime that makes its processes, as the latest start found it; absent: our own. */
  readonly external?: ExternalRuntime | undefined;
  /** Where the latest start made its cgroup. */
  readonly cgroup?: CgroupPlace;
  /** By destination; absent without any. */
  readonly mounts?: readonly MountRecord[];
  readonly state: RunState;
}

export const NEVER_RAN: RunState = {
  status: "created",
  pid: 0,
  exitCode: 0,
  error: "",
  isOomKilled: false,
  startedAt: "",
  finishedAt: "",
  restartCount: 0,
  isStoppedByUser: false,
};

/** Whether the container's first process exists. */
export function isRunning(record: ContainerRecord): boolean {
  return record.state.status === "running" || record.state.status === "paused";
}
