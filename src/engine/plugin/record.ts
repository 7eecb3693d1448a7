// What the store keeps of a managed plugin (table `plugins`, key = id).
import type { PluginConfig, PluginSettings, Plugin } from "../../lib/plugin-protocol/config.ts";
import type { Digest } from "../../oci/digest.ts";
import type { LayerId } from "../../storage/layer/types.ts";

export interface PluginRecord {
  readonly version: 1;
  readonly id: string;
  /** Familiar, with its tag. */
  readonly name: string;
  /** Where it came from. */
  readonly reference: string;
  readonly config: PluginConfig;
  /** The configuration as it came: its digest is the registry's. */
  readonly configText: string;
  readonly manifest: {
    readonly text: string;
    readonly mediaType: string;
    readonly layers: readonly Digest[];
  };
  /** Bottom first. The plugin runs on a copy of them. */
  readonly layers: readonly LayerId[];
  readonly settings: PluginSettings;
  /** Its user wants it to run. */
  readonly isEnabled: boolean;
}

/** Returns the settings of a plugin that nobody has changed. */
export function initialSettings({ Mounts, Linux, Env, Args }: PluginConfig): PluginSettings {
  return {
    Args: [...(Args.Value ?? [])],
    Devices: [...(Linux.Devices ?? [])],
    Env: (Env ?? []).flatMap(({ Name, Value }) => (Value === null ? [] : [`${Name}=${Value}`])),
    Mounts: [...(Mounts ?? [])],
  };
}

/** Returns a plugin as the API shows it. */
export function viewOf({ id, name, reference, config, settings, isEnabled }: PluginRecord): Plugin {
  return {
    Config: config,
    Enabled: isEnabled,
    Id: id,
    Name: name,
    PluginReference: reference,
    Settings: settings,
  };
}
