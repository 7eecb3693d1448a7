// The volume drivers of plugins, by name. A plugin is asked once what it is (Plugin.Activate); one that is gone is looked for again at
// the next use, so plugins may come, go and come back while the daemon runs.
import { Fault, messageOf } from "../../../lib/errors.ts";
import { callPlugin } from "../../../lib/plugin-protocol/client.ts";
import type { PluginLookup, PluginPlace } from "../../../lib/plugin-protocol/lookup.ts";
import type { DriverRegistry, VolumeDriver } from "../driver.ts";
import { PLUGIN_TIMEOUTS, PluginDriver, type PluginTimeouts } from "./driver.ts";

export interface PluginDriversOptions {
  readonly lookup: PluginLookup;
  readonly timeouts?: PluginTimeouts;
  readonly log: (message: string) => void;
}

interface Activated {
  readonly place: PluginPlace;
  readonly driver: PluginDriver;
}

export class PluginDrivers implements DriverRegistry {
  readonly #lookup: PluginLookup;
  readonly #timeouts: PluginTimeouts;
  readonly #log: (message: string) => void;
  /** By the name that was asked for: a managed one has several. */
  readonly #active = new Map<string, Activated>();
  /** Plugins that were asked and are no volume drivers, or did not answer; told once. */
  readonly #told = new Set<string>();

  constructor(options: PluginDriversOptions) {
    this.#lookup = options.lookup;
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
    const place = await this.#lookup.find(name, "VolumeDriver").catch((error: unknown) => {
      this.#active.delete(name);
      throw error;
    });
    if (place === undefined) {
      this.#active.delete(name);
      throw new Fault("notFound", `plugin ${JSON.stringify(name)} not found`, { code: "plugin.not-found" });
    }
    const known = this.#active.get(name);
    if (known !== undefined && isSame(known.place, place)) return known.driver;
    if (!place.isManaged) await this.#ask(place);
    const driver = new PluginDriver(place, this.#timeouts);
    this.#active.set(name, { place, driver });
    return driver;
  }

  async #ask({ endpoint }: PluginPlace): Promise<void> {
    const { Implements } = await callPlugin(endpoint, "Plugin.Activate", undefined, this.#timeouts.list);
    if (Array.isArray(Implements) && Implements.includes("VolumeDriver")) return;
    throw new Fault("notFound", "Plugin does not implement the requested driver", {
      code: "plugin.not-implemented",
    });
  }

  names(): readonly string[] {
    return [...new Set([...this.#active.values()].map(({ place }) => place.name))];
  }

  async plugins(): Promise<readonly VolumeDriver[]> {
    const names = await this.#lookup.list("VolumeDriver");
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

function isSame(a: PluginPlace, b: PluginPlace): boolean {
  return JSON.stringify(a.endpoint) === JSON.stringify(b.endpoint);
}
