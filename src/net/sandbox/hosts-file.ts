// Texts of a container's /etc/hosts and /etc/hostname, as Docker writes them. Pure; the engine writes the files and
// binds them into the container. Source: libnetwork/etchosts and sandbox_dns_unix.go for order and form.

/** An address and the names it has. */
export interface HostEntry {
  ip: string;
  names: readonly string[];
}

/** What /etc/hosts is made of. */
export interface HostsFile {
  hostname: string;
  domainname?: string;
  /** The container's own addresses; none with `--network none`. */
  addresses: readonly string[];
  /** `--add-host`, in order. */
  extra?: readonly HostEntry[];
  /** Whether the sandbox has IPv6 on its loopback; without it `localhost` must not be ::1. Default true. */
  hasIpv6Loopback?: boolean;
}

const IPV4_LINES: readonly HostEntry[] = [{ ip: "127.0.0.1", names: ["localhost"] }];
const IPV6_LINES: readonly HostEntry[] = [
  { ip: "::1", names: ["localhost", "ip6-localhost", "ip6-loopback"] },
  { ip: "fe00::", names: ["ip6-localnet"] },
  { ip: "ff00::", names: ["ip6-mcastprefix"] },
  { ip: "ff02::1", names: ["ip6-allnodes"] },
  { ip: "ff02::2", names: ["ip6-allrouters"] },
];

/** Returns the content of /etc/hosts. */
export function hostsFile(h: HostsFile): string {
  const own = ownNames(h.hostname, h.domainname ?? "");
  const entries = [
    ...IPV4_LINES,
    ...(h.hasIpv6Loopback === false ? [] : IPV6_LINES),
    ...(h.extra ?? []),
    ...h.addresses.map((ip) => ({ ip, names: own })),
  ];
  return entries.map((e) => `${e.ip}\t${e.names.join(" ")}\n`).join("");
}

/** A host name with a domain, given apart or in one, is listed in full and then by its first part. */
export function ownNames(hostname: string, domainname: string): string[] {
  const full = domainname === "" ? hostname : `${hostname}.${domainname}`;
  const dot = full.indexOf(".");
  return dot < 0 ? [full] : [full, full.slice(0, dot)];
}

/** Returns the content of /etc/hostname: the name without the domain. */
export const hostnameFile = (hostname: string): string => `${hostname}\n`;
