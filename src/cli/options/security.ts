// Options that need a look at local files or at each other before they are sent: devices, security options, restart
// policies, logging and storage options.

import { fs, paths } from "../../lib/builtins.ts";
import { Fault, messageOf } from "../../lib/errors.ts";
import { compactJson } from "../../lib/json/parse.ts";
import { errnoText, toRecord } from "./env.ts";

function refuse(message: string): Fault {
  return new Fault("invalidParameter", message, { code: "cli.option" });
}

export interface SecurityOptions {
  readonly options: string[];
  /** Empty lists for `systempaths=unconfined`, which is the client's business; null for the daemon's defaults. */
  readonly maskedPaths: string[] | null;
  readonly readonlyPaths: string[] | null;
}

/** Reads --security-opt; a seccomp profile's file is sent as its content. Throws a Fault with Docker's text. */
export function parseSecurityOptions(texts: readonly string[]): SecurityOptions {
  const options: string[] = [];
  let isUnconfined = false;
  for (const text of texts) {
    const { key, value, isPair } = splitOption(text);
    if ((!isPair || value === "") && key !== "no-new-privileges")
      throw refuse(`Invalid --security-opt: ${JSON.stringify(text)}`);
    if (text === "systempaths=unconfined") isUnconfined = true;
    else if (key === "seccomp" && value !== "builtin" && value !== "unconfined")
      options.push(`seccomp=${profile(value)}`);
    else options.push(text);
  }
  return {
    options,
    maskedPaths: isUnconfined ? [] : null,
    readonlyPaths: isUnconfined ? [] : null,
  };
}

function splitOption(text: string): { key: string; value: string; isPair: boolean } {
  let at = text.indexOf("=");
  if (at < 0 && text !== "no-new-privileges") at = text.indexOf(":");
  return at < 0
    ? { key: text, value: "", isPair: false }
    : { key: text.slice(0, at), value: text.slice(at + 1), isPair: true };
}

function profile(path: string): string {
  let text: string;
  try {
    text = fs().readFileSync(path, "utf8");
  } catch (error) {
    // Go finds out that it is a directory when it reads, not when it opens it.
    const step = (error as NodeJS.ErrnoException).code === "EISDIR" ? "read" : "open";
    throw refuse(`opening seccomp profile (${path}) failed: ${step} ${path}: ${errnoText(error)}`);
  }
  try {
    return compactJson(text);
  } catch (error) {
    throw refuse(`compacting json for seccomp profile (${path}) failed: ${messageOf(error)}`);
  }
}

export interface DeviceMapping {
  readonly PathOnHost: string;
  readonly PathInContainer: string;
  readonly CgroupPermissions: string;
}

function isDeviceMode(text: string): boolean {
  return /^[rwm]+$/.test(text) && new Set(text).size === text.length;
}

/** Tells whether a --device names a CDI device (`vendor.com/class=name`). */
export function isCdiDevice(text: string): boolean {
  return /^[a-zA-Z0-9][\w.-]*\/[a-zA-Z][\w.-]*=[\w.:-]+$/.test(text);
}

/** Reads `host[:container][:rwm]`. Throws a Fault with Docker's text. */
export function parseDevice(text: string): DeviceMapping {
  const parts = text.split(":");
  if (parts.length > 3 || parts[0] === "") throw refuse(`bad format for path: ${text}`);
  const [source = "", second, third] = parts;
  if (third !== undefined && !isDeviceMode(third)) throw refuse(`bad mode specified: ${third}`);
  const isModeOnly = second !== undefined && third === undefined && isDeviceMode(second);
  const target = second === undefined || isModeOnly ? source : second;
  if (!paths().posix.isAbsolute(target)) throw refuse(`${target} is not an absolute path`);
  const clean =
    third === undefined
      ? paths()
          .posix.normalize(target)
          .replace(/(?<=.)\/$/, "")
      : target;
  return {
    PathOnHost: second === undefined || isModeOnly ? clean : source,
    PathInContainer: clean,
    CgroupPermissions: third ?? (isModeOnly ? second : "rwm"),
  };
}

/** Reads --restart: `no`, `always`, `unless-stopped`, `on-failure[:n]`. */
export function parseRestartPolicy(text: string): { Name: string; MaximumRetryCount: number } {
  const colon = text.indexOf(":");
  const Name = colon < 0 ? text : text.slice(0, colon);
  const count = colon < 0 ? "" : text.slice(colon + 1);
  if (colon >= 0 && Name === "")
    throw refuse("invalid restart policy format: no policy provided before colon");
  if (count !== "" && !/^[+-]?\d+$/.test(count)) {
    throw refuse("invalid restart policy format: maximum retry count must be an integer");
  }
  return { Name, MaximumRetryCount: Number(count) };
}

/** Reads --log-opt for a driver. */
export function parseLogOptions(driver: string, texts: readonly string[]): Record<string, string> {
  if (driver === "none" && texts.length > 0) throw refuse(`invalid logging opts for driver ${driver}`);
  return toRecord(texts);
}

/** Reads --storage-opt. */
export function parseStorageOptions(texts: readonly string[]): Record<string, string> {
  if (texts.some((text) => !text.includes("="))) throw refuse("invalid storage option");
  return toRecord(texts);
}
