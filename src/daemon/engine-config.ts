// The daemon's settings of itself: labels, logs of its own, proxies, metrics, shutdown; and dockerd's settings of parts that do not exist
// here. A configuration written for dockerd has to start this daemon as well: what changes nothing for anybody is taken, what is left
// undone is said in the log, and what somebody relies on and cannot have is refused.
import { isIP } from "node:net";
import { MIN_API_VERSION } from "../api/contract.ts";
import { Fault } from "../lib/errors.ts";
import { rootlessUid } from "./places.ts";
import { bool, type FlagValues, int, list, string } from "../lib/flags/spec.ts";

export interface EngineConfig {
  /** `key=value`, shown by info. */
  readonly labels: readonly string[];
  readonly isExperimental: boolean;
  readonly logFormat: "text" | "json";
  /** For pulls and pushes; by the names of the environment. */
  readonly proxies: Readonly<Record<string, string>>;
  /**
   * Shown by the reload event. compat: it bounds nothing, since each container is stopped in its own time, which counts where it is
   * longer, as with dockerd.
   */
  readonly shutdownTimeoutSec: number;
  /** host:port of the Prometheus endpoint, "" for none. */
  readonly metricsAddress: string;
  /** What `host-gateway` stands for; none: the gateway of the container's network. */
  readonly hostGatewayIps: readonly string[];
  /** Directories of CDI specifications; none: there are no CDI devices. */
  readonly cdiSpecDirs: readonly string[];
  readonly oomScoreAdjust: number;
  /** Who makes containers' cgroups. */
  readonly cgroupDriver: "cgroupfs" | "systemd";
  /** What was asked for and is left undone, in sentences. */
  readonly warnings: readonly string[];
}

export const ENGINE_FLAGS = {
  label: list("Set key=value labels to the daemon"),
  experimental: bool("Enable experimental features"),
  "log-format": string('Set the logging format ("text"|"json")', { initial: "text" }),
  "http-proxy": string("HTTP proxy URL to use for outgoing traffic"),
  "https-proxy": string("HTTPS proxy URL to use for outgoing traffic"),
  "no-proxy": string("Comma-separated list of hosts or IP addresses for which the proxy is skipped"),
  "shutdown-timeout": int("Set the default shutdown timeout", { initial: 15 }),
  "metrics-addr": string("Set address and port to serve the metrics api on"),
  "host-gateway-ip": list('IP addresses that "host-gateway" in --add-host stands for'),
  "oom-score-adjust": int("Set the oom_score_adj for the daemon"),
  "storage-driver": string("Storage driver to use", { short: "s" }),
  "storage-opt": list("Storage driver options"),
  "exec-opt": list("Runtime execution options"),
  "userland-proxy": bool("Use userland proxy for loopback traffic", { initial: true }),
  "userland-proxy-path": string("Path to the userland proxy binary"),
  "ip-forward": bool("Enable IP forwarding in system configuration", { initial: true }),
  "ip-forward-no-drop": bool("Do not set the filter-FORWARD policy to DROP when enabling IP forwarding"),
  "bridge-accept-fwmark": string("In bridge networks, accept packets with this firewall mark/mask"),
  iptables: bool("Enable addition of firewall rules", { initial: true }),
  ip6tables: bool("Enable addition of firewall rules for IPv6", { initial: true }),
  "firewall-backend": string('Firewall backend ("nftables")'),
  containerd: string("containerd grpc address"),
  "containerd-namespace": string("Containerd namespace to use"),
  "containerd-plugins-namespace": string("Containerd namespace to use for plugins"),
  "cri-containerd": bool("start containerd with cri"),
  "cpu-rt-period": int("Limit the CPU real-time period of the parent cgroup"),
  "cpu-rt-runtime": int("Limit the CPU real-time runtime of the parent cgroup"),
  "init-path": string("Path to the docker-init binary"),
  "nri-opts": string("Node Resource Interface configuration"),
  rootless: bool("Enable rootless mode; it is there for whoever is not root"),
  "selinux-enabled": bool("Enable selinux support"),
  "raw-logs": bool("Full timestamps without ANSI coloring"),
  "allow-nondistributable-artifacts": list("Allow push of nondistributable artifacts to registry"),
  "cdi-spec-dir": list("CDI specification directories to use"),
  feature: list("Enable feature in the daemon (name or name=false)"),
  "swarm-default-advertise-addr": string("Set default address or interface for swarm advertised address"),
  "node-generic-resource": list("Advertise user-defined resource"),
  "network-control-plane-mtu": int("Network Control plane MTU", { initial: 1500 }),
} as const;

