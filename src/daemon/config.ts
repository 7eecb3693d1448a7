// The daemon's configuration: flags as dockerd's, and daemon.json; a key in both is an error, as with dockerd.
import { readFileSync } from "node:fs";
import { Fault, messageOf } from "../lib/errors.ts";
import { parseFlags } from "../lib/flags/parse.ts";
import { bool, type FlagValues, int, list, string } from "../lib/flags/spec.ts";
import { versionLine } from "../cli/version.ts";
import { flagUsages } from "../lib/flags/usage.ts";
import { loadPlaces } from "./places.ts";
import type { DnsOverrides } from "../net/dns/resolv-conf.ts";
import { DNS_FLAGS, DNS_KEYS, dnsConfigOf } from "./dns-config.ts";
import {
  ENGINE_FILE_KEYS,
  ENGINE_FLAGS,
  ENGINE_KEYS,
  type EngineConfig,
  engineConfigOf,
} from "./engine-config.ts";
import { LISTEN_FLAGS, LISTEN_KEYS, type ListenConfig, listenConfigOf } from "./listen-config.ts";
import { NETWORK_FLAGS, NETWORK_KEYS, type NetworkConfig, networkConfigOf } from "./network-config.ts";
import {
  type ContainerConfigDefaults,
  CONTAINER_FLAGS,
  CONTAINER_KEYS,
  containerDefaultsOf,
} from "./container-config.ts";

import { SECURITY_FLAGS, SECURITY_KEYS, type SecurityConfig, securityConfigOf } from "./security-config.ts";
import { TRANSFER_FLAGS, TRANSFER_KEYS, transferSettingsOf } from "./transfer-config.ts";
import { checkMirror, type TransferSettings } from "../engine/image/registries.ts";
import { RUNTIME_FLAGS, RUNTIME_KEYS, runtimeSettingsOf } from "./runtime-config.ts";
import { UNDO_FILE_KEYS, undoLimitsOf } from "./undo-config.ts";
import type { KeepLimits } from "../engine/kept/store.ts";
import {
  ACCESS_FILE_KEYS,
  ACCESS_FLAGS,
  ACCESS_KEYS,
  type AccessConfig,
  accessConfigOf,
} from "./access-config.ts";
import { BUILD_FILE_KEYS, buildCacheLimitsOf } from "./build-config.ts";
import type { CacheLimits } from "../engine/build/cache/cache.ts";
import type { RuntimeSettings } from "../engine/container/runtime/runtimes.ts";
import { table } from "../lib/table.ts";

/** Everything the daemon can be told. */
export interface DaemonConfig {
  readonly dataRoot: string;
  readonly execRoot: string;
  readonly listen: ListenConfig;
  readonly engine: EngineConfig;
  /** Authorisation plugins, sockets with a policy, the audit log. */
  readonly access: AccessConfig;
  readonly pidfile: string;
  readonly network: NetworkConfig;
  /** Name servers, search domains and options of containers that ask for none. */
  readonly dns: Required<DnsOverrides>;
  readonly logLevel: string;
  readonly registryMirrors: readonly string[];
  readonly insecureRegistries: readonly string[];
  /** Parent of the containers' cgroups, with systemd a slice; "" for the usual one. */
  readonly cgroupParent: string;
  readonly logDriver: string;
  readonly logOptions: Readonly<Record<string, string>>;
  readonly containers: ContainerConfigDefaults;
  readonly security: SecurityConfig;
  /** The user, or user:group, whose set-aside ids containers get; "" for none. */
  readonly usernsRemap: string;
  /** How many layers are transferred at once, and how often a download is tried. */
  readonly transfers: TransferSettings;
  /** What `--runtime` may name. */
  readonly runtimes: RuntimeSettings;
  /** For how long, and up to which size, what was removed can be brought back. */
  readonly undo: KeepLimits;
  /** How much of the build cache is kept. */
  readonly buildCache: CacheLimits;
  /** false: containers are stopped at an orderly shutdown, as Docker does by default. */
  readonly liveRestore: boolean;
  readonly configFile: string;
}

const PLACES = loadPlaces();

