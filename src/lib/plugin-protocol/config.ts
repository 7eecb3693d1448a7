// What a managed plugin says of itself: config.json of the directory that it is made from, and the configuration blob in a registry.
// Its keys are Docker's, in any case. It comes from strangers: what is a path, a name or a number of things is looked at here, whether
// the machine has it is not.
import { Fault, messageOf } from "../errors.ts";
import { parseJson } from "../json/parse.ts";
import { decode } from "../schema/decode.ts";
import {
  bool,
  list,
  nullable,
  optional,
  type Output,
  type Schema,
  struct,
  text,
  uint32,
} from "../schema/schema.ts";

export const PLUGIN_CONFIG_TYPE = "application/vnd.docker.plugin.v1+json";
export const MAX_PLUGIN_CONFIG_BYTES = 1 << 20;
/** Most mounts, devices, variables, arguments. */
const MAX_ITEMS = 1000;

const texts = nullable(list(text));
const described = { Description: text, Name: text, Settable: texts };

const mount = struct("plugin.Mount", {
  Description: text,
  Destination: text,
  Name: text,
  Options: texts,
  Settable: texts,
  Source: nullable(text),
  Type: text,
});
const device = struct("plugin.Device", {
  Description: text,
  Name: text,
  Path: nullable(text),
  Settable: texts,
});

export const pluginConfig = struct("plugin.Config", {
  Args: struct("plugin.Args", { ...described, Value: texts }),
  Description: text,
  DockerVersion: optional(text),
  Documentation: text,
  Entrypoint: texts,
  Env: nullable(list(struct("plugin.Env", { ...described, Value: nullable(text) }))),
  Interface: struct("plugin.Interface", { ProtocolScheme: optional(text), Socket: text, Types: texts }),
  IpcHost: bool,
  Linux: struct("plugin.LinuxConfig", {
    AllowAllDevices: bool,
    Capabilities: texts,
    Devices: nullable(list(device)),
  }),
  Mounts: nullable(list(mount)),
  Network: struct("plugin.NetworkConfig", { Type: text }),
  PidHost: bool,
  PropagatedMount: text,
  User: struct("plugin.User", { GID: optional(uint32), UID: optional(uint32) }),
  WorkDir: text,
  rootfs: optional(struct("plugin.RootFS", { diff_ids: nullable(list(text)), type: optional(text) })),
});

export const pluginSettings = struct("plugin.Settings", {
  Args: list(text),
  Devices: list(device),
  Env: list(text),
  Mounts: list(mount),
});

export const plugin = struct("plugin.Plugin", {
  Config: pluginConfig,
  Enabled: bool,
  Id: optional(text),
  Name: text,
  PluginReference: optional(text),
  Settings: pluginSettings,
});

/** Something that a plugin may do, which its user is asked for. */
export const pluginPrivilege = struct("plugin.Privilege", {
  Description: text,
  Name: text,
  Value: texts,
});

export type PluginConfig = Output<typeof pluginConfig>;
export type PluginSettings = Output<typeof pluginSettings>;
export type PluginMount = Output<typeof mount>;
export type PluginDevice = Output<typeof device>;
export type PluginPrivilege = Output<typeof pluginPrivilege>;
export type Plugin = Output<typeof plugin>;

/** Returns the configuration with every field in its place. Fails with invalidParameter. */
export function parsePluginConfig(source: string): PluginConfig {
  if (Buffer.byteLength(source) > MAX_PLUGIN_CONFIG_BYTES)
    throw invalid(`it is larger than ${MAX_PLUGIN_CONFIG_BYTES} bytes`);
  let config: PluginConfig;
  try {
    config = filled(pluginConfig, decode(pluginConfig, parseJson(source))) as PluginConfig;
  } catch (error) {
    throw invalid(messageOf(error), error);
  }
  check(config);
  return config;
}

