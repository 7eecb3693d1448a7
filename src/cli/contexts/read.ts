// Docker's contexts as they are kept: below <config>/contexts a directory named by the SHA-256 of the context's name, in
// meta/ with a meta.json, in tls/ with a directory of PEM files for each endpoint. Reads and lists them; write.ts
// changes them; which one is in force is a key of config.json.

import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { Fault, messageOf } from "../../lib/errors.ts";
import { environmentHost, normaliseHost } from "../config/endpoint.ts";
import { DEFAULT_HOST } from "../failure.ts";
import type { GlobalFlags } from "../globals.ts";
import { type ContextMeta, parseMeta } from "./meta.ts";

/** The context of that name is made up of options and environment; it is never stored. */
export const DEFAULT_CONTEXT = "default";
export const DEFAULT_DESCRIPTION = "Current DOCKER_HOST based configuration";

export interface StoredContext {
  readonly meta: ContextMeta;
  /** The daemon's address as it was given, "" where there is none. */
  readonly host: string;
  readonly description: string;
}

/** The contents of PEM files by endpoint and file name. */
export type TlsFiles = ReadonlyMap<string, ReadonlyMap<string, Uint8Array>>;

export interface ContextPaths {
  readonly meta: string;
  readonly tls: string;
}

/** Returns where a context's files are; any text may be a name. */
export function contextPaths(configDir: string, name: string): ContextPaths {
  const id = createHash("sha256").update(name).digest("hex");
  return { meta: `${configDir}/contexts/meta/${id}`, tls: `${configDir}/contexts/tls/${id}` };
}

/** Reads one context. Throws a Fault with Docker's text when there is none of that name. */
export function loadContext(configDir: string, name: string): StoredContext {
  const path = `${contextPaths(configDir, name).meta}/meta.json`;
  if (!existsSync(path)) {
    throw new Fault(
      "notFound",
      `context ${JSON.stringify(name)}: context not found: open ${path}: no such file or directory`,
      { code: "context.not-found" },
    );
  }
  return readContext(path, name);
}

/** As loadContext, the default context included. */
export function findContext(globals: GlobalFlags, name: string): StoredContext {
  return name === DEFAULT_CONTEXT ? defaultContext(globals) : loadContext(globals.config, name);
}

/** Returns what `-H` and the environment say, in the form of a context. */
export function defaultContext(globals: GlobalFlags): StoredContext {
  const chosen = globals.host[0] ?? environmentHost();
  const host = chosen === undefined ? DEFAULT_HOST : normaliseHost(chosen);
  const endpoint = { Host: host, SkipTLSVerify: false };
  const meta = { Name: DEFAULT_CONTEXT, Metadata: {}, Endpoints: { docker: endpoint } };
  return { meta, host, description: DEFAULT_DESCRIPTION };
}

function readContext(path: string, name: string): StoredContext {
  let meta: ContextMeta;
  try {
    meta = parseMeta(readFileSync(path, "utf8"), name);
  } catch (error) {
    throw new Fault(
      "invalidParameter",
      `context ${JSON.stringify(name)}: parsing ${path}: ${messageOf(error)}`,
      { code: "context.malformed", cause: error },
    );
  }
  return { meta, host: meta.Endpoints.docker?.Host ?? "", description: meta.Metadata.Description ?? "" };
}

/** Lists the stored contexts by name; broken ones are left out. */
export function listContexts(configDir: string): StoredContext[] {
  const dir = `${configDir}/contexts/meta`;
  if (!existsSync(dir)) return [];
  const found: StoredContext[] = [];
  for (const id of readdirSync(dir)) {
    try {
      found.push(readContext(`${dir}/${id}/meta.json`, id));
    } catch {
      // ignored: one broken context must not hide the others
    }
  }
  return found;
}

/** Returns the names of a context's TLS files by endpoint. */
export function listTlsFiles(configDir: string, name: string): Map<string, string[]> {
  const { tls } = contextPaths(configDir, name);
  const found = new Map<string, string[]>();
  if (!existsSync(tls)) return found;
  const endpoints = readdirSync(tls, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  for (const endpoint of endpoints.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const files = readdirSync(`${tls}/${endpoint.name}`, { withFileTypes: true });
    const names = files.filter((file) => !file.isDirectory()).map((file) => file.name);
    found.set(endpoint.name, names.sort());
  }
  return found;
}

/** Reads a context's TLS files. */
export function loadTlsFiles(configDir: string, name: string): TlsFiles {
  const { tls } = contextPaths(configDir, name);
  const read = (endpoint: string, file: string) =>
    [file, readFileSync(`${tls}/${endpoint}/${file}`)] as const;
  return new Map(
    [...listTlsFiles(configDir, name)].map(([endpoint, files]) => [
      endpoint,
      new Map(files.map((file) => read(endpoint, file))),
    ]),
  );
}