/** daemon.json keys and the flag that each has. */
export const ENGINE_KEYS = {
  labels: "label",
  experimental: "experimental",
  "log-format": "log-format",
  "http-proxy": "http-proxy",
  "https-proxy": "https-proxy",
  "no-proxy": "no-proxy",
  "shutdown-timeout": "shutdown-timeout",
  "metrics-addr": "metrics-addr",
  "host-gateway-ip": "host-gateway-ip",
  "host-gateway-ips": "host-gateway-ip",
  "oom-score-adjust": "oom-score-adjust",
  "storage-driver": "storage-driver",
  "storage-opts": "storage-opt",
  "exec-opts": "exec-opt",
  "userland-proxy": "userland-proxy",
  "userland-proxy-path": "userland-proxy-path",
  "ip-forward": "ip-forward",
  "ip-forward-no-drop": "ip-forward-no-drop",
  "bridge-accept-fwmark": "bridge-accept-fwmark",
  "init-path": "init-path",
  rootless: "rootless",
  "selinux-enabled": "selinux-enabled",
  iptables: "iptables",
  ip6tables: "ip6tables",
  "firewall-backend": "firewall-backend",
  containerd: "containerd",
  "containerd-namespace": "containerd-namespace",
  "containerd-plugin-namespace": "containerd-plugins-namespace",
  "cri-containerd": "cri-containerd",
  "cpu-rt-period": "cpu-rt-period",
  "cpu-rt-runtime": "cpu-rt-runtime",
  "raw-logs": "raw-logs",
  "allow-nondistributable-artifacts": "allow-nondistributable-artifacts",
  "cdi-spec-dirs": "cdi-spec-dir",
  features: "feature",
  "swarm-default-advertise-addr": "swarm-default-advertise-addr",
  "node-generic-resources": "node-generic-resource",
  "network-control-plane-mtu": "network-control-plane-mtu",
} as const satisfies Readonly<Record<string, keyof typeof ENGINE_FLAGS>>;

/** Keys of daemon.json that have no flag. */
export const ENGINE_FILE_KEYS = [
  "proxies",
  "nri-opts",
  "network-diagnostic-port",
  "min-api-version",
] as const;

type ConfigFile = Readonly<Record<string, unknown>>;
type Flags = FlagValues<typeof ENGINE_FLAGS>;

/** Reads the file where it has a setting, else the flags. Throws Fault invalidParameter. */
export function engineConfigOf(file: ConfigFile, flags: Flags): EngineConfig {
  const read = new Settings(file, flags);
  refuseWhatCannotBe(read);
  refuseNri(flags["nri-opts"], file["nri-opts"]);
  refuseDiagnosticPort(file["network-diagnostic-port"]);
  const features = featuresOf(file["features"], flags.feature);
  const logFormat = read.text("log-format");
  if (logFormat !== "text" && logFormat !== "json")
    throw invalid(`invalid log format ${JSON.stringify(logFormat)}: use "text" or "json"`);
  const hostGatewayIps = read.texts("host-gateway-ip", "host-gateway-ips");
  for (const ip of hostGatewayIps)
    if (isIP(ip) === 0) throw invalid(`invalid host-gateway-ip ${JSON.stringify(ip)}`);
  for (const label of read.texts("label", "labels"))
    if (!label.includes("=")) throw invalid(`bad attribute format: ${label}: labels are written key=value`);
  return {
    labels: read.texts("label", "labels"),
    isExperimental: read.flag("experimental"),
    logFormat,
    proxies: proxiesOf(read, file["proxies"]),
    shutdownTimeoutSec: read.number("shutdown-timeout"),
    metricsAddress: metricsAddressOf(read.text("metrics-addr")),
    hostGatewayIps,
    cdiSpecDirs: cdiSpecDirsOf(read, file, features),
    oomScoreAdjust: read.number("oom-score-adjust"),
    cgroupDriver: cgroupDriverOf(read.texts("exec-opt", "exec-opts")),
    warnings: leftUndone(read, features, file),
  };
}

class Settings {
  readonly #file: ConfigFile;
  readonly #flags: Flags;

