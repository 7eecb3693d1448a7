// A volume driver that a plugin is: VolumeDriver.Create, Remove, Get, List, Path, Mount, Unmount, Capabilities. Where a plugin
// keeps its volumes on the host is its own affair; that it is an absolute path is looked at, what is there is not.
import { Fault } from "../../../lib/errors.ts";
import { callPlugin, type PluginReply } from "../../../lib/plugin-protocol/client.ts";
import type { PluginPlace } from "../../../lib/plugin-protocol/lookup.ts";
import type { DriverVolume, VolumeDriver } from "../driver.ts";

export interface PluginTimeouts {
  /** Milliseconds for what may take its time: create and mount. */
  readonly long: number;
  readonly short: number;
  /** For a list, which shall not hold up those of the others. */
  readonly list: number;
}

/** Docker's, but for lists. */
export const PLUGIN_TIMEOUTS: PluginTimeouts = { long: 120_000, short: 60_000, list: 10_000 };

export class PluginDriver implements VolumeDriver {
  readonly name: string;
  readonly #place: PluginPlace;
  readonly #timeouts: PluginTimeouts;
  #scope: Promise<string> | undefined;

  constructor(place: PluginPlace, timeouts: PluginTimeouts) {
    this.name = place.name;
    this.#place = place;
    this.#timeouts = timeouts;
  }

  #call(method: string, body: Readonly<Record<string, unknown>>, timeoutMs?: number): Promise<PluginReply> {
    return callPlugin(
      this.#place.endpoint,
      `VolumeDriver.${method}`,
      body,
      timeoutMs ?? this.#timeouts.short,
    );
  }

  /** compat: a plugin that does not know the question is local. */
  scope(): Promise<string> {
    this.#scope ??= this.#call("Capabilities", {}, this.#timeouts.list).then(
      (reply) => {
        const scope = (reply["Capabilities"] as { Scope?: unknown } | null | undefined)?.Scope;
        return typeof scope === "string" && scope.toLowerCase() === "global" ? "global" : "local";
      },
      () => {
        this.#scope = undefined;
        return "local";
      },
    );
    return this.#scope;
  }

  async create(name: string, options: Readonly<Record<string, string>>): Promise<void> {
    await this.#call("Create", { Name: name, Opts: options }, this.#timeouts.long);
  }

  async remove(name: string): Promise<void> {
    await this.#call("Remove", { Name: name });
  }

  async get(name: string): Promise<DriverVolume | undefined> {
    // compat: whatever a plugin says against it means that it does not have the volume.
    const { Volume } = await this.#call("Get", { Name: name }).catch((error: unknown): PluginReply => {
      if (error instanceof Fault && error.code === "plugin.refused") return {};
      throw error;
    });
    const found = volumeOf(Volume);
    if (found === undefined) return undefined;
    if (found.mountpoint !== "") return found;
    // compat: an older plugin says only to this question where a volume is.
    const { Mountpoint } = await this.#call("Path", { Name: name }).catch((): PluginReply => ({}));
    return typeof Mountpoint === "string" ? { ...found, mountpoint: Mountpoint } : found;
  }

  async list(): Promise<readonly DriverVolume[]> {
    const { Volumes } = await this.#call("List", {}, this.#timeouts.list);
    return (Array.isArray(Volumes) ? Volumes : []).flatMap((v) => volumeOf(v) ?? []);
  }

  async mount(name: string, user: string): Promise<string> {
    const { Mountpoint } = await this.#call("Mount", { Name: name, ID: user }, this.#timeouts.long);
    if (typeof Mountpoint !== "string" || !Mountpoint.startsWith("/") || Mountpoint.includes("\0"))
      throw new Fault(
        "system",
        `VolumeDriver.Mount: the plugin named no absolute path: ${JSON.stringify(Mountpoint)}`,
        {
          code: "plugin.failed",
        },
      );
    return this.#place.hostPath(Mountpoint);
  }

  async unmount(name: string, user: string): Promise<void> {
    await this.#call("Unmount", { Name: name, ID: user });
  }
}

function volumeOf(value: unknown): DriverVolume | undefined {
  const v = value as
    | { Name?: unknown; Mountpoint?: unknown; CreatedAt?: unknown; Status?: unknown }
    | null
    | undefined;
  if (typeof v?.Name !== "string" || v.Name === "") return undefined;
  const isStatus = typeof v.Status === "object" && v.Status !== null && !Array.isArray(v.Status);
  return {
    name: v.Name,
    mountpoint: typeof v.Mountpoint === "string" ? v.Mountpoint : "",
    ...(typeof v.CreatedAt === "string" && v.CreatedAt !== "" ? { createdAt: v.CreatedAt } : {}),
    ...(isStatus ? { status: v.Status as Readonly<Record<string, unknown>> } : {}),
  };
}