/** Flags of `berth daemon`. */
export const DAEMON_FLAGS = {
  "data-root": string("Root directory of persistent state", { initial: PLACES.dataRoot }),
  "exec-root": string("Root directory for execution state files", { initial: PLACES.execRoot }),
  ...LISTEN_FLAGS,
  ...ACCESS_FLAGS,
  ...ENGINE_FLAGS,
  validate: bool("Validate daemon configuration and exit"),
  version: bool("Print version information and quit", { short: "v" }),
  pidfile: string("Path to use for daemon PID file", { short: "p", initial: PLACES.pidfile }),
  "config-file": string("Daemon configuration file", { initial: PLACES.configFile }),
  mtu: int('Set the MTU for the default "bridge" network'),
  ...NETWORK_FLAGS,
  ...DNS_FLAGS,
  "log-level": string('Set the logging level ("debug"|"info"|"warn"|"error")', {
    short: "l",
    initial: "info",
  }),
  debug: bool("Enable debug mode", { short: "D" }),
  "registry-mirror": list("Preferred mirror of Docker Hub, or HOST=URL for another registry's"),
  "insecure-registry": list("Enable insecure registry communication"),
  "cgroup-parent": string("Set parent cgroup for all containers"),
  "log-driver": string("Default driver for container logs", { initial: "json-file" }),
  "log-opt": list("Default log driver options for containers"),
  ...CONTAINER_FLAGS,
  ...SECURITY_FLAGS,
  "userns-remap": string("User/Group setting for user namespaces"),
  ...RUNTIME_FLAGS,
  ...TRANSFER_FLAGS,
  "live-restore": bool("Leave containers running when the daemon ends", { initial: true }),
} as const;

/** daemon.json keys and the flag that each has. */
const KEYS: Readonly<Record<string, keyof typeof DAEMON_FLAGS>> = table({
  "data-root": "data-root",
  "exec-root": "exec-root",
  ...LISTEN_KEYS,
  ...ACCESS_KEYS,
  ...ENGINE_KEYS,
  pidfile: "pidfile",
  mtu: "mtu",
  ...NETWORK_KEYS,
  ...DNS_KEYS,
  "log-level": "log-level",
  debug: "debug",
  "registry-mirrors": "registry-mirror",
  "insecure-registries": "insecure-registry",
  "cgroup-parent": "cgroup-parent",
  "log-driver": "log-driver",
  "log-opts": "log-opt",
  ...CONTAINER_KEYS,
  ...SECURITY_KEYS,
  "userns-remap": "userns-remap",
  ...RUNTIME_KEYS,
  ...TRANSFER_KEYS,
  "live-restore": "live-restore",
});

type ConfigFile = Readonly<Record<string, unknown>>;

const invalid = (message: string): Fault => new Fault("invalidParameter", message, { code: "daemon.config" });

/** What a daemon says instead of running: its help, its version, or that the configuration is good. */
export interface DaemonNotice {
  readonly notice: string;
}

/** Returns the configuration, or the text that was asked for. Fails with invalidParameter. */
export function loadDaemonConfig(argv: readonly string[]): DaemonConfig | DaemonNotice {
  const { values, given, args, help } = parseFlags(DAEMON_FLAGS, argv);
  if (help !== undefined)
    return {
      notice: `Usage:  berth daemon [OPTIONS]\n\nA container engine that answers the Docker Engine API\n\nOptions:\n${flagUsages(DAEMON_FLAGS, process.stdout.columns ?? 0)}`,
    };
  if (args.length > 0) throw invalid(`unknown argument: ${args[0]}`);
  if (values.version) return { notice: `${versionLine("berth")}\n` };
  const config = readConfig(values, given);
  return values.validate ? { notice: "configuration OK\n" } : config;
}

