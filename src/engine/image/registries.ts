// The daemon's settings of registries.
import { BlockList, isIP } from "node:net";

export interface RegistrySettings {
  /** URLs to be asked before docker.io for its images. */
  readonly mirrors: readonly string[];
  /** Registries that may speak plain HTTP, or have any certificate: `host`, `host:port`, or addresses as CIDR. */
  readonly insecure: readonly string[];
}

/** Tells whether a registry (`host` or `host:port`) was declared insecure. An address counts as part of its block, a name is not resolved. */
export function isInsecureRegistry({ insecure }: RegistrySettings, domain: string): boolean {
  const host = domain.replace(/:\d+$/, "").replace(/^\[|\]$/g, "");
  const family = isIP(host);
  return insecure.some((entry) => {
    const [base = "", bits] = entry.split("/");
    if (bits === undefined || family === 0 || isIP(base) !== family) return entry === domain;
    const block = new BlockList();
    const type = family === 4 ? "ipv4" : "ipv6";
    block.addSubnet(base, Number(bits), type);
    return block.check(host, type);
  });
}
