// Packs a build context as a tar stream: a sorted walk that leaves out what .dockerignore names, symlinks kept as they
// are, hard links kept as such, everything owned by root. Files are read as they are sent.

import { existsSync, lstatSync, readdirSync, readFileSync, type Stats } from "node:fs";
import { join } from "node:path";
import { Fault } from "../../lib/errors.ts";
import {
  compileIgnorePatterns,
  type IgnorePatterns,
  type ParentMatch,
  parseIgnoreFile,
} from "../../lib/patternmatch/ignore-patterns.ts";
import { TAR_END, tarEntry, tarHeader, tarPadding } from "../../lib/tar/writer.ts";
import { errnoText } from "../options/env.ts";
import { gathered, packPath } from "../tar-pack.ts";

export interface PackOptions {
  readonly directory: string;
  /** Path of the Dockerfile within the context, which .dockerignore cannot take away. */
  readonly dockerfile: string | undefined;
  /** Files put into the archive under a name of their own, in place of any of that name in the directory. */
  readonly extra?: ReadonlyMap<string, Uint8Array>;
}

function refuse(why: string): Fault {
  return new Fault("invalidParameter", why, { code: "cli.build-context" });
}

/** Packs the directory. Throws a Fault for files that cannot be read. */
export async function* packContext(options: PackOptions): AsyncGenerator<Uint8Array> {
  yield* gathered(packEntries(options));
}

function* packEntries(options: PackOptions): Generator<Uint8Array> {
  const patterns = loadIgnore(options);
  const links = new Map<string, string>();
  for (const { path, stats } of walk(options.directory, patterns)) {
    if (options.extra?.has(path) === true) continue;
    yield* packPath(join(options.directory, path), path, stats, { links, isRootOwned: true });
  }
  for (const [name, content] of options.extra ?? []) {
    const now = Math.floor(Date.now() / 1000);
    yield tarHeader(tarEntry({ type: "file", name, mode: 0o600, sizeBytes: content.length, mtimeSec: now }));
    yield content;
    yield tarPadding(content.length);
  }
  yield TAR_END;
}

/** Returns the patterns in force: the Dockerfile's own ignore file, if it has one, else the context's. */
function loadIgnore({ directory, dockerfile }: PackOptions): IgnorePatterns {
  const own = dockerfile === undefined ? undefined : join(directory, `${dockerfile}.dockerignore`);
  const path = own !== undefined && existsSync(own) ? own : join(directory, ".dockerignore");
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return compileIgnorePatterns([]);
    throw refuse(`open ${path}: ${errnoText(error)}`);
  }
  const lines = parseIgnoreFile(text);
  const patterns = compileIgnorePatterns(lines);
  // The daemon needs these two whatever the patterns say.
  for (const name of [".dockerignore", ...(dockerfile === undefined ? [] : [dockerfile])]) {
    if (patterns.match(name).isMatch) lines.push(`!${name}`);
  }
  return compileIgnorePatterns(lines);
}

interface Found {
  /** Relative to the context. */
  readonly path: string;
  readonly stats: Stats;
}

function* walk(directory: string, patterns: IgnorePatterns): Generator<Found> {
  const visit = function* (prefix: string, parent: ParentMatch | undefined): Generator<Found> {
    for (const name of listDirectory(join(directory, prefix))) {
      const path = prefix === "" ? name : `${prefix}/${name}`;
      const { isMatch, forChildren } = patterns.match(path, parent);
      if (isMatch && !patterns.hasExceptions) continue;
      const stats = lstatSync(join(directory, path), { throwIfNoEntry: false });
      // A file that vanished meanwhile is not in the context.
      if (stats === undefined) continue;
      if (!isMatch) yield { path, stats };
      if (stats.isDirectory()) yield* visit(path, forChildren);
    }
  };
  yield* visit("", undefined);
}

function listDirectory(path: string): string[] {
  try {
    // By bytes, as Go sorts.
    return readdirSync(path, "buffer")
      .sort((a, b) => Buffer.compare(a, b))
      .map(String);
  } catch (error) {
    throw refuse(
      `error checking context: can't stat '${path}'${(error as NodeJS.ErrnoException).code === "EACCES" ? "" : `: ${errnoText(error)}`}`,
    );
  }
}
