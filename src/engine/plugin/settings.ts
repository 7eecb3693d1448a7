// `plugin set`: NAME[.FIELD][=VALUE] for what the plugin's configuration allows to be set. Pure.
import { Fault } from "../../lib/errors.ts";
import {
  checkSettingPath,
  type PluginConfig,
  type PluginSettings,
} from "../../lib/plugin-protocol/config.ts";

interface Setting {
  readonly name: string;
  readonly field: string;
  readonly value: string;
}

/** Returns the settings with the changes. Fails with invalidParameter in Docker's words; then none of them counts. */
export function changeSettings(
  config: PluginConfig,
  settings: PluginSettings,
  changes: readonly string[],
): PluginSettings {
  return changes.map(parseSetting).reduce((before, setting) => changeOne(config, before, setting), settings);
}

function parseSetting(text: string): Setting {
  const equals = text.indexOf("=");
  if (equals === 0) throw invalid("invalid format, must be <name>[.<field>][=<value>]");
  const key = equals < 0 ? text : text.slice(0, equals);
  const value = equals < 0 ? "" : text.slice(equals + 1);
  const dot = key.lastIndexOf(".");
  return dot > 0
    ? { name: key.slice(0, dot), field: key.slice(dot + 1), value }
    : { name: key, field: "", value };
}

/** compat: variables are looked for first, then mounts, devices and arguments. */
function changeOne(config: PluginConfig, settings: PluginSettings, setting: Setting): PluginSettings {
  const { name, value } = setting;
  const isIt = (item: { readonly Name: string }): boolean => item.Name === name;
  const variable = config.Env?.find(isIt);
  if (variable !== undefined) {
    checkSettable(setting, "value", variable.Settable);
    if (value.includes("\0")) throw invalid("a value has a NUL byte");
    const rest = settings.Env.some((e) => e.startsWith(`${name}=`))
      ? settings.Env
      : [...settings.Env, `${name}=`];
    return { ...settings, Env: rest.map((e) => (e.startsWith(`${name}=`) ? `${name}=${value}` : e)) };
  }
  const mount = config.Mounts?.find(isIt);
  if (mount !== undefined) {
    checkSettable(setting, "source", mount.Settable);
    if (mount.Source === null) throw invalid("plugin config has no mount source");
    if (mount.Type === "bind") checkSettingPath("the source of a mount", value);
    return { ...settings, Mounts: settings.Mounts.map((m) => (isIt(m) ? { ...m, Source: value } : m)) };
  }
  const device = config.Linux.Devices?.find(isIt);
  if (device !== undefined) {
    checkSettable(setting, "path", device.Settable);
    if (device.Path === null) throw invalid("plugin config has no device path");
    checkSettingPath("the device", value);
    return { ...settings, Devices: settings.Devices.map((d) => (isIt(d) ? { ...d, Path: value } : d)) };
  }
  if (isIt(config.Args)) {
    checkSettable(setting, "value", config.Args.Settable);
    if (value.includes("\0")) throw invalid("a value has a NUL byte");
    return { ...settings, Args: value.split(" ") };
  }
  throw invalid(`setting ${JSON.stringify(name)} not found in the plugin configuration`);
}

function checkSettable({ name, field }: Setting, only: string, settable: readonly string[] | null): void {
  const allowed = settable ?? [];
  if (field === "" && allowed.length > 1)
    throw invalid("multiple fields are settable, one must be specified");
  const meant = field || (allowed[0] ?? "");
  if (meant === only && allowed.includes(meant)) return;
  throw invalid(`${JSON.stringify(meant === "" ? name : `${name}.${meant}`)} is not settable`);
}

function invalid(message: string): Fault {
  return new Fault("invalidParameter", message, { code: "plugin.setting" });
}
