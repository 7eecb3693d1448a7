// /etc/resolv.conf of containers, made from the host's file and the user's --dns, --dns-search and --dns-opt by Docker's rules:
// one kind for the host's network, one for networks without a name service, one for those with it. Pure, except the loaders.
// Source: resolv.conf(5), docker run reference "--dns", libnetwork/internal/resolvconf for order and edge cases.

import { readFile } from "node:fs/promises";
import { isIP } from "node:net";
import { Fault } from "../../lib/errors.ts";
import { SERVICE_ADDRESS } from "./redirect.ts";

const HOST_FILE = "/etc/resolv.conf";
/** What systemd-resolved knows itself; its /etc/resolv.conf names only its stub listener on the host's loopback. */
const RESOLVED_FILE = "/run/systemd/resolve/resolv.conf";
const RESOLVED_STUB = "127.0.0.53";
const PUBLIC_SERVERS = { v4: ["8.8.8.8", "8.8.4.4"], v6: ["2001:4860:4860::8888", "2001:4860:4860::8844"] };

/** A parsed resolv.conf. */
export interface ResolvConf {
  nameservers: string[];
  search: string[];
  options: string[];
  /** Lines with other directives (sortlist…), kept as they are. */
  other: string[];
}

/** What the user asked for; undefined or empty means "as the host". */
export interface DnsOverrides {
  servers?: readonly string[];
  /** ["."] means no search domain at all. */
  search?: readonly string[];
  options?: readonly string[];
}

/** Parses a resolv.conf; what cannot be understood is left out, as the resolver does. */
export function parseResolvConf(content: string): ResolvConf {
  const conf: ResolvConf = { nameservers: [], search: [], options: [], other: [] };
  for (const line of content.split("\n")) {
    const [directive = "", ...values] = line.split(/\s+/).filter((w) => w !== "");
    if (directive === "" || directive.startsWith("#") || directive.startsWith(";")) continue;
    if (directive === "nameserver") {
      if (values[0] !== undefined && isAddress(values[0])) conf.nameservers.push(values[0]);
    } else if (directive === "search" || directive === "domain") {
      if (values.length > 0) conf.search = values; // the last one counts
    } else if (directive === "options") conf.options.push(...values);
    else conf.other.push(line);
  }
  return conf;
}

const isAddress = (value: string): boolean => isIP(value) !== 0;

/** Returns the text of the file. */
export function formatResolvConf(conf: ResolvConf): string {
  const lines = conf.nameservers.map((ip) => `nameserver ${ip}`);
  if (conf.search.length > 0) lines.push(`search ${conf.search.join(" ")}`);
  if (conf.options.length > 0) lines.push(`options ${conf.options.join(" ")}`);
  lines.push(...conf.other);
  return lines.map((l) => `${l}\n`).join("");
}

/** The host's file: where it was found, its text, and what it says. */
export interface HostResolvConf {
  path: string;
  content: string;
  conf: ResolvConf;
}

/** The text of a container's file, and what its user should know about it. */
export interface ContainerResolvConf {
  content: string;
  warnings: string[];
}

/** Returns the file of a container in the host's network: the host's own, unless the user asks for something. */
export function hostResolvConf(host: HostResolvConf, overrides: DnsOverrides): ContainerResolvConf {
  if (overridden(overrides).length === 0) return { content: host.content, warnings: [] };
  const conf = merge(host.conf, overrides);
  const nameservers = overrides.servers?.length ? [...overrides.servers] : host.conf.nameservers;
  return { content: render({ ...conf, nameservers }, about(host, overrides)), warnings: [] };
}

/**
 * Returns the file of a container on a network without a name service of its own, such as the default bridge: servers on the
 * host's loopback cannot be reached from there and are dropped, IPv6 ones too without IPv6; when none is left, public ones are
 * used, with a warning. Servers named by the user are taken as they are. Throws Fault invalidParameter `dns.invalid`.
 */
export function bridgeResolvConf(
  host: HostResolvConf,
  overrides: DnsOverrides,
  options: { hasIpv6?: boolean } = {},
): ContainerResolvConf {
  const conf = merge(host.conf, overrides);
  const hasIpv6 = options.hasIpv6 ?? false;
  const wanted = overrides.servers ?? [];
  const own = wanted.length > 0 ? [...wanted] : reachable(host.conf.nameservers, hasIpv6);
  const isPublic = own.length === 0;
  const nameservers = isPublic
    ? [...PUBLIC_SERVERS.v4, ...(hasIpv6 ? PUBLIC_SERVERS.v6 : [])] // compat: dockerd's last resort
    : own;
  const comments = about(host, overrides, "legacy");
  if (isPublic) comments.splice(1, 0, "Used default nameservers.");
  return {
    content: render({ ...conf, nameservers }, comments),
    warnings: isPublic
      ? [
          `no name server of ${host.path} can be reached from the container's network, public ones are used: ${nameservers.join(", ")}`,
        ]
      : [],
  };
}

