// Plugins of the command line: programs `docker-NAME` in Docker's plugin folders, which tell of themselves as JSON when they are
// called with `docker-cli-plugin-metadata`. A command of our own always goes before a plugin of its name.

import { execFile } from "node:child_process";
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { messageOf } from "../../lib/errors.ts";
import { parseJson } from "../../lib/json/parse.ts";
import type { ConfigFile } from "../config/config-file.ts";

export interface PluginMetadata {
  readonly SchemaVersion?: string;
  readonly Vendor?: string;
  readonly Version?: string;
  readonly ShortDescription?: string;
  readonly URL?: string;
  readonly Hidden?: boolean;
}

/** A program in a plugin folder; `Err` says why it is none. Field names as in `info --format json`. */
export interface Plugin extends PluginMetadata {
  readonly Name: string;
  readonly Path: string;
  readonly Err?: string;
}

const SYSTEM_DIRS = [
  "/usr/local/lib/docker/cli-plugins",
  "/usr/local/libexec/docker/cli-plugins",
  "/usr/lib/docker/cli-plugins",
  "/usr/libexec/docker/cli-plugins",
];
const PREFIX = "docker-";
const NAME = /^[a-z][a-z0-9]*$/;
const METADATA_TIMEOUT_MS = 10_000;

/** Where plugins are looked for, the most important folder first. */
export function pluginDirs(configDir: string, config: ConfigFile): string[] {
  return [...(config.cliPluginsExtraDirs ?? []), join(configDir, "cli-plugins"), ...SYSTEM_DIRS];
}

/** Returns the plugin of a name, undefined when there is none that is valid. */
export async function findPlugin(dirs: readonly string[], name: string): Promise<Plugin | undefined> {
  if (!NAME.test(name)) return undefined;
  for (const dir of dirs) {
    const path = join(dir, PREFIX + name);
    if (!isFile(path)) continue;
    const plugin = await askPlugin(name, path);
    return plugin.Err === undefined ? plugin : undefined;
  }
  return undefined;
}

/** Returns all candidates by name, the ones that are no plugins among them. */
export async function listPlugins(dirs: readonly string[]): Promise<Plugin[]> {
  const paths = new Map<string, string>();
  for (const dir of dirs)
    for (const entry of entriesOf(dir)) {
      const path = join(dir, entry);
      const name = entry.slice(PREFIX.length);
      if (entry.startsWith(PREFIX) && !paths.has(name) && isFile(path)) paths.set(name, path);
    }
  const plugins = await Promise.all([...paths].map(([name, path]) => askPlugin(name, path)));
  return plugins.sort((a, b) => (a.Name < b.Name ? -1 : 1));
}

async function askPlugin(name: string, path: string): Promise<Plugin> {
  const refuse = (Err: string): Plugin => ({ Name: name, Path: path, Err });
  if (!NAME.test(name)) return refuse(`plugin candidate "${name}" did not match "${NAME.source}"`);
  let output: string;
  try {
    const options = { timeout: METADATA_TIMEOUT_MS, encoding: "utf8" } as const;
    output = (await promisify(execFile)(path, ["docker-cli-plugin-metadata"], options)).stdout;
  } catch (error) {
    return refuse(`failed to fetch metadata: ${messageOf(error).split("\n", 1)[0]}`);
  }
  let metadata: PluginMetadata;
  try {
    metadata = parseJson(output) as PluginMetadata;
  } catch (error) {
    return refuse(`invalid metadata: ${messageOf(error)}`);
  }
  if (!/^0\.\d+\.\d+/.test(metadata.SchemaVersion ?? ""))
    return refuse(
      `plugin SchemaVersion version cannot be empty or other than 0.x: "${metadata.SchemaVersion ?? ""}"`,
    );
  if (!metadata.Vendor) return refuse("plugin metadata does not define a vendor");
  return { ...metadata, Name: name, Path: path };
}

function entriesOf(dir: string): string[] {
  try {
    return readdirSync(dir);
  } catch {
    return []; // ignored: most of the folders are not there
  }
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true;
}
