// The directories of an ordinary user (XDG Base Directory Specification).
import { fs, os, paths } from "./builtins.ts";

/** Returns the directory for what lives as long as the user is there, "" where there is none. */
export function runtimeDir(uid = os().userInfo().uid): string {
  const named = process.env["XDG_RUNTIME_DIR"];
  if (named) return named;
  const usual = `/run/user/${uid}`;
  return fs().existsSync(usual) ? usual : "";
}

/** Returns the directory for data. */
export function dataDir(): string {
  return process.env["XDG_DATA_HOME"] || paths().join(os().homedir(), ".local/share");
}

/** Returns the directory for settings. */
export function configDir(): string {
  return process.env["XDG_CONFIG_HOME"] || paths().join(os().homedir(), ".config");
}

/** Returns the directory for what can be had again. */
export function cacheDir(): string {
  return process.env["XDG_CACHE_HOME"] || paths().join(os().homedir(), ".cache");
}
