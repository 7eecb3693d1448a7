// The part of the daemon's configuration that says what containers may do when they ask for nothing else.
import { readFileSync } from "node:fs";
import type { SecurityDefaults } from "../engine/container/context.ts";
import { Fault, messageOf } from "../lib/errors.ts";
import { bool, type FlagValues, string } from "../lib/flags/spec.ts";
import { parseProfile } from "../runtime/seccomp/profile.ts";

export interface SecurityConfig {
  /** `builtin`, `unconfined`, or the path of a profile, as `info` shows it. */
  readonly seccompProfile: string;
  readonly defaults: SecurityDefaults;
}

export const SECURITY_FLAGS = {
  "seccomp-profile": string(
    'Path to seccomp profile. Set to "unconfined" to disable the default seccomp profile',
    { initial: "builtin" },
  ),
  "no-new-privileges": bool("Set no-new-privileges by default for new containers"),
} as const;

/** daemon.json keys and the flag that each has. */
export const SECURITY_KEYS = {
  "seccomp-profile": "seccomp-profile",
  "no-new-privileges": "no-new-privileges",
} as const satisfies Readonly<Record<string, keyof typeof SECURITY_FLAGS>>;

/** Reads the defaults from the file where it has them, else from the flags, and the profile. Throws Fault invalidParameter. */
export function securityConfigOf(
  file: Readonly<Record<string, unknown>>,
  flags: FlagValues<typeof SECURITY_FLAGS>,
): SecurityConfig {
  const profile = file["seccomp-profile"] ?? flags["seccomp-profile"];
  if (typeof profile !== "string")
    throw invalid('"seccomp-profile" in the configuration file must be a text');
  const noNewPrivileges = file["no-new-privileges"] ?? flags["no-new-privileges"];
  if (typeof noNewPrivileges !== "boolean")
    throw invalid('"no-new-privileges" in the configuration file must be true or false');
  const seccompProfile = profile || "builtin";
  return { seccompProfile, defaults: { ...profileOf(seccompProfile), noNewPrivileges } };
}

function profileOf(name: string): Pick<SecurityDefaults, "seccompProfile"> {
  if (name === "builtin") return {};
  if (name === "unconfined") return { seccompProfile: name };
  try {
    return { seccompProfile: parseProfile(readFileSync(name, "utf8")) };
  } catch (error) {
    throw invalid(`opening seccomp profile (${name}) failed: ${messageOf(error)}`);
  }
}

function invalid(message: string): Fault {
  return new Fault("invalidParameter", message, { code: "daemon.config" });
}