/** Go's zero values for what is missing. */
function filled(schema: Schema, value: unknown): unknown {
  switch (schema.kind) {
    case "nullable":
      return value === undefined || value === null ? null : filled(schema.of, value);
    case "optional":
      return value === undefined || value === null ? undefined : filled(schema.of, value);
    case "struct": {
      const given = (value ?? {}) as Readonly<Record<string, unknown>>;
      const fields = Object.entries(schema.fields).map(([name, field]) => [name, filled(field, given[name])]);
      return Object.fromEntries(fields.filter(([, field]) => field !== undefined));
    }
    case "list":
      return ((value ?? []) as unknown[]).map((item) => filled(schema.item, item));
    case "string":
      return value ?? "";
    case "bool":
      return value ?? false;
    default:
      return value ?? 0;
  }
}

function check(config: PluginConfig): void {
  refuseNul(config);
  const { Args, Entrypoint, Env, Interface, Linux, Mounts, PropagatedMount, WorkDir } = config;
  const lists = [Args.Value, Entrypoint, Env, Interface.Types, Linux.Capabilities, Linux.Devices, Mounts];
  if (lists.some((items) => (items?.length ?? 0) > MAX_ITEMS))
    throw invalid(`a list has more than ${MAX_ITEMS} entries`);
  // It is the name of a file in a directory that the daemon shares with the plugin.
  if (!/^(?:[A-Za-z0-9_][A-Za-z0-9_.-]{0,63})?$/.test(Interface.Socket))
    throw invalid(`the socket ${JSON.stringify(Interface.Socket)} is no file name`);
  checkPath("the working directory", WorkDir);
  checkPath("the propagated mount", PropagatedMount);
  if (/^\/+$/.test(PropagatedMount)) throw invalid("the propagated mount is the whole root");
  for (const { Destination, Source, Type } of Mounts ?? []) {
    if (Destination === "") throw invalid("a mount has no destination");
    checkPath("the destination of a mount", Destination);
    if (Type === "bind" && Source !== null) checkPath("the source of a mount", Source);
  }
  for (const { Path } of Linux.Devices ?? []) checkPath("the device", Path ?? "");
  for (const { Name } of Env ?? [])
    if (Name === "" || Name.includes("=")) throw invalid(`${JSON.stringify(Name)} is no name of a variable`);
}

/** A path that begins at the root and never goes up; "" for none. */
function checkPath(what: string, path: string): void {
  const why = whyNoPath(what, path);
  if (path !== "" && why !== undefined) throw invalid(why);
}

function whyNoPath(what: string, path: string): string | undefined {
  if (path.startsWith("/") && path.length <= 4095 && !path.split("/").includes("..") && !path.includes("\0"))
    return undefined;
  return `${what} ${JSON.stringify(path.slice(0, 200))} is no absolute path without ".."`;
}

/** The kernel's strings end there. */
function refuseNul(value: unknown): void {
  if (typeof value === "string" && value.includes("\0")) throw invalid("a text has a NUL byte");
  if (typeof value === "object" && value !== null) for (const item of Object.values(value)) refuseNul(item);
}

/** A setting of a plugin's user is held to the same. Fails with invalidParameter. */
export function checkSettingPath(what: string, path: string): void {
  const why = whyNoPath(what, path);
  if (why !== undefined) throw new Fault("invalidParameter", why, { code: "plugin.setting" });
}

function invalid(why: string, cause?: unknown): Fault {
  return new Fault("invalidParameter", `failed to parse config: ${why}`, { code: "plugin.config", cause });
}

/** A type of a plugin's interface, such as docker.volumedriver/1.0. */
export interface PluginType {
  readonly prefix: string;
  readonly capability: string;
}

export function pluginTypes({ Interface }: PluginConfig): PluginType[] {
  return (Interface.Types ?? []).map((type) => {
    const name = type.split("/", 1)[0] ?? "";
    const dot = name.lastIndexOf(".");
    return { prefix: name.slice(0, Math.max(dot, 0)), capability: name.slice(dot + 1) };
  });
}
