// `--cache-from` and `--cache-to`: what the daemon is told, and the directories here that hold caches (`type=local`).

import { resolve } from "node:path";
import { messageOf } from "../../lib/errors.ts";
import { parseCsv } from "../../lib/flags/spec.ts";
import { complain } from "../failure.ts";
import { printError } from "../output.ts";
import type { BuildFlags } from "./flags.ts";
import { layoutDigest, putInLayout } from "./session/content.ts";

export interface CacheEntry {
  readonly type: string;
  readonly attrs: Readonly<Record<string, string>>;
}

/** Reads one entry: a name alone is an image in a registry. */
export function parseCacheEntry(text: string): CacheEntry {
  if (!text.includes("=")) return { type: "registry", attrs: { ref: text } };
  const attrs: Record<string, string> = {};
  for (const field of parseCsv(text)) {
    const equals = field.indexOf("=");
    if (equals < 0) throw complain(`invalid value ${field}`);
    attrs[field.slice(0, equals).toLowerCase()] = field.slice(equals + 1);
  }
  const { type = "", ...rest } = attrs;
  if (type === "") throw complain(`type required form> ${JSON.stringify(text)}`);
  return { type, attrs: rest };
}

const DEFAULT_TAG = "latest";

export class PreparedCaches {
  readonly imports: CacheEntry[] = [];
  readonly exports: CacheEntry[] = [];
  /** Directories by the names that the build knows them by. */
  readonly stores = new Map<string, string>();
  /** Directories to be entered into when the cache is written, with the tag. */
  private readonly destinations: { directory: string; tag: string }[] = [];

  constructor(flags: Pick<BuildFlags, "cache-from" | "cache-to">) {
    for (const text of flags["cache-from"]) this.addImport(parseCacheEntry(text));
    for (const text of flags["cache-to"]) this.addExport(parseCacheEntry(text));
  }

  private addImport(entry: CacheEntry): void {
    if (entry.type !== "local") {
      this.imports.push(entry);
      return;
    }
    const { src = "", tag = DEFAULT_TAG, digest } = entry.attrs;
    if (src === "") throw complain("local cache importer requires src");
    const directory = resolve(src);
    try {
      const found = digest ?? layoutDigest(directory, tag);
      this.stores.set(`local:${directory}`, directory);
      this.imports.push({ type: "local", attrs: { ...entry.attrs, src: directory, digest: found } });
    } catch (error) {
      // A first build has no cache yet.
      printError(`WARNING: local cache import at ${src} not found due to err: ${messageOf(error)}\n`);
    }
  }

  private addExport(entry: CacheEntry): void {
    if (entry.type !== "local") {
      this.exports.push(entry);
      return;
    }
    const { dest = "", tag = DEFAULT_TAG } = entry.attrs;
    if (dest === "") throw complain("local cache exporter requires dest");
    const directory = resolve(dest);
    this.stores.set(`local:${directory}`, directory);
    this.destinations.push({ directory, tag });
    this.exports.push({ type: "local", attrs: { ...entry.attrs, dest: directory } });
  }

  /** Enters what the build has written. */
  finish(response: Readonly<Record<string, string>>): void {
    const manifest = response["cache.manifest"];
    if (manifest === undefined) return;
    const entry = JSON.parse(manifest) as Parameters<typeof putInLayout>[1];
    for (const { directory, tag } of this.destinations) putInLayout(directory, entry, tag);
  }
}
