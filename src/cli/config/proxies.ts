// Proxies of config.json, which containers and builds get as variables unless the user sets them.

import type { ConfigFile } from "./config-file.ts";

const variables = {
  httpProxy: "HTTP_PROXY",
  httpsProxy: "HTTPS_PROXY",
  noProxy: "NO_PROXY",
  ftpProxy: "FTP_PROXY",
  allProxy: "ALL_PROXY",
} as const;

/** Returns the variables for a daemon, in upper and lower case, without those in `own`. */
export function proxyVariables(
  config: ConfigFile,
  host: string,
  own: ReadonlySet<string>,
): Record<string, string> {
  const proxies = config.proxies?.[host] ?? config.proxies?.["default"] ?? {};
  const found: Record<string, string> = {};
  for (const [key, name] of Object.entries(variables)) {
    const value = proxies[key as keyof typeof variables] ?? "";
    if (value === "") continue;
    for (const spelling of [name, name.toLowerCase()]) if (!own.has(spelling)) found[spelling] = value;
  }
  return found;
}
