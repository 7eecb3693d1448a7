// /etc/resolv.conf of containers: made from the host's file and the user's --dns, --dns-search and --dns-opt, by Docker's
// rules for networks without an own name server. Pure, except loadHostResolvConf; the result carries no comments.
// Source: resolv.conf(5), docker run reference "--dns", libnetwork/internal/resolvconf for order and edge cases.

import { readFile } from "node:fs/promises";
import { isIP } from "node:net";
import { Fault } from "../../lib/errors.ts";

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

/**
 * Returns the content of a container's resolv.conf on a network without a name server of its own: servers on the host's
 * loopback cannot be reached from there and are dropped, IPv6 ones too without IPv6; when none is left, public ones are
 * used. Servers named by the user are taken as they are. Throws Fault invalidParameter `dns.invalid`.
 */
export function containerResolvConf(
  host: ResolvConf,
  overrides: DnsOverrides,
  options: { hasIpv6?: boolean } = {},
): string {
  const servers = overrides.servers ?? [];
  for (const server of servers)
    if (!isAddress(server))
      throw new Fault("invalidParameter", `invalid DNS server address: ${server}`, { code: "dns.invalid" });
  const search = overrides.search ?? [];
  const opts = overrides.options ?? [];
  return formatResolvConf({
    nameservers: servers.length > 0 ? [...servers] : reachable(host.nameservers, options.hasIpv6 ?? false),
    search: search.length > 0 ? search.filter((s) => s !== ".") : host.search,
    options: opts.length > 0 ? [...opts] : host.options,
    other: host.other,
  });
}

function reachable(servers: readonly string[], hasIpv6: boolean): string[] {
  const left = servers.filter((ip) => !isLoopback(ip) && (hasIpv6 || !ip.includes(":")));
  if (left.length > 0) return left;
  return hasIpv6 ? [...PUBLIC_SERVERS.v4, ...PUBLIC_SERVERS.v6] : PUBLIC_SERVERS.v4;
}

const isLoopback = (ip: string): boolean =>
  ip.startsWith("127.") || /^(0*:)+0*1$/.test(ip) || /^::ffff:127\./i.test(ip);

/** Where the host's files are; tests have their own. */
export interface HostFiles {
  resolvConf: string;
  resolvedConf: string;
}

/**
 * Reads the host's resolver configuration: systemd-resolved's own file when /etc/resolv.conf names only its stub.
 * A missing file counts as empty.
 */
export async function loadHostResolvConf(
  files: HostFiles = { resolvConf: HOST_FILE, resolvedConf: RESOLVED_FILE },
): Promise<{ path: string; content: string; conf: ResolvConf }> {
  const content = await readOrEmpty(files.resolvConf);
  const conf = parseResolvConf(content);
  const usesStub = conf.nameservers.length === 1 && conf.nameservers[0] === RESOLVED_STUB;
  const behind = usesStub ? await readOrEmpty(files.resolvedConf) : "";
  if (behind === "") return { path: files.resolvConf, content, conf };
  return { path: files.resolvedConf, content: behind, conf: parseResolvConf(behind) };
}

async function readOrEmpty(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return "";
    throw new Fault("system", `cannot read ${path}`, { cause: error });
  }
}
