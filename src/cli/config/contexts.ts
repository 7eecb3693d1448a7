// Docker's contexts: directories under <config>/contexts/meta named by the SHA-256 of the context's name, each with a
// meta.json. Reads and lists them; `context use` is a key of config.json.

import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { Fault, messageOf } from "../../lib/errors.ts";

export interface StoredContext {
  readonly name: string;
  readonly host: string;
  readonly description: string;
  /** meta.json as it is. */
  readonly meta: ContextMeta;
  readonly metadataPath: string;
  readonly tlsPath: string;
}

export interface ContextMeta {
  readonly Name?: string;
  readonly Metadata?: { readonly Description?: string } & Readonly<Record<string, unknown>>;
  readonly Endpoints?: Readonly<
    Record<
      string,
      { readonly Host?: string; readonly SkipTLSVerify?: boolean } & Readonly<Record<string, unknown>>
    >
  >;
}

/** Reads one context. Throws a Fault with Docker's text when there is none of that name. */
export function loadContext(configDir: string, name: string): StoredContext {
  const id = createHash("sha256").update(name).digest("hex");
  const path = `${configDir}/contexts/meta/${id}/meta.json`;
  if (!existsSync(path)) {
    throw new Fault(
      "notFound",
      `context ${JSON.stringify(name)}: context not found: open ${path}: no such file or directory`,
      { code: "context.not-found" },
    );
  }
  return readContext(configDir, id, name);
}

function readContext(configDir: string, id: string, name: string): StoredContext {
  const path = `${configDir}/contexts/meta/${id}/meta.json`;
  let meta: ContextMeta;
  try {
    meta = JSON.parse(readFileSync(path, "utf8")) as ContextMeta;
  } catch (error) {
    throw new Fault("invalidParameter", `context ${JSON.stringify(name)}: ${messageOf(error)}`, {
      code: "context.malformed",
      cause: error,
    });
  }
  return {
    name: meta.Name ?? name,
    host: meta.Endpoints?.["docker"]?.Host ?? "",
    description: meta.Metadata?.Description ?? "",
    meta,
    metadataPath: `${configDir}/contexts/meta/${id}`,
    tlsPath: `${configDir}/contexts/tls/${id}`,
  };
}

/** Lists the stored contexts by name; broken ones are left out. */
export function listContexts(configDir: string): StoredContext[] {
  const dir = `${configDir}/contexts/meta`;
  if (!existsSync(dir)) return [];
  const found: StoredContext[] = [];
  for (const id of readdirSync(dir)) {
    try {
      found.push(readContext(configDir, id, id));
    } catch {
      // ignored: one broken context must not hide the others
    }
  }
  return found.sort((a, b) => (a.name < b.name ? -1 : 1));
}
