// The daemon's settings of registries.
import { BlockList, isIP } from "node:net";
import { Lane } from "../../lib/lanes.ts";

/** How images are transferred, by all requests together. */
export interface TransferSettings {
  /** Of layers, at once. */
  readonly downloads: number;
  readonly uploads: number;
  /** How often a download is tried. */
  readonly attempts: number;
}

/** Docker's defaults. */
export const DEFAULT_TRANSFERS: TransferSettings = { downloads: 3, uploads: 5, attempts: 5 };

/** The settings in force; new ones count for transfers that begin after them. */
export class Transfers {
  #settings: TransferSettings;
  #downloads: Lane;

  constructor(settings: TransferSettings = DEFAULT_TRANSFERS) {
    this.#settings = settings;
    this.#downloads = new Lane(settings.downloads);
  }

  set settings(settings: TransferSettings) {
    if (settings.downloads !== this.#settings.downloads) this.#downloads = new Lane(settings.downloads);
    this.#settings = settings;
  }

  /** Where downloads wait for each other. */
  get downloads(): Lane {
    return this.#downloads;
  }

  get uploads(): number {
    return this.#settings.uploads;
  }

  get attempts(): number {
    return this.#settings.attempts;
  }
}

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
