// The daemon's settings of name resolution: flags and keys of daemon.json as dockerd's.
import { isIP } from "node:net";
import { Fault } from "../lib/errors.ts";
import { list } from "../lib/flags/spec.ts";
import type { DnsOverrides } from "../net/dns/resolv-conf.ts";

export const DNS_FLAGS = {
  dns: list("DNS server to use"),
  "dns-opt": list("DNS options to use"),
  "dns-search": list("DNS search domains to use"),
} as const;

/** daemon.json keys and the flag that each has. */
export const DNS_KEYS = { dns: "dns", "dns-opts": "dns-opt", "dns-search": "dns-search" } as const;

/** Values of the flags. */
export interface DnsFlagValues {
  readonly dns: readonly string[];
  readonly "dns-opt": readonly string[];
  readonly "dns-search": readonly string[];
}

/** Returns what containers get that ask for nothing themselves. Fails with invalidParameter. */
export function dnsConfigOf(
  flags: DnsFlagValues,
  file: Readonly<Record<string, unknown>>,
): Required<DnsOverrides> {
  const texts = (key: keyof typeof DNS_KEYS): readonly string[] => {
    const value = file[key] ?? flags[DNS_KEYS[key]];
    if (!Array.isArray(value) || !value.every((v) => typeof v === "string"))
      throw invalid(`"${key}" in the configuration file must be a list of strings`);
    return value;
  };
  const servers = texts("dns");
  for (const server of servers)
    if (isIP(server) === 0) throw invalid(`IP address is not correctly formatted: ${server}`);
  const search = texts("dns-search");
  for (const domain of search) if (!isDomain(domain)) throw invalid(`${domain} is not a valid domain`);
  return { servers, search, options: texts("dns-opts") };
}

/** compat: "." stands for no search domain at all. */
const isDomain = (text: string): boolean =>
  text === "." || (text.length < 255 && /^(?=.*[a-z])[a-z0-9]([a-z0-9.-]*[a-z0-9])?\.?$/i.test(text));

const invalid = (message: string): Fault => new Fault("invalidParameter", message, { code: "daemon.config" });
