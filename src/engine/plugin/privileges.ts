// What a plugin may do beyond any other container: its user is asked for it, and what he granted is compared with what the plugin
// that was pulled then really wants.
import { Fault } from "../../lib/errors.ts";
import type { PluginConfig, PluginPrivilege } from "../../lib/plugin-protocol/config.ts";

/** Returns the privileges in Docker's order and words. */
export function privilegesOf(config: PluginConfig): PluginPrivilege[] {
  const { Network, IpcHost, PidHost, Mounts, Linux } = config;
  const has = (isWanted: boolean, Name: string, Description: string, Value: string[]): PluginPrivilege[] =>
    isWanted ? [{ Name, Description, Value }] : [];
  return [
    ...has(!["null", "bridge", ""].includes(Network.Type), "network", "permissions to access a network", [
      Network.Type,
    ]),
    ...has(IpcHost, "host ipc namespace", "allow access to host ipc namespace", ["true"]),
    ...has(PidHost, "host pid namespace", "allow access to host pid namespace", ["true"]),
    ...(Mounts ?? []).flatMap(({ Source }) =>
      has(Source !== null, "mount", "host path to mount", [Source ?? ""]),
    ),
    ...(Linux.Devices ?? []).flatMap(({ Path }) =>
      has(Path !== null, "device", "host device to access", [Path ?? ""]),
    ),
    ...has(Linux.AllowAllDevices, "allow-all-devices", "allow 'rwm' access to all devices", ["true"]),
    ...has(
      (Linux.Capabilities ?? []).length > 0,
      "capabilities",
      "list of additional capabilities required",
      [...(Linux.Capabilities ?? [])],
    ),
  ];
}

/** Fails with invalidParameter unless exactly these are granted, in whatever order. */
export function checkPrivileges(
  config: PluginConfig,
  granted: readonly {
    readonly Name?: string | null | undefined;
    readonly Value?: readonly string[] | null | undefined;
  }[],
): void {
  const texts = (privileges: typeof granted): string[] =>
    privileges.map(({ Name, Value }) => JSON.stringify([Name ?? "", [...(Value ?? [])].sort()])).sort();
  const wanted = texts(privilegesOf(config));
  const given = texts(granted);
  if (wanted.length !== given.length || wanted.some((text, i) => text !== given[i]))
    throw new Fault("invalidParameter", "incorrect privileges", { code: "plugin.privileges" });
}
