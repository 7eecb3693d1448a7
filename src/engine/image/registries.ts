// The daemon's settings of registries.
import { BlockList, isIP } from "node:net";
import { Fault } from "../../lib/errors.ts";
import { Lane } from "../../lib/lanes.ts";
import { DEFAULT_DOMAIN } from "../../oci/reference.ts";
import type { RegistryOptions } from "../../registry/transport.ts";

/** How images are transferred, by all requests together. */
export interface TransferSettings {
  /** Of layers, at once. */
  readonly downloads: number;
  readonly uploads: number;
  /** How often a download is tried. */
  readonly attempts: number;
  /** Most bytes that one layer may have uncompressed. */
  readonly layerBytes: number;
}

/** Docker's defaults. */
export const DEFAULT_TRANSFERS: TransferSettings = {
  downloads: 3,
  uploads: 5,
  attempts: 5,
  layerBytes: 64 * 2 ** 30,
};

const MAX_CONNECTIONS = 3;

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

  /** Over how many connections one big layer comes: who wants one download at a time wants one connection. */
  get connections(): number {
    return Math.min(this.#settings.downloads, MAX_CONNECTIONS);
  }

  get uploads(): number {
    return this.#settings.uploads;
  }

  get attempts(): number {
    return this.#settings.attempts;
  }
}

export interface RegistrySettings {
  /** What is asked before a registry: a URL before docker.io, `HOST=URL` before any other. */
  readonly mirrors: readonly string[];
  /** Registries that may speak plain HTTP, or have any certificate: `host`, `host:port`, or addresses as CIDR. */
  readonly insecure: readonly string[];
  /** Directories with certificates by host. */
  readonly certsDirs: readonly string[];
}

/** Returns the mirrors of a registry in the order in which they are asked. */
export function mirrorsOf({ mirrors }: Pick<RegistrySettings, "mirrors">, domain: string): string[] {
  return mirrors.flatMap((entry) => {
    const m = MIRROR.exec(entry);
    return (m?.[1] ?? DEFAULT_DOMAIN) === domain ? [m?.[2] ?? entry] : [];
  });
}

const MIRROR = /^(?:([^=/]+)=)?(https?:\/\/.*)$/;

/** Throws Fault invalidParameter for what is no mirror. */
export function checkMirror(entry: string): void {
  const url = URL.parse(MIRROR.exec(entry)?.[2] ?? "");
  if (url !== null && url.username === "" && url.search === "" && url.hash === "") return;
  throw new Fault(
    "invalidParameter",
    `invalid mirror: ${entry}: want a URL, or HOST=URL for another registry than Docker Hub`,
    {
      code: "daemon.config",
    },
  );
}

/** How a registry is spoken with. */
export function optionsFor(settings: RegistrySettings, domain: string): RegistryOptions {
  return { isInsecure: isInsecureRegistry(settings, domain), certsDirs: settings.certsDirs };
}

/** Tells whether a registry (`host` or `host:port`) was declared insecure. An address counts as part of its block, a name is not resolved. */
export function isInsecureRegistry(
  { insecure }: Pick<RegistrySettings, "insecure">,
  domain: string,
): boolean {
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