/**
 * Returns the file of a container in a network with a name service, which knows the host's servers and the user's itself; they
 * are listed in a comment for people. compat: names without a dot are tried as they are first (ndots:0), unless something
 * else was asked for. Throws Fault invalidParameter `dns.invalid`.
 */
export function serviceResolvConf(host: HostResolvConf, overrides: DnsOverrides): ContainerResolvConf {
  const conf = merge(host.conf, overrides);
  const options = conf.options.filter((o) => !o.startsWith("ndots:") || ndotsOf([o]) !== undefined);
  const isOurs = ndotsOf(options) === undefined;
  if (isOurs) options.push("ndots:0");
  const servers = overrides.servers?.length
    ? overrides.servers
    : host.conf.nameservers.map((address) => `host(${address})`);
  const comments = about(host, overrides, "internal resolver");
  comments.splice(1, 0, `ExtServers: [${servers.join(" ")}]`);
  const origin = overrides.options?.length ? "override" : "host";
  comments.push(`Option ndots from: ${isOurs ? "internal" : origin}`);
  return {
    content: render({ ...conf, options, nameservers: [SERVICE_ADDRESS] }, comments),
    warnings: [],
  };
}

/** Returns the number that the last valid `ndots:N` of the options gives. */
export function ndotsOf(options: readonly string[]): number | undefined {
  const last = options.findLast((o) => /^ndots:\d+$/.test(o));
  return last === undefined ? undefined : Number(last.slice("ndots:".length));
}

/** The user's wishes over what the host has, part by part. Servers are checked, and left to the caller. */
function merge(host: ResolvConf, overrides: DnsOverrides): ResolvConf {
  for (const server of overrides.servers ?? [])
    if (!isAddress(server))
      throw new Fault("invalidParameter", `invalid DNS server address: ${server}`, { code: "dns.invalid" });
  const search = overrides.search ?? [];
  const options = overrides.options ?? [];
  return {
    ...host,
    search: search.length > 0 ? search.filter((s) => s !== ".") : host.search,
    options: options.length > 0 ? [...options] : [...host.options],
  };
}

function overridden(overrides: DnsOverrides): string[] {
  const { servers, search, options } = overrides;
  return Object.entries({ nameservers: servers, search, options }).flatMap(([name, value]) =>
    value === undefined || value.length === 0 ? [] : [name],
  );
}

/** compat: the comments of Docker Engine 26 and later; people and scripts read `ExtServers`. */
const about = (host: HostResolvConf, overrides: DnsOverrides, kind = ""): string[] => [
  `Based on host file: '${host.path}'${kind === "" ? "" : ` (${kind})`}`,
  `Overrides: [${overridden(overrides).join(" ")}]`,
];

const HEADER =
  "# Generated by Berth. A container that changes this file keeps its changes until it is started again.\n\n";

const render = (conf: ResolvConf, comments: readonly string[]): string =>
  `${HEADER}${formatResolvConf(conf)}\n${comments.map((c) => `# ${c}\n`).join("")}`;

const reachable = (servers: readonly string[], hasIpv6: boolean): string[] =>
  servers.filter((ip) => !isLoopback(ip) && (hasIpv6 || !ip.includes(":")));

const isLoopback = (ip: string): boolean =>
  ip.startsWith("127.") || /^(0*:)+0*1$/.test(ip) || /^::ffff:127\./i.test(ip);

/** Where the host's files are; tests have their own. */
export interface HostFiles {
  resolvConf: string;
  resolvedConf: string;
}

/** Reads the host's file; a missing one counts as empty. */
export async function loadResolvConf(path: string = HOST_FILE): Promise<HostResolvConf> {
  const content = await readOrEmpty(path);
  return { path, content, conf: parseResolvConf(content) };
}

/**
 * Reads the host's file as containers without a name service need it: systemd-resolved's own one when /etc/resolv.conf
 * names only its stub, which listens on the host's loopback.
 */
export async function loadHostResolvConf(
  files: HostFiles = { resolvConf: HOST_FILE, resolvedConf: RESOLVED_FILE },
): Promise<HostResolvConf> {
  const host = await loadResolvConf(files.resolvConf);
  const usesStub = host.conf.nameservers.length === 1 && host.conf.nameservers[0] === RESOLVED_STUB;
  const behind = usesStub ? await loadResolvConf(files.resolvedConf) : host;
  return behind.content === "" ? host : behind;
}

async function readOrEmpty(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return "";
    throw new Fault("system", `cannot read ${path}`, { cause: error });
  }
}
