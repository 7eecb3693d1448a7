// A plugin's configuration and settings as an OCI specification: a container like others, with what its user has granted on top. As
// with Docker it runs as root of the host and without an AppArmor profile, since it is there to mount; the system-call filter is that
// of containers with its capabilities.
import { Fault } from "../../lib/errors.ts";
import { checkSettingPath, pluginTypes } from "../../lib/plugin-protocol/config.ts";
import { generateSpec } from "../../runtime/spec/generate.ts";
import type { NamespaceMode, SpecBind } from "../../runtime/spec/input.ts";
import type { OciMount, OciSpec } from "../../runtime/spec/oci.ts";
import type { PluginContext } from "./context.ts";
import type { PluginRecord } from "./record.ts";

/** Where a plugin finds what the daemon shares with it. */
const SOCKETS = "/run/docker/plugins";
export const LOGGING = "/run/docker/logging";

/** Drivers that this engine has no place for. (A type that is nobody's is no harm.) */
const UNSUPPORTED = [
  "networkdriver",
  "ipamdriver",
  "graphdriver",
  "metricscollector",
  "csinode",
  "csicontroller",
];
const HTTP = "moby.plugins.http/v1";

/** Fails with notImplemented, or with what is missing to start the plugin. */
export function checkStartable({ config, name }: PluginRecord): void {
  const unsupported = pluginTypes(config).find(
    (t) => t.prefix === "docker" && UNSUPPORTED.includes(t.capability),
  );
  const { ProtocolScheme = "", Socket } = config.Interface;
  if (unsupported !== undefined)
    throw new Fault(
      "notImplemented",
      `plugin ${name} is a ${unsupported.prefix}.${unsupported.capability}, which this engine has no use for: it has volume drivers, authorisation plugins and log drivers`,
      { code: "plugin.kind" },
    );
  if (ProtocolScheme !== "" && ProtocolScheme !== HTTP)
    throw new Fault("notImplemented", `plugin ${name} speaks ${ProtocolScheme}, this engine ${HTTP}`, {
      code: "plugin.protocol",
    });
  if (Socket === "") throw incomplete(name, "socket");
  if ((config.Entrypoint ?? []).length === 0) throw incomplete(name, "entrypoint");
}

function incomplete(name: string, what: string): Fault {
  return new Fault("invalidParameter", `plugin ${name} cannot be started: its config has no ${what}`, {
    code: "plugin.config",
  });
}

export const isPropagating = ({ config }: PluginRecord): boolean => config.PropagatedMount !== "";
export const takesLogs = ({ config }: PluginRecord): boolean =>
  pluginTypes(config).some((t) => t.prefix === "docker" && t.capability === "logdriver");

/** Returns the specification. Fails with invalidParameter for what contradicts itself or is not there. */
export function specOf(
  { paths, security }: Pick<PluginContext, "paths" | "security">,
  record: PluginRecord,
): OciSpec {
  const { config, settings, id } = record;
  const host = (isHost: boolean): NamespaceMode => ({ kind: isHost ? "host" : "private" });
  const { spec } = generateSpec({
    ...security,
    id,
    args: [...(config.Entrypoint ?? []), ...settings.Args],
    env: settings.Env,
    cwd: config.WorkDir,
    capAdd: config.Linux.Capabilities ?? [],
    securityOpts: ["apparmor=unconfined"],
    devices: settings.Devices.map(({ Path, Name }) => {
      checkSettingPath(`the path of the device ${Name}`, Path ?? "");
      return { pathOnHost: Path ?? "", pathInContainer: Path ?? "" };
    }),
    ...(config.Linux.AllowAllDevices ? { resources: { deviceCgroupRules: ["a *:* rwm"] } } : {}),
    binds: [...sharedWithDaemon(paths, record), ...networkFiles(config.Network.Type)],
    namespaces: {
      net: host(isHostNetwork(record)),
      pid: host(config.PidHost),
      ipc: host(config.IpcHost),
    },
  });
  const own = settings.Mounts.map(mountOf);
  // Only a plugin that propagates has a root that lets mounts out.
  const isShared = isPropagating(record) || own.some((m) => m.options?.some((o) => /^r?shared$/.test(o)));
  return {
    ...spec,
    mounts: [...(spec.mounts ?? []).filter((m) => !own.some((o) => o.destination === m.destination)), ...own],
    linux: { ...spec.linux, ...(isShared ? { rootfsPropagation: "rshared" } : {}) },
  };
}

export const isHostNetwork = ({ config }: PluginRecord): boolean => config.Network.Type === "host";

function sharedWithDaemon(paths: PluginContext["paths"], record: PluginRecord): SpecBind[] {
  const { id, config } = record;
  return [
    { source: paths.sockets(id), destination: SOCKETS },
    ...(takesLogs(record) ? [{ source: paths.logging(id), destination: LOGGING }] : []),
    ...(isPropagating(record)
      ? [{ source: paths.propagated(id), destination: config.PropagatedMount, propagation: "rshared" }]
      : []),
  ];
}

/** compat: whatever the network, the host's files; and one without a bridge, as Docker never made it. */
function networkFiles(type: string): SpecBind[] {
  if (type === "") return [];
  return ["/etc/hosts", "/etc/resolv.conf"].map((path) => ({
    source: path,
    destination: path,
    readonly: true,
    readonlyNonRecursive: true,
  }));
}

function mountOf({
  Destination,
  Source,
  Type,
  Options,
  Name,
}: PluginRecord["settings"]["Mounts"][number]): OciMount {
  if (Source === null)
    throw new Fault("invalidParameter", `mount source is not specified: ${Name}`, { code: "plugin.setting" });
  if (Type === "bind") checkSettingPath(`the source of the mount ${Name}`, Source);
  return { destination: Destination, type: Type, source: Source, options: [...(Options ?? [])] };
}
