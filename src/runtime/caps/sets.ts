// Sets of capabilities: Docker's algebra of `--cap-add`, `--cap-drop` and `--privileged` over names, and the bit masks
// that keel takes. A container never gets a capability that this daemon lacks itself: under a restricted daemon
// (in a container, or on a machine that took CAP_SYS_RESOURCE away) ALL means all there are.

import { Fault } from "../../lib/errors.ts";
import { CAPABILITIES, type Capability, capabilityNumber } from "./names.ts";

/** Masks are doubles: 41 capabilities fit well below 2^53, but not into JavaScript's 32-bit operators. */
export type CapabilityMask = number;

/** Returns the bits of the named capabilities. Unknown names are Fault invalidParameter. */
export function maskOfNames(names: Iterable<string>): CapabilityMask {
  let mask = 0;
  for (const name of new Set(names)) {
    const number = capabilityNumber(name);
    if (number === undefined) throw unknownCapability(name);
    mask += 2 ** number;
  }
  return mask;
}

/** Returns the names of the bits that are set, in the order of their numbers; bits without a name are left out. */
export function namesOfMask(mask: CapabilityMask): Capability[] {
  return CAPABILITIES.filter((_, number) => hasBit(mask, number));
}

/** Returns whether bit `number` is set. */
export function hasBit(mask: CapabilityMask, number: number): boolean {
  return Math.floor(mask / 2 ** number) % 2 === 1;
}

/** Returns the bits that both masks have. */
export function intersectMasks(a: CapabilityMask, b: CapabilityMask): CapabilityMask {
  return Number(BigInt(a) & BigInt(b));
}

/** Returns the mask in a line such as `CapBnd:` of /proc/PID/status (hexadecimal). */
export function parseMask(hex: string): CapabilityMask {
  const mask = Number.parseInt(hex.trim(), 16);
  if (!Number.isFinite(mask))
    throw new Fault("system", `invalid capability mask "${hex}"`, { code: "caps.mask" });
  return mask;
}

/**
 * Returns `ALL` or the full upper-case name for what a user may write (`net_admin`, `CAP_NET_ADMIN`, `all`).
 * Throws Fault invalidParameter with Docker's text for a name that Linux does not know or that `available` lacks.
 */
export function normalizeCapability(text: string, available: CapabilityMask): Capability | "ALL" {
  const upper = text.toUpperCase();
  if (upper === "ALL") return "ALL";
  const name = upper.startsWith("CAP_") ? upper : `CAP_${upper}`;
  const number = capabilityNumber(name);
  if (number === undefined) throw unknownCapability(name);
  if (!hasBit(available, number)) {
    throw new Fault(
      "invalidParameter",
      `capability not supported by your kernel or not available in the current environment: "${name}"`,
      { code: "caps.unavailable" },
    );
  }
  return name as Capability;
}

function unknownCapability(name: string): Fault {
  return new Fault("invalidParameter", `unknown capability: "${name}"`, { code: "caps.unknown" });
}

export interface CapabilityRequest {
  add?: readonly string[];
  drop?: readonly string[];
  isPrivileged?: boolean;
}

/**
 * Returns the container's capabilities by Docker's rules: privileged has all; `--cap-add ALL` starts from all and honours
 * drops; `--cap-drop ALL` starts from none and honours adds; else drops first, then adds. Defaults that this
 * daemon does not have itself are left out. `available` is the daemon's bounding set.
 */
export function containerCapabilities(
  defaults: readonly Capability[],
  request: CapabilityRequest,
  available: CapabilityMask,
): Capability[] {
  if (request.isPrivileged) return namesOfMask(available);
  const normalize = (names: readonly string[] | undefined, option: string) => {
    try {
      return (names ?? []).map((name) => normalizeCapability(name, available));
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      throw new Fault(error.kind, `invalid ${option}: ${error.message}`, { code: error.code, cause: error });
    }
  };
  const add = normalize(request.add, "CapAdd");
  const drop = normalize(request.drop, "CapDrop");
  const isKept = (name: Capability) => !drop.includes(name);
  if (add.includes("ALL")) return namesOfMask(available).filter(isKept);
  const added = add.filter((name) => name !== "ALL");
  if (drop.includes("ALL")) return unique(added);
  const present = defaults.filter((name) => hasBit(available, capabilityNumber(name) ?? -1));
  return unique([...present.filter(isKept), ...added]);
}

function unique(names: readonly Capability[]): Capability[] {
  return [...new Set(names)];
}
