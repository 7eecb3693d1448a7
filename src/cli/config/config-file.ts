// Docker's config.json: read as it is, written back with what was not understood kept. Credentials are in
// credentials.ts, contexts in contexts.ts.

import { fs } from "../../lib/builtins.ts";
import { Fault, messageOf } from "../../lib/errors.ts";

/** The keys that this client knows; unknown ones are kept in the file. */
export interface ConfigFile {
  readonly auths?: Readonly<Record<string, StoredAuth>>;
  readonly HttpHeaders?: Readonly<Record<string, string>>;
  readonly psFormat?: string;
  readonly imagesFormat?: string;
  readonly networksFormat?: string;
  readonly volumesFormat?: string;
  readonly statsFormat?: string;
  readonly pluginsFormat?: string;
  readonly detachKeys?: string;
  readonly credsStore?: string;
  readonly credHelpers?: Readonly<Record<string, string>>;
  readonly currentContext?: string;
  /** Folders with plugins of the command line, before the usual ones. */
  readonly cliPluginsExtraDirs?: readonly string[];
  readonly pruneFilters?: readonly string[];
  readonly proxies?: Readonly<Record<string, ProxyConfig>>;
}

export interface StoredAuth {
  /** Base64 of `username:password`. */
  readonly auth?: string;
  readonly identitytoken?: string;
  readonly registrytoken?: string;
  readonly email?: string;
}

export interface ProxyConfig {
  readonly httpProxy?: string;
  readonly httpsProxy?: string;
  readonly noProxy?: string;
  readonly ftpProxy?: string;
  readonly allProxy?: string;
}

/** Reads `<dir>/config.json`; an absent file is an empty configuration. Throws a Fault when it is not JSON. */
export function loadConfigFile(dir: string): ConfigFile {
  const path = `${dir}/config.json`;
  if (isMissing(path)) return {};
  let text: string;
  try {
    text = fs().readFileSync(path, "utf8");
  } catch (error) {
    throw new Fault("system", `loading config file: ${path}: ${messageOf(error)}`, {
      code: "config.unreadable",
      cause: error,
    });
  }
  try {
    const parsed: unknown = text.trim() === "" ? {} : JSON.parse(text);
    if (typeof parsed === "object" && parsed !== null && !Array.isArray(parsed)) return parsed;
  } catch (error) {
    throw malformed(path, messageOf(error));
  }
  throw malformed(path, "it is not a JSON object");
}

/** Most have no such file, and a look without node:fs saves a millisecond. */
function isMissing(path: string): boolean {
  try {
    Bun.mmap(path);
    return false;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === "ENOENT" || code === "ENOTDIR";
  }
}

function malformed(path: string, why: string): Fault {
  return new Fault("invalidParameter", `parsing config file (${path}): ${why}`, { code: "config.malformed" });
}

/** Changes config.json: `change` gets the current keys and returns the new ones. The file is replaced at once. */
export async function updateConfigFile(
  dir: string,
  change: (config: ConfigFile) => ConfigFile,
): Promise<void> {
  const { mkdirSync, renameSync, writeFileSync, realpathSync, existsSync } = await import("node:fs");
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const link = `${dir}/config.json`;
  const path = existsSync(link) ? realpathSync(link) : link;
  const temporary = `${path}.${process.pid}.tmp`;
  writeFileSync(temporary, `${JSON.stringify(change(loadConfigFile(dir)), null, "\t")}`, { mode: 0o600 });
  renameSync(temporary, path);
}
