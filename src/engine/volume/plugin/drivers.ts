// The volume drivers of plugins, by name. A plugin is asked once what it is (Plugin.Activate); one that is gone is looked for again at
// the next use, so plugins may come, go and come back while the daemon runs.
import { Fault, messageOf } from "../../../lib/errors.ts";
import type { Endpoint } from "../../../lib/http1/connect.ts";
import type { DriverRegistry, VolumeDriver } from "../driver.ts";
import { callPlugin } from "./client.ts";
import { PLUGIN_TIMEOUTS, PluginDriver, type PluginTimeouts } from "./driver.ts";
import { listPlugins, locatePlugin, PLUGIN_DIRS, type PluginDirs } from "./locate.ts";

export interface PluginDriversOptions {
  readonly dirs?: PluginDirs;
  readonly timeouts?: PluginTimeouts;
  readonly log: (message: string) => void;
}

interface Activated {
  readonly endpoint: Endpoint;
  readonly driver: PluginDriver;
}

export class PluginDrivers implements DriverRegistry {
  readonly #dirs: PluginDirs;
  readonly #timeouts: PluginTimeouts;
  readonly #log: (message: string) => void;
  readonly #active = new Map<string, Activated>();
  /** Plugins that were asked and are no volume drivers, or did not answer; told once. */
  readonly #told = new Set<string>();

  constructor(options: PluginDriversOptions) {
    this.#dirs = options.dirs ?? PLUGIN_DIRS;
    this.#timeouts = options.timeouts ?? PLUGIN_TIMEOUTS;
    this.#log = options.log;
  }

  async driver(name: string): Promise<VolumeDriver> {
    try {
      return await this.#activate(name);
    } catch (error) {
      throw new Fault(
        error instanceof Fault ? error.kind : "system",
        `error looking up volume plugin ${name}: ${messageOf(error)}`,
        { code: "volume.driver", cause: error },
      );
    }
  }

  async #activate(name: string): Promise<PluginDriver> {
    const endpoint = await locatePlugin(this.#dirs, name);
    if (endpoint === undefined) {
      this.#active.delete(name);
      throw new Fault("notFound", `plugin ${JSON.stringify(name)} not found`, { code: "plugin.not-found" });
    }
    const known = this.#active.get(name);
    if (known !== undefined && isSame(known.endpoint, endpoint)) return known.driver;
    const { Implements } = await callPlugin(endpoint, "Plugin.Activate", undefined, this.#timeouts.list);
    if (!Array.isArray(Implements) || !Implements.includes("VolumeDriver"))
      throw new Fault("notFound", "Plugin does not implement the requested driver", {
        code: "plugin.not-implemented",
      });
    const driver = new PluginDriver(name, endpoint, this.#timeouts);
    this.#active.set(name, { endpoint, driver });
    return driver;
  }

  names(): readonly string[] {
    return [...this.#active.keys()];
  }

  async plugins(): Promise<readonly VolumeDriver[]> {
    const names = await listPlugins(this.#dirs);
    const drivers = await Promise.all(
      names.map((name) =>
        this.#activate(name).catch((error: unknown) => {
          if (!this.#told.has(name)) this.#log(`plugin ${name} is no volume driver: ${messageOf(error)}`);
          this.#told.add(name);
          return undefined;
        }),
      ),
    );
    return drivers.filter((d) => d !== undefined);
  }
}

function isSame(a: Endpoint, b: Endpoint): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