  constructor(file: ConfigFile, flags: Flags) {
    this.#file = file;
    this.#flags = flags;
  }

  text(key: KeysOf<string>): string {
    return this.#value(key, key, (v) => typeof v === "string", "a string");
  }
  flag(key: KeysOf<boolean>): boolean {
    return this.#value(key, key, (v) => typeof v === "boolean", "true or false");
  }
  number(key: KeysOf<number>): number {
    return this.#value(key, key, (v) => Number.isInteger(v), "a whole number");
  }
  texts(flag: KeysOf<readonly string[]>, key: string): readonly string[] {
    const isList = (v: unknown): boolean => Array.isArray(v) && v.every((text) => typeof text === "string");
    return this.#value(flag, key, isList, "a list of strings");
  }

  #value<K extends keyof Flags>(flag: K, key: string, fits: (v: unknown) => boolean, what: string): Flags[K] {
    const value = this.#file[key] ?? this.#flags[flag];
    if (!fits(value)) throw invalid(`"${key}" in the configuration file must be ${what}`);
    return value as Flags[K];
  }
}

type KeysOf<T> = { [K in keyof Flags]: Flags[K] extends T ? K : never }[keyof Flags];

function refuseWhatCannotBe(read: Settings): void {
  const driver = read.text("storage-driver");
  if (!["", "overlay2", "overlayfs"].includes(driver))
    throw invalid(
      `storage driver ${driver}: layers are overlay file systems here; leave storage-driver out, or say overlay2`,
    );
  for (const key of ["iptables", "ip6tables"] as const)
    if (!read.flag(key))
      throw invalid(
        `${key}: false: published ports and the isolation of networks are firewall rules, which this daemon keeps in a table of its own; leave it out`,
      );
  if (!read.flag("ip-forward"))
    throw invalid(
      "ip-forward: false: containers' networks are routed by this host; leave it out, or use --network host and none only",
    );
  if (!["", "nftables"].includes(read.text("firewall-backend")))
    throw invalid(`firewall-backend ${read.text("firewall-backend")}: rules are kept in nftables here`);
  if (read.text("bridge-accept-fwmark") !== "")
    throw invalid(
      "bridge-accept-fwmark: packets are not let in by marks here; use allow-direct-routing, or the network option com.docker.network.bridge.trusted_host_interfaces",
    );
  if (read.flag("selinux-enabled"))
    throw invalid("selinux-enabled: this daemon does not label containers; leave it out");
  if (read.flag("rootless") && rootlessUid() === undefined)
    throw invalid("rootless: start the daemon as the user whose daemon it is to be, not as root");
  for (const key of ["cpu-rt-period", "cpu-rt-runtime"] as const)
    if (read.number(key) !== 0)
      throw invalid(`${key}: real-time scheduling of the daemon's cgroup is not supported`);
}

/** `enable=true,socket-path=…`, or the object of daemon.json. */
function refuseNri(flag: string, fromFile: unknown): void {
  const fields = flag.split(",").map((field) => field.split("=", 2));
  const asked = fields.some(
    ([key, value = "true"]) => key === "enable" && /^(1|t|T|TRUE|true|True)$/.test(value),
  );
  if (fromFile !== undefined && (typeof fromFile !== "object" || fromFile === null))
    throw invalid('"nri-opts" in the configuration file must be an object');
  if (asked || (fromFile as { enable?: unknown } | undefined)?.enable === true)
    throw invalid("nri-opts: plugins of the Node Resource Interface are not supported; leave it out");
}

function refuseDiagnosticPort(port: unknown): void {
  if (port !== undefined && port !== 0)
    throw invalid(
      "network-diagnostic-port: there is no diagnostic server here; leave it out, or use `network graph`",
    );
}

/** The last one counts. */
function cgroupDriverOf(options: readonly string[]): EngineConfig["cgroupDriver"] {
  let driver: EngineConfig["cgroupDriver"] = "cgroupfs";
  for (const option of options) {
    const [name, value] = option.split("=", 2);
    if (name !== "native.cgroupdriver") throw invalid(`exec-opts: unknown option ${JSON.stringify(option)}`);
    if (value !== "cgroupfs" && value !== "systemd")
      throw invalid(`exec-opts: native.cgroupdriver option ${value} not supported: use cgroupfs or systemd`);
    driver = value;
  }
  return driver;
}

type Features = Readonly<Record<string, boolean>>;

