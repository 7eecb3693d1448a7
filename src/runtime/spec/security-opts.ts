// `--security-opt` texts. Docker's client has already replaced a profile's file name by its content.
// Whether AppArmor and SELinux settings can be applied is the machine's matter: validate.ts.

import { Fault } from "../../lib/errors.ts";
import { goBool } from "../../lib/units/go-scalar.ts";
import { type DockerSeccompProfile, parseProfile } from "../seccomp/profile.ts";

export interface SecurityOptions {
  noNewPrivileges?: boolean;
  /** Absent: the daemon's default. */
  seccomp?: "unconfined" | "builtin" | DockerSeccompProfile;
  apparmorProfile?: string;
  /** SELinux label settings, without `label=`. */
  labels: string[];
  hasWritableCgroups?: boolean;
}

/** Parses the texts; later ones win. Throws Fault invalidParameter with Docker's text. */
export function parseSecurityOpts(texts: readonly string[]): SecurityOptions {
  const result: SecurityOptions = { labels: [] };
  for (const text of texts) {
    if (text === "no-new-privileges") result.noNewPrivileges = true;
    else if (text === "writable-cgroups") result.hasWritableCgroups = true;
    else if (text === "disable") result.labels.push("disable");
    else applyPair(result, text);
  }
  return result;
}

function applyPair(result: SecurityOptions, text: string): void {
  // a colon is the separator of Docker before 1.11; an equals sign anywhere wins
  const separator = text.includes("=") ? "=" : ":";
  const at = text.indexOf(separator);
  if (at < 0) throw invalid(`invalid --security-opt 1: ${JSON.stringify(text)}`);
  const key = text.slice(0, at);
  const value = text.slice(at + 1);
  switch (key) {
    case "label":
      result.labels.push(value);
      return;
    case "apparmor":
      result.apparmorProfile = value;
      return;
    case "seccomp":
      result.seccomp = value === "unconfined" || value === "builtin" ? value : parseProfile(value);
      return;
    case "no-new-privileges":
      result.noNewPrivileges = parseBool(value, text);
      return;
    case "writable-cgroups":
      result.hasWritableCgroups = parseBool(value, text);
      return;
    default:
      throw invalid(`invalid --security-opt 2: ${JSON.stringify(text)}`);
  }
}

function parseBool(value: string, text: string): boolean {
  const isSet = goBool(value);
  if (isSet === null) throw invalid(`invalid --security-opt 2: ${JSON.stringify(text)}`);
  return isSet;
}

function invalid(message: string): Fault {
  return new Fault("invalidParameter", message, { code: "container.invalid-security-opt" });
}
