// The daemon's settings of its sockets: addresses, TLS, the group. Flags and keys of daemon.json as dockerd's.
import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import { Fault, messageOf } from "../lib/errors.ts";
import { bool, type FlagValues, list, string } from "../lib/flags/spec.ts";
import { loadPlaces } from "./places.ts";
import type { TlsServer } from "../server/listen.ts";

export interface ListenConfig {
  /** Addresses to listen on: unix:///path, tcp://host:port or fd://. */
  readonly hosts: readonly string[];
  /** For all tcp:// addresses. */
  readonly tls: TlsServer | undefined;
  /** Group of unix sockets; undefined: `docker`, where there is one. */
  readonly group: string | undefined;
}

const HOME = "/root/.docker";
const certHome = process.env["DOCKER_CERT_PATH"] || process.env["DOCKER_CONFIG"] || HOME;

export const LISTEN_FLAGS = {
  host: list("Daemon socket(s) to connect to", { short: "H" }),
  group: string("Group for the unix socket", { short: "G", initial: "docker" }),
  tls: bool("Use TLS; implied by --tlsverify"),
  tlscacert: string("Trust certs signed only by this CA", { initial: `${certHome}/ca.pem` }),
  tlscert: string("Path to TLS certificate file", { initial: `${certHome}/cert.pem` }),
  tlskey: string("Path to TLS key file", { initial: `${certHome}/key.pem` }),
  tlsverify: bool("Use TLS and verify the remote"),
} as const;

/** daemon.json keys and the flag that each has. */
export const LISTEN_KEYS = {
  hosts: "host",
  group: "group",
  tls: "tls",
  tlscacert: "tlscacert",
  tlscert: "tlscert",
  tlskey: "tlskey",
  tlsverify: "tlsverify",
} as const satisfies Readonly<Record<string, keyof typeof LISTEN_FLAGS>>;

type ConfigFile = Readonly<Record<string, unknown>>;

/** Reads the file where it has a setting, else the flags. Throws Fault invalidParameter. */
export function listenConfigOf(
  file: ConfigFile,
  flags: FlagValues<typeof LISTEN_FLAGS>,
  given: ReadonlySet<string>,
): ListenConfig {
  const text = (key: "group" | "tlscacert" | "tlscert" | "tlskey"): string => {
    const value = file[key] ?? flags[key];
    if (typeof value !== "string") throw invalid(`"${key}" in the configuration file must be a string`);
    return value;
  };
  const flag = (key: "tls" | "tlsverify"): boolean | undefined => {
    const value = file[key] ?? (given.has(key) ? flags[key] : undefined);
    if (value !== undefined && typeof value !== "boolean")
      throw invalid(`"${key}" in the configuration file must be true or false`);
    return value;
  };
  const hosts = (hostsOf(file["hosts"]) ?? flags.host).map(withProtocol);
  const [tls, tlsverify] = [flag("tls"), flag("tlsverify")];
  const config = {
    hosts: hosts.length > 0 ? hosts : [`unix://${loadPlaces().socket}`],
    group: "group" in file || given.has("group") ? text("group") : undefined,
  };
  if (tls !== true && tlsverify !== true) {
    // Whoever writes `tls: false` knows what a plain port means: everybody who reaches it is root.
    if (tls === undefined && tlsverify === undefined) config.hosts.forEach(refuseOpenPort);
    return { ...config, tls: undefined };
  }
  const cert = readPem(text("tlscert"), "certificate", (pem) => new X509Certificate(pem));
  const key = readPem(text("tlskey"), "key", (pem) => createPrivateKey(pem));
  if (!new X509Certificate(cert).checkPrivateKey(createPrivateKey(key)))
    throw invalid(`tlscert ${text("tlscert")} and tlskey ${text("tlskey")} do not belong together`);
  const clientCa =
    tlsverify === true
      ? readPem(text("tlscacert"), "CA certificate", (pem) => new X509Certificate(pem))
      : undefined;
  return { ...config, tls: { cert, key, clientCa } };
}

/** compat: an address without a protocol is one of TCP. */
const withProtocol = (host: string): string => (host === "" || host.includes("://") ? host : `tcp://${host}`);

function hostsOf(value: unknown): string[] | undefined {
  if (value === undefined) return undefined;
  if (!Array.isArray(value) || !value.every((v) => typeof v === "string"))
    throw invalid('"hosts" in the configuration file must be a list of strings');
  return value;
}

function refuseOpenPort(host: string): void {
  const address = /^tcp:\/\/(?:\[([^\]]*)\]|([^:]*))/.exec(host);
  if (address === null) return;
  const name = address[1] ?? address[2] ?? "";
  const isLoopback =
    name === "" || name === "localhost" || name === "::1" || (isIP(name) === 4 && name.startsWith("127."));
  if (isLoopback) return;
  throw invalid(
    `refusing to listen on ${host} without TLS: everybody who reaches that port is root on this host. ` +
      "Use --tlsverify with --tlscacert, --tlscert and --tlskey, or an ssh:// host; --tls=false insists on the open port",
  );
}

function readPem(path: string, what: string, check: (pem: string) => unknown): string {
  try {
    const pem = readFileSync(path, "utf8");
    check(pem);
    return pem;
  } catch (error) {
    throw invalid(`cannot use the TLS ${what} ${path}: ${messageOf(error)}`);
  }
}

function invalid(message: string): Fault {
  return new Fault("invalidParameter", message, { code: "daemon.config" });
}