/** What is switched on and off by name, in the file or by `--feature name[=bool]`. */
function featuresOf(file: unknown, flags: readonly string[]): Features {
  const isObject = typeof file === "object" && file !== null;
  if (file !== undefined && !(isObject && Object.values(file).every((v) => typeof v === "boolean")))
    throw invalid('"features" in the configuration file must be an object of true and false');
  const named = flags.map((flag): [string, boolean] => {
    const [name = "", value = "true"] = flag.split("=", 2);
    if (name === "" || (value !== "true" && value !== "false"))
      throw invalid(`invalid feature ${JSON.stringify(flag)}: use name, name=true or name=false`);
    return [name, value === "true"];
  });
  return { ...(file as Features | undefined), ...Object.fromEntries(named) };
}

/** compat: a directory of the name "", or an empty list in the file, is how dockerd is told to have none. */
function cdiSpecDirsOf(read: Settings, file: ConfigFile, features: Features): readonly string[] {
  if (features["cdi"] === false) return [];
  const dirs = read.texts("cdi-spec-dir", "cdi-spec-dirs");
  if (dirs.length === 0 && file["cdi-spec-dirs"] === undefined) return ["/etc/cdi", "/var/run/cdi"];
  const named = dirs.filter((dir) => dir !== "");
  for (const dir of named)
    if (!dir.startsWith("/"))
      throw invalid(`invalid cdi-spec-dir ${JSON.stringify(dir)}: use an absolute path`);
  return named;
}

function leftUndone(read: Settings, features: Features, file: ConfigFile): string[] {
  const warnings: string[] = [];
  const isAsked = (asked: boolean, text: string) => {
    if (asked) warnings.push(text);
  };
  isAsked(
    read.texts("storage-opt", "storage-opts").length > 0,
    "storage-opts are for Docker's storage drivers: ignored",
  );
  isAsked(
    read.text("containerd") !== "" || read.flag("cri-containerd"),
    "there is no containerd behind this daemon: its settings are ignored",
  );
  isAsked(read.text("init-path") !== "", "init-path: the init of containers is this daemon's own: ignored");
  const minVersion = file["min-api-version"] ?? MIN_API_VERSION;
  if (typeof minVersion !== "string" || !/^1\.\d+$/.test(minVersion))
    throw invalid('"min-api-version" in the configuration file must be a version, such as "1.40"');
  isAsked(
    minVersion !== MIN_API_VERSION,
    `min-api-version: all versions from ${MIN_API_VERSION} on are answered: ignored`,
  );
  isAsked(
    read.text("swarm-default-advertise-addr") !== "" ||
      read.texts("node-generic-resource", "node-generic-resources").length > 0,
    "this daemon is not part of a swarm: the settings for one are ignored",
  );
  isAsked(
    features["containerd-snapshotter"] === true,
    "features: there is no containerd image store here; images are kept once, by content",
  );
  return warnings;
}

function proxiesOf(read: Settings, fromFile: unknown): Record<string, string> {
  if (fromFile !== undefined && (typeof fromFile !== "object" || fromFile === null))
    throw invalid('"proxies" in the configuration file must be an object');
  const given = (fromFile ?? {}) as ConfigFile;
  const unknown = Object.keys(given).filter(
    (key) => !["http-proxy", "https-proxy", "no-proxy"].includes(key),
  );
  if (unknown.length > 0) throw invalid(`"proxies" in the configuration file: unknown ${unknown.join(", ")}`);
  const found: Record<string, string> = {};
  for (const [key, name] of [
    ["http-proxy", "HTTP_PROXY"],
    ["https-proxy", "HTTPS_PROXY"],
    ["no-proxy", "NO_PROXY"],
  ] as const) {
    const value = given[key] ?? read.text(key);
    if (typeof value !== "string")
      throw invalid(`"proxies" in the configuration file: ${key} must be a string`);
    if (value !== "") found[name] = value;
  }
  return found;
}

function metricsAddressOf(text: string): string {
  if (text !== "" && !/^(\[[0-9a-fA-F:.]+\]|[^:[\]]*):\d{1,5}$/.test(text))
    throw invalid(`invalid metrics-addr ${JSON.stringify(text)}: host:port is needed`);
  return text;
}

function invalid(message: string): Fault {
  return new Fault("invalidParameter", message, { code: "daemon.config" });
}
