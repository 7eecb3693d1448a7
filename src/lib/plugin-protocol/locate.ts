// Where plugins are found, as Docker looks for them: sockets NAME.sock (or NAME/NAME.sock) in /run/docker/plugins, and files
// NAME.spec (an address) or NAME.json (Name, Addr, TLSConfig) in /etc/docker/plugins and /usr/lib/docker/plugins.
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { Fault, messageOf } from "../errors.ts";
import type { Endpoint } from "../http1/connect.ts";

export interface PluginDirs {
  readonly sockets: string;
  readonly specs: readonly string[];
}

export const PLUGIN_DIRS: PluginDirs = {
  sockets: "/run/docker/plugins",
  specs: ["/etc/docker/plugins", "/usr/lib/docker/plugins"],
};

/** A plugin's name is a file's name here, and comes from requests. */
const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.:-]{0,254}$/;
const MAX_SPEC_BYTES = 64 << 10;

/** Returns where a plugin listens, undefined when there is none of that name. Fails with invalidParameter on a bad file. */
export async function locatePlugin(dirs: PluginDirs, name: string): Promise<Endpoint | undefined> {
  if (!NAME.test(name)) return undefined;
  for (const path of [`${name}.sock`, join(name, `${name}.sock`)].map((p) => join(dirs.sockets, p)))
    if (await isSocket(path)) return { path };
  for (const dir of dirs.specs.flatMap((d) => [d, join(d, name)])) {
    const spec = await readSpec(join(dir, `${name}.spec`));
    if (spec !== undefined) return endpointOf(name, spec.trim());
    const json = await readSpec(join(dir, `${name}.json`));
    if (json !== undefined) return endpointOf(name, addressOf(name, json));
  }
  return undefined;
}

/** Returns the names of all plugins that have a socket or a file. */
export async function listPlugins(dirs: PluginDirs): Promise<string[]> {
  const names = new Set<string>();
  for (const [dir, endings] of [
    [dirs.sockets, /\.sock$/],
    ...dirs.specs.map((d) => [d, /\.(?:spec|json)$/] as const),
  ] as const)
    for (const entry of await readdir(dir).catch(() => [])) {
      const name = entry.replace(endings, "");
      if (!NAME.test(name)) continue;
      if (name !== entry || (await locatePlugin(dirs, name).catch(() => undefined)) !== undefined)
        names.add(name);
    }
  return [...names].sort();
}

async function isSocket(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isSocket() === true; // ignored: missing is what is asked here
}

async function readSpec(path: string): Promise<string | undefined> {
  const found = await stat(path).catch(() => undefined); // ignored: missing is what is asked here
  if (found?.isFile() !== true) return undefined;
  if (found.size > MAX_SPEC_BYTES) throw invalid(`the file ${path} is too large`);
  return readFile(path, "utf8");
}

function addressOf(name: string, text: string): string {
  let spec: { Addr?: unknown; TLSConfig?: { CAFile?: string; CertFile?: string } };
  try {
    spec = JSON.parse(text) as typeof spec;
  } catch (error) {
    throw invalid(`the file of plugin ${name} is no JSON: ${messageOf(error)}`);
  }
  if (spec.TLSConfig?.CAFile || spec.TLSConfig?.CertFile)
    throw new Fault("notImplemented", `plugin ${name}: TLS to plugins is not supported`, {
      code: "plugin.tls",
    });
  if (typeof spec.Addr !== "string") throw invalid(`the file of plugin ${name} has no address`);
  return spec.Addr;
}

function endpointOf(name: string, address: string): Endpoint {
  if (/^unix:\/\/\//.test(address)) return { path: address.slice("unix://".length) };
  const tcp = /^(?:tcp|http):\/\/(?:\[([^\]]+)\]|([^:/]+)):(\d{1,5})\/?$/.exec(address);
  if (tcp === null)
    throw invalid(`the address of plugin ${name} is no unix:// or tcp:// address: ${address}`);
  return { host: (tcp[1] ?? tcp[2]) as string, port: Number(tcp[3]) };
}

function invalid(message: string): Fault {
  return new Fault("invalidParameter", message, { code: "plugin.spec" });
}
