// What the operations on containers work with: the stores and services of the floors below, the paths on disk, the
// daemon's defaults. One object, made by the wiring; the modules of this folder take it as their first argument.
import { join } from "node:path";
import type { CgroupHost } from "../../linux/cgroupfs/hierarchy.ts";
import type { ProjectIds } from "../../storage/project-quota.ts";
import type { IdMap } from "../../linux/idmap.ts";
import type { Keel } from "../../linux/keel.ts";
import type { SpecInput } from "../../runtime/spec/input.ts";
import type { SystemdDriver } from "../../runtime/systemd/driver.ts";
import type { DiskIo } from "../../storage/disk.ts";
import type { LayerStore } from "../../storage/layer/store.ts";
import type { EventBus } from "../event/bus.ts";
import type { KeptStore } from "../kept/store.ts";
import type { ImageService } from "../image/service.ts";
import type { NetworkService } from "../network/service.ts";
import type { VolumeCatalog } from "../volume/catalog.ts";
import type { ContainerDefaults } from "./host-config/complete.ts";
import type { IdRanges } from "./host-config/id-ranges.ts";
import type { LogService } from "./log/service.ts";
import type { NameService } from "./network/name-service.ts";
import type { ContainerRecord } from "./record.ts";
import type { ContainerTable } from "./table.ts";

export type Log = (level: "debug" | "info" | "warn" | "error", message: string) => void;

/** What the daemon's configuration says of the privileges of containers that say nothing of them. */
export interface SecurityDefaults extends Pick<SpecInput, "seccompProfile"> {
  readonly noNewPrivileges: boolean;
}

export interface ContainerContext {
  readonly table: ContainerTable;
  readonly keel: Keel;
  /** The data root's. */
  readonly disk: DiskIo;
  readonly layers: LayerStore;
  readonly images: ImageService;
  readonly networks: NetworkService;
  readonly nameService: NameService;
  readonly volumes: VolumeCatalog;
  readonly events: EventBus;
  /** What was removed and can be brought back. */
  readonly kept: KeptStore;
  readonly cgroups: CgroupHost;
  /** Parent of the containers' cgroups that ask for none, such as /docker. */
  readonly cgroupParent: string;
  /** Where systemd is to know of the containers' cgroups, which are scopes of its then. */
  readonly systemd: SystemdDriver | undefined;
  readonly defaults: ContainerDefaults;
  readonly security: SecurityDefaults;
  /** Of the user namespaces that containers get which do not ask for the host's (`userns-remap`); undefined: none do. */
  readonly idMap: IdMap | undefined;
  /** Ids for containers that want a range of their own. */
  readonly idRanges: IdRanges;
  /** Of quotas that containers have. */
  readonly projectIds: ProjectIds;
  /** What `host-gateway` stands for; none: the default bridge's gateway. */
  readonly hostGatewayIps: readonly string[];
  /** Directories of CDI specifications; none: there are no CDI devices. */
  readonly cdiSpecDirs: readonly string[];
  readonly paths: ContainerPaths;
  readonly logs: LogService;
  readonly log: Log;
  /** Runs work that nobody waits for; it is finished before the daemon ends, and its failure is logged as `what`. */
  inBackground(what: string, work: () => Promise<void>): void;
  /** Arranges what is to be done with a container that has become unhealthy. */
  unhealthy(id: string): void;
}

/** Where a container's files are on the host. */
export class ContainerPaths {
  readonly dataRoot: string;
  readonly #execRoot: string;
  /** keel's executable, bound into containers that want an init process. */
  readonly keelPath: string;
  constructor(dataRoot: string, execRoot: string, keelPath: string) {
    this.dataRoot = dataRoot;
    this.#execRoot = execRoot;
    this.keelPath = keelPath;
  }

  /** Files of the container that survive a restart of the host. */
  dir(id: string): string {
    return join(this.dataRoot, "containers", id);
  }

  etcFile(id: string, name: "hostname" | "hosts" | "resolv.conf"): string {
    return join(this.dir(id), name);
  }

  /** The current file of the log. Only json-file's is of a form, and has a name, on which others may rely. */
  log(id: string, driver: string): string {
    return join(this.dir(id), driver === "json-file" ? `${id}-json.log` : "spool.log");
  }

  /** How far the log was shipped to its receiver. */
  shipped(id: string): string {
    return join(this.dir(id), "shipped.json");
  }

  /** Where the directories of all shims are. */
  stateRoot(): string {
    return join(this.#execRoot, "c");
  }

  /** The shim's directory, while the container runs. */
  stateDir(id: string): string {
    return join(this.stateRoot(), id);
  }

  socket(id: string): string {
    return join(this.stateDir(id), "shim.sock");
  }

  /** Where file systems are mounted of which a container gets parts, in its mount namespace only. */
  stageTarget(): string {
    return join(this.#execRoot, "stage");
  }

  /** Where roots are mounted, each in the mount namespace of its container only. */
  rootTarget(): string {
    return join(this.#execRoot, "root");
  }
}

/** Publishes a container event with the attributes that Docker gives it: image, name, labels and `more`; `atNano`: not now, but then. */
export function publish(
  context: Pick<ContainerContext, "events">,
  record: ContainerRecord,
  action: string,
  more: Readonly<Record<string, string>> = {},
  atNano?: bigint,
): void {
  const attributes = { ...record.config.Labels, image: record.config.Image, name: record.name, ...more };
  context.events.publish({ type: "container", action, actorId: record.id, attributes }, atNano);
}
