// Platforms: `linux/arm64/v8` parsed, normalised and matched as containerd's platforms package does.
// Pure; what this machine is comes from node's process.arch.

import { Fault } from "../lib/errors.ts";
import { table } from "../lib/table.ts";

/** A normalised platform. `variant` is absent where it is the architecture's default. */
export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
  readonly osVersion?: string;
  readonly osFeatures?: readonly string[];
}

const ARCHITECTURE_ALIASES: Readonly<Record<string, readonly [architecture: string, variant?: string]>> =
  table({
    i386: ["386"],
    x86_64: ["amd64"],
    "x86-64": ["amd64"],
    aarch64: ["arm64"],
    armhf: ["arm", "v7"],
    armel: ["arm", "v6"],
  });

const KNOWN_OS = new Set(
  "aix android darwin dragonfly freebsd illumos ios js linux netbsd openbsd plan9 solaris wasip1 windows zos".split(
    " ",
  ),
);
const KNOWN_ARCHITECTURES = new Set(
  "386 amd64 arm arm64 loong64 mips mipsle mips64 mips64le ppc64 ppc64le riscv64 s390x wasm".split(" "),
);
const PART = /^[A-Za-z0-9_.-]+$/;

/** Returns `platform` with aliases resolved (x86_64 → amd64) and default variants dropped (arm64/v8 → arm64). */
export function normalisePlatform(platform: Platform): Platform {
  const os = platform.os.toLowerCase() === "macos" ? "darwin" : platform.os.toLowerCase();
  const named = platform.architecture.toLowerCase();
  const [architecture, aliasVariant] = ARCHITECTURE_ALIASES[named] ?? [named];
  const variant = normaliseVariant(
    architecture,
    (platform.variant ?? "").toLowerCase() || (aliasVariant ?? ""),
  );
  return {
    os,
    architecture,
    ...(variant === "" ? {} : { variant }),
    ...(platform.osVersion ? { osVersion: platform.osVersion } : {}),
    ...(platform.osFeatures?.length ? { osFeatures: platform.osFeatures } : {}),
  };
}

function normaliseVariant(architecture: string, variant: string): string {
  if (architecture === "arm64") return variant === "8" || variant === "v8" ? "" : variant;
  if (architecture === "amd64") return variant === "v1" ? "" : variant;
  if (architecture === "arm") {
    if (variant === "") return "v7";
    return /^[5-8]$/.test(variant) ? `v${variant}` : variant;
  }
  return variant;
}

/** Returns the platform that `text` names: `linux`, `arm64`, `linux/amd64`, `linux/arm/v7`. Fails with invalidParameter. */
export function parsePlatform(text: string, host: Platform = hostPlatform()): Platform {
  const parts = text.split("/");
  if (text.length > 128 || parts.length > 3) throw invalid(text, "cannot parse platform specifier");
  checkParts(text, parts);
  const [first, second, third] = parts as [string, string?, string?];
  if (second !== undefined) {
    return normalisePlatform({
      os: first,
      architecture: second,
      ...(third === undefined ? {} : { variant: third }),
    });
  }
  if (KNOWN_OS.has(first.toLowerCase())) return normalisePlatform({ ...host, os: first });
  const alone = normalisePlatform({ os: host.os, architecture: first });
  if (!KNOWN_ARCHITECTURES.has(alone.architecture))
    throw invalid(text, "unknown operating system or architecture");
  return alone;
}

/** compat: the first part may carry a version in parentheses in containerd, which no Linux image uses; its text stays. */
function checkParts(text: string, parts: readonly string[]): void {
  const at = parts.findIndex((part) => !PART.test(part));
  if (at < 0) return;
  const [what, pattern] =
    at === 0
      ? [
          "an invalid OS component",
          'OSAndVersion specifier component must match "^([A-Za-z0-9_-]+)(?:\\\\(([A-Za-z0-9_.-]*)\\\\))?$"',
        ]
      : ["an invalid component", 'platform specifier component must match "^[A-Za-z0-9_.-]+$"'];
  throw new Fault(
    "invalidParameter",
    `${JSON.stringify(parts[at])} is ${what} of ${JSON.stringify(text)}: ${pattern}: invalid argument`,
    { code: "platform.invalid" },
  );
}

function invalid(text: string, why: string): Fault {
  return new Fault("invalidParameter", `${JSON.stringify(text.slice(0, 128))}: ${why}: invalid argument`, {
    code: "platform.invalid",
  });
}

/** Returns `linux/arm/v7`. */
export function formatPlatform(platform: Platform): string {
  const base = `${platform.os}/${platform.architecture}`;
  return platform.variant === undefined ? base : `${base}/${platform.variant}`;
}

const NODE_ARCHITECTURES: Readonly<Record<string, string>> = table({
  x64: "amd64",
  ia32: "386",
  ppc64: "ppc64le",
});

/** Returns the platform this process runs on. */
export function hostPlatform(): Platform {
  const architecture = NODE_ARCHITECTURES[process.arch] ?? process.arch;
  return normalisePlatform({ os: process.platform, architecture });
}

/**
 * Returns how well an image for `offered` serves a request for `wanted`: 0 is exact, larger is worse, undefined
 * is not at all. An arm machine runs lower variants, a 64-bit one the 32-bit sibling, as in containerd's `Only`.
 */
export function platformDistance(wanted: Platform, offered: Platform): number | undefined {
  const w = normalisePlatform(wanted);
  const o = normalisePlatform(offered);
  if (w.os !== o.os) return undefined;
  if (w.architecture === o.architecture) return variantDistance(w, o);
  if (w.architecture === "amd64" && o.architecture === "386") return 100;
  if (w.architecture === "arm64" && o.architecture === "arm") {
    const below = variantDistance({ os: "linux", architecture: "arm", variant: "v8" }, o);
    return below === undefined ? undefined : 100 + below;
  }
  return undefined;
}

function variantDistance(wanted: Platform, offered: Platform): number | undefined {
  if (wanted.variant === offered.variant) return 0;
  const level = (p: Platform) =>
    Number(/^v(\d+)$/.exec(p.variant ?? DEFAULT_VARIANT[p.architecture] ?? "")?.[1] ?? Number.NaN);
  const gap = level(wanted) - level(offered);
  return gap >= 0 ? gap : undefined;
}

const DEFAULT_VARIANT: Readonly<Record<string, string>> = table({ amd64: "v1", arm: "v7", arm64: "v8" });

/** Returns the entry of `candidates` that serves `wanted` best, the first among equals; undefined when none does. */
export function bestPlatform<T extends { readonly platform?: Platform }>(
  wanted: Platform,
  candidates: readonly T[],
): T | undefined {
  let best: T | undefined;
  let bestDistance = Number.POSITIVE_INFINITY;
  for (const candidate of candidates) {
    if (candidate.platform === undefined) continue;
    const distance = platformDistance(wanted, candidate.platform);
    if (distance !== undefined && distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best;
}