function readConfig(values: FlagValues<typeof DAEMON_FLAGS>, given: ReadonlySet<string>): DaemonConfig {
  const file = loadFile(values["config-file"], given.has("config-file"));
  for (const [key, flag] of Object.entries(KEYS))
    if (key in file && given.has(flag))
      throw invalid(
        `the following directives are specified both as a flag and in the configuration file: ${key}`,
      );
  const text = (
    key:
      | "data-root"
      | "exec-root"
      | "pidfile"
      | "log-level"
      | "log-driver"
      | "cgroup-parent"
      | "userns-remap",
  ): string => textOf(file, key) ?? values[key];
  const liveRestore = file["live-restore"] ?? values["live-restore"];
  if (typeof liveRestore !== "boolean")
    throw invalid('"live-restore" in the configuration file must be true or false');
  const mtu = file["mtu"] ?? values.mtu;
  if (typeof mtu !== "number") throw invalid('"mtu" in the configuration file must be a number');
  const registryMirrors = textsOf(file, "registry-mirrors") ?? values["registry-mirror"];
  registryMirrors.forEach(checkMirror);
  return {
    dataRoot: text("data-root"),
    execRoot: text("exec-root"),
    listen: listenConfigOf(file, values, given),
    engine: engineConfigOf(file, values),
    access: accessConfigOf(file, values),
    pidfile: text("pidfile"),
    dns: dnsConfigOf(values, file),
    network: networkConfigOf(values, file, mtu === 0 ? 1500 : mtu),
    logLevel: values.debug || file["debug"] === true ? "debug" : text("log-level"),
    registryMirrors,
    insecureRegistries: textsOf(file, "insecure-registries") ?? values["insecure-registry"],
    cgroupParent: text("cgroup-parent"),
    logDriver: text("log-driver"),
    logOptions: logOptions(file["log-opts"], values["log-opt"]),
    containers: containerDefaultsOf(file, values),
    security: securityConfigOf(file, values),
    usernsRemap: text("userns-remap"),
    runtimes: runtimeSettingsOf(file, values),
    transfers: transferSettingsOf(file, values),
    undo: undoLimitsOf(file),
    buildCache: buildCacheLimitsOf(file),
    liveRestore,
    configFile: values["config-file"],
  };
}

/** Reads daemon.json; only the default one may be missing. */
function loadFile(path: string, isWanted: boolean): ConfigFile {
  let content: string;
  try {
    content = readFileSync(path, "utf8");
  } catch (error) {
    if (!isWanted && (error as NodeJS.ErrnoException).code === "ENOENT") return {};
    throw invalid(`unable to configure the daemon with file ${path}: ${messageOf(error)}`);
  }
  if (content.trim() === "") return {};
  let value: unknown;
  try {
    value = JSON.parse(content);
  } catch (error) {
    throw invalid(`unable to configure the daemon with file ${path}: ${messageOf(error)}`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw invalid(`${path} is not a JSON object`);
  const known = [
    ...Object.keys(KEYS),
    ...ENGINE_FILE_KEYS,
    ...BUILD_FILE_KEYS,
    ...UNDO_FILE_KEYS,
    ...ACCESS_FILE_KEYS,
  ];
  const unknown = Object.keys(value).filter((key) => !known.includes(key));
  if (unknown.length > 0)
    throw invalid(
      `unable to configure the daemon with file ${path}: the following directives don't match any configuration option: ${unknown.join(", ")}`,
    );
  return value as ConfigFile;
}

function textOf(file: ConfigFile, key: string): string | undefined {
  const value = file[key];
  if (value !== undefined && typeof value !== "string")
    throw invalid(`"${key}" in the configuration file must be a string`);
  return value;
}

function textsOf(file: ConfigFile, key: string): string[] | undefined {
  const value = file[key];
  if (value === undefined) return undefined;
  if (!Array.isArray(value) || !value.every((v) => typeof v === "string"))
    throw invalid(`"${key}" in the configuration file must be a list of strings`);
  return value;
}

function logOptions(fromFile: unknown, fromFlags: readonly string[]): Record<string, string> {
  const options = Object.entries(fromFile ?? {}) as [string, unknown][];
  if (typeof (fromFile ?? {}) !== "object" || options.some(([, value]) => typeof value !== "string"))
    throw invalid('"log-opts" in the configuration file must be an object of strings');
  return {
    ...(Object.fromEntries(options) as Record<string, string>),
    ...Object.fromEntries(fromFlags.map((o) => [o.split("=", 1)[0], o.slice(o.indexOf("=") + 1)])),
  };
}

/** Settings that a running daemon takes over. */
export type ReloadableConfig = Pick<
  DaemonConfig,
  "liveRestore" | "logLevel" | "registryMirrors" | "insecureRegistries" | "transfers"
> &
  Pick<EngineConfig, "labels" | "shutdownTimeoutSec"> & {
    readonly authorizationPlugins: readonly string[];
  };

/** Reads the configuration again as at the start, and returns what of it a running daemon takes over. Fails with invalidParameter. */
export function reloadConfig(argv: readonly string[]): ReloadableConfig {
  const { values, given } = parseFlags(DAEMON_FLAGS, argv);
  const { engine, access, ...config } = readConfig(values, given);
  return {
    ...config,
    labels: engine.labels,
    shutdownTimeoutSec: engine.shutdownTimeoutSec,
    authorizationPlugins: access.plugins,
  };
}
