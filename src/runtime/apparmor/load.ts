// Brings the default profile into the kernel, through apparmor_parser as every engine does: profiles are compiled in user space.
// Called once, when the daemon starts; containers find the profile there.

import { existsSync } from "node:fs";
import { isMapped, loadIdMap } from "../../linux/idmap.ts";
import { readProcTextIfPresent } from "../../linux/procfs/read.ts";
import { DEFAULT_PROFILE_NAME, renderProfile } from "./profile.ts";

const PROFILES = "/sys/kernel/security/apparmor/profiles";
const INCLUDES = "/etc/apparmor.d";
/** Where apparmor_parser is, besides the directories of PATH. */
const SBIN = "/usr/sbin:/sbin";
const LIMIT_MS = 30_000;

/**
 * Whether the kernel enforces AppArmor here. In a container of systemd's or LXC's making it is the outer host's matter, and a user
 * namespace's root may load no profile.
 */
export function hasAppArmor(): boolean {
  if (process.env["container"] || isMapped(loadIdMap("self"))) return false;
  return readProcTextIfPresent("/sys/module/apparmor/parameters/enabled")?.startsWith("Y") === true;
}

/** Only root may read the list. */
function readProfiles(): string | undefined {
  try {
    return readProcTextIfPresent(PROFILES);
  } catch {
    return undefined; // ignored: who cannot read it can use none of them either
  }
}

/** Whether the kernel knows a profile; false, too, where its list cannot be read. */
export function isProfileLoaded(name: string, list = readProfiles()): boolean {
  // `name (mode)`; a name may have spaces in it
  return (list ?? "").split("\n").some((line) => line.slice(0, line.lastIndexOf(" (")) === name);
}

/**
 * Loads the default profile where AppArmor is on, in the place of an earlier version of it. What goes wrong is a warning: the daemon
 * works, and its containers run without a profile, or with the one that was loaded before.
 */
export async function loadDefaultProfile(warn: (text: string) => void): Promise<void> {
  if (!hasAppArmor()) return;
  const text = renderProfile({
    name: DEFAULT_PROFILE_NAME,
    daemonProfile: ownProfile(readProcTextIfPresent("/proc/self/attr/current")),
    hasInclude: (path) => existsSync(`${INCLUDES}/${path}`),
  });
  const failure = await runParser(text);
  if (failure === undefined) return;
  const effect = isProfileLoaded(DEFAULT_PROFILE_NAME)
    ? "the one that is loaded stays in use"
    : "containers run without an AppArmor profile";
  warn(`the AppArmor profile ${DEFAULT_PROFILE_NAME} could not be loaded, ${effect}: ${failure}`);
}

/** Returns the profile in a text such as `name (enforce)`. */
export function ownProfile(text: string | undefined): string {
  const trimmed = (text ?? "").replace(/[\s\0]+$/, "");
  return trimmed.replace(/ \([a-z]+\)$/, "") || "unconfined";
}

/** Returns why the kernel has not taken a profile, undefined when it has. -K: no cache is written, -r: an earlier one is replaced. */
async function runParser(text: string): Promise<string | undefined> {
  // Whoever only asks what is there (`berth runtime`, in milliseconds) does not load these.
  const { spawn } = await import("node:child_process");
  const { once } = await import("node:events");
  const parser = spawn("apparmor_parser", ["-Kr"], {
    stdio: ["pipe", "ignore", "pipe"],
    timeout: LIMIT_MS,
    env: { ...process.env, PATH: `${process.env["PATH"] ?? ""}:${SBIN}` },
  });
  const said: Buffer[] = [];
  parser.stderr.on("data", (chunk: Buffer) => said.push(chunk));
  parser.stdin.on("error", () => {}); // ignored: a parser that ends early says why
  parser.stdin.end(text);
  try {
    const [code, signal] = (await once(parser, "close")) as [number | null, NodeJS.Signals | null];
    if (code === 0) return undefined;
    return Buffer.concat(said).toString().trim() || `apparmor_parser ended with ${signal ?? code}`;
  } catch (error) {
    const isMissing = (error as NodeJS.ErrnoException).code === "ENOENT";
    return isMissing ? "apparmor_parser is not installed (package apparmor)" : String(error);
  }
}
