// How whoever uses plugins finds them by name, wherever they come from: managed ones, which the engine runs, and those that run by
// themselves and are known by their sockets and files (locate.ts).
import type { Endpoint } from "../http1/connect.ts";
import { listPlugins, locatePlugin, type PluginDirs } from "./locate.ts";

/** What a plugin can be asked to do, as Plugin.Activate and the types of managed plugins have it. */
export type PluginKind = "VolumeDriver" | "authz" | "LogDriver";

/** A plugin that can be called. */
export interface PluginPlace {
  /** The plugin's own name: that of a managed one has its tag. */
  readonly name: string;
  readonly endpoint: Endpoint;
  /** Its configuration says what it does; others are asked (Plugin.Activate). */
  readonly isManaged: boolean;
  /** Returns where a path that the plugin names is on the host. */
  hostPath(path: string): string;
}

export interface PluginLookup {
  /** Returns the plugin of that name, undefined when there is none. Fails with conflict when it is disabled, and when it is of another kind. */
  find(name: string, kind: PluginKind): Promise<PluginPlace | undefined>;
  /** Names of all plugins that may be of that kind. */
  list(kind: PluginKind): Promise<readonly string[]>;
}

/** Plugins that run by themselves; what they do is not known before they are asked. */
export class FilePlugins implements PluginLookup {
  readonly #dirs: PluginDirs;

  constructor(dirs: PluginDirs) {
    this.#dirs = dirs;
  }

  async find(name: string): Promise<PluginPlace | undefined> {
    const endpoint = await locatePlugin(this.#dirs, name);
    return endpoint && { name, endpoint, isManaged: false, hostPath: (path) => path };
  }

  list(): Promise<readonly string[]> {
    return listPlugins(this.#dirs);
  }
}

/** Looks in one place after the other. */
export function inOrder(places: readonly PluginLookup[]): PluginLookup {
  return {
    async find(name, kind) {
      for (const place of places) {
        const found = await place.find(name, kind);
        if (found !== undefined) return found;
      }
      return undefined;
    },
    list: async (kind) => [...new Set((await Promise.all(places.map((p) => p.list(kind)))).flat())],
  };
}
