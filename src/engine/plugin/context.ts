// What the operations on managed plugins work with, and where their files are.
import { join } from "node:path";
import type { Keel } from "../../linux/keel.ts";
import type { SpecInput } from "../../runtime/spec/input.ts";
import type { LayerStore } from "../../storage/layer/store.ts";
import type { DiskIo } from "../../storage/disk.ts";
import type { RecordStore } from "../../storage/meta/types.ts";
import type { ContainerContext, ContainerPaths } from "../container/context.ts";
import type { EventBus } from "../event/bus.ts";
import type { ImageContext } from "../image/service.ts";

export interface PluginContext extends Pick<ContainerContext, "cgroups" | "cgroupParent" | "systemd"> {
  readonly store: RecordStore;
  readonly disk: DiskIo;
  readonly keel: Keel;
  readonly layers: LayerStore;
  /** How registries are spoken with. */
  readonly images: Pick<ImageContext, "content" | "registries" | "transfers">;
  readonly events: Pick<EventBus, "publish">;
  readonly security: Pick<SpecInput, "seccompProfile">;
  readonly paths: PluginPaths;
  readonly log: (level: "debug" | "info" | "warn" | "error", message: string) => void;
}

export class PluginPaths {
  /** Of all plugins. */
  readonly root: string;
  /** Of what has been removed. */
  readonly trash: string;
  readonly #execRoot: string;
  readonly #containers: Pick<ContainerPaths, "rootTarget" | "stageTarget">;

  constructor(
    dataRoot: string,
    execRoot: string,
    containers: Pick<ContainerPaths, "rootTarget" | "stageTarget">,
  ) {
    this.root = join(dataRoot, "plugins");
    this.trash = join(this.root, ".trash");
    this.#execRoot = execRoot;
    this.#containers = containers;
  }

  dir(id: string): string {
    return join(this.root, id);
  }

  rootfs(id: string): string {
    return join(this.dir(id), "rootfs");
  }

  /** What is mounted here in the plugin is mounted on the host, too. */
  propagated(id: string): string {
    return join(this.dir(id), "propagated-mount");
  }

  /** Where the plugin listens: its /run/docker/plugins. */
  sockets(id: string): string {
    return join(this.#execRoot, "plugins", id);
  }

  /** Pipes through which it gets logs: its /run/docker/logging. */
  logging(id: string): string {
    return join(this.dir(id), "logging");
  }

  stateRoot(): string {
    return join(this.#execRoot, "p");
  }

  /** The shim's directory, while the plugin runs. */
  stateDir(id: string): string {
    return join(this.stateRoot(), id);
  }

  socket(id: string): string {
    return join(this.stateDir(id), "shim.sock");
  }

  rootTarget(): string {
    return this.#containers.rootTarget();
  }

  stageTarget(): string {
    return this.#containers.stageTarget();
  }
}
