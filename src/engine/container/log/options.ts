// Which log driver a container has, with which options: the daemon's defaults under the container's own, refused where Docker
// refuses them. What the drivers are is in driver/.
import type { HostConfig, HostConfigRequest } from "../../../api/schemas/host-config.ts";
import { messageOf } from "../../../lib/errors.ts";
import { goBool } from "../../../lib/units/go-scalar.ts";
import { parseBinarySize } from "../../../lib/units/size.ts";
import type { LogDriver } from "./driver/driver.ts";
import { fluentd } from "./driver/fluentd.ts";
import { gelf } from "./driver/gelf.ts";
import { journald } from "./driver/journald.ts";
import { jsonFile } from "./driver/json-file.ts";
import { local } from "./driver/local.ts";
import { pluginLog } from "./driver/plugin.ts";
import { syslog } from "./driver/syslog.ts";
import { invalidOption, type LogOptions } from "./settings.ts";

const DRIVERS: ReadonlyMap<string, LogDriver> = new Map(
  [jsonFile, local, syslog, journald, fluentd, gelf].map((driver) => [driver.name, driver]),
);

/** The names that `docker info` lists, sorted; compat: "none" is not among them. */
export const DRIVER_NAMES: readonly string[] = [...DRIVERS.keys()].sort();

/** Options of every driver, which it never gets to see. */
const COMMON = [
  "mode",
  "max-buffer-size",
  "cache-disabled",
  "cache-max-size",
  "cache-max-file",
  "cache-compress",
];

/** Returns the driver of this name, for one that is not built in a plugin's; null for none. */
export function driverOf(name: string): LogDriver | null {
  return name === "none" ? null : (DRIVERS.get(name) ?? pluginLog(name));
}

/** What a container gets that asks for nothing. */
export interface LogDefaults {
  readonly logType: string;
  readonly logOptions: LogOptions;
  /** Whether an enabled plugin of that name takes logs. */
  isLogPlugin?(name: string): boolean;
}

/** Returns a container's driver and options. Fails with invalidParameter in Docker's words. */
export function completeLogConfig(
  request: HostConfigRequest["LogConfig"],
  defaults: LogDefaults,
): HostConfig["LogConfig"] {
  const Type = request?.Type || defaults.logType;
  // compat: the daemon's options are those of its own driver; what it says of the cache is for every driver.
  const inherited = Object.entries(defaults.logOptions).filter(
    ([key]) => Type === defaults.logType || key.startsWith("cache-"),
  );
  const Config = { ...Object.fromEntries(inherited), ...request?.Config };
  checkLogOptions(Type, Config, (name) => defaults.isLogPlugin?.(name) === true);
  return { Type, Config };
}

/** Refuses defaults of the daemon that no container could be created with. */
export function checkDefaultLog(
  type: string,
  options: LogOptions,
  isPlugin?: (name: string) => boolean,
): void {
  try {
    checkLogOptions(type, options, isPlugin);
  } catch (error) {
    throw invalidOption(`failed to set log opts: ${messageOf(error)}`);
  }
}

/** Refuses a driver or options that there are not, with invalidParameter. */
export function checkLogOptions(
  type: string,
  options: LogOptions,
  isPlugin: (name: string) => boolean = () => false,
): void {
  if (type === "none") return;
  if (!DRIVERS.has(type) && !isPlugin(type))
    // compat: clients compare the whole text; the drivers that there are stand in `info` and docs/logging.md.
    throw invalidOption(`logger: no log driver named '${type}' is registered`);
  const mode = options["mode"] ?? "";
  if (!["", "blocking", "non-blocking"].includes(mode))
    throw invalidOption(`logger: logging mode not supported: ${mode}`);
  checkBufferSize(options["max-buffer-size"], mode);
  const disabled = options["cache-disabled"];
  if (disabled && goBool(disabled) === null)
    throw invalidOption(`invalid value for option cache-disabled: ${disabled}`);
  const driver = driverOf(type) as LogDriver;
  driver.check(Object.fromEntries(Object.entries(options).filter(([name]) => !COMMON.includes(name))));
  driver.storage(options);
}

function checkBufferSize(size: string | undefined, mode: string): void {
  if (size === undefined) return;
  if (mode !== "non-blocking")
    throw invalidOption("logger: max-buffer-size option is only supported with 'mode=non-blocking'");
  try {
    parseBinarySize(size);
  } catch (error) {
    throw invalidOption(`error parsing option max-buffer-size: ${messageOf(error)}`);
  }
}

/** Whether `logs` may read what is kept locally: compat: with a receiver, `cache-disabled` says no. */
export function isReadable(config: HostConfig["LogConfig"]): boolean {
  if (config.Type === "none") return false;
  const isRemote = driverOf(config.Type)?.remote !== undefined;
  return !(isRemote && goBool(config.Config?.["cache-disabled"] ?? "") === true);
}
