// Which AppArmor profile a container has: the rules, for specifications and for `inspect`.

import { DEFAULT_PROFILE_NAME } from "./profile.ts";

export const UNCONFINED = "unconfined";

/** What of the machine counts. */
export interface ProfileHost {
  hasAppArmor: boolean;
  /** The default profile's name; "" where it is not loaded. */
  defaultProfile: string;
}

/** Returns a profile's name, or "" where containers have none: without AppArmor, and where the default one is missing. */
export function chooseProfile(
  asked: string | undefined,
  { isPrivileged }: { isPrivileged: boolean },
  host: ProfileHost,
): string {
  if (!host.hasAppArmor) return "";
  // compat: whoever names Docker's default profile means the default one.
  if (asked === "docker-default" || asked === DEFAULT_PROFILE_NAME) return host.defaultProfile || asked;
  return asked || (isPrivileged ? UNCONFINED : host.defaultProfile);
}

/** Returns the profile of `--security-opt apparmor=NAME`, the last of them; undefined without one. */
export function askedProfile(securityOpts: readonly string[]): string | undefined {
  return securityOpts.findLast((option) => /^apparmor[=:]/.test(option))?.slice("apparmor=".length);
}
