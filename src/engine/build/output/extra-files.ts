// Files that go with a root to the client although they are not in it: what is said of a build, beside its files.

import { createHash } from "node:crypto";
import type { ExportEntry, FsSession } from "../../../linux/keel.ts";

/** A file at the top of a root, for its owner alone. */
export interface ExtraFile {
  readonly name: string;
  readonly bytes: Uint8Array;
}

const MODE = 0o100600;
const S_IFMT = 0o170000;
const S_IFREG = 0o100000;
const SLASH = 0x2f;

function entryOf({ bytes }: ExtraFile, path: string, mtimeSec: number): ExportEntry {
  return {
    path,
    rawPath: Buffer.from(path),
    mode: MODE,
    uid: 0,
    gid: 0,
    sizeBytes: bytes.length,
    mtimeSec,
    mtimeNsec: 0,
    major: 0,
    minor: 0,
    dev: 0,
    ino: 0,
    nlink: 1,
    linkTarget: Buffer.alloc(0),
    xattrs: [],
    async *content() {
      yield bytes;
    },
  };
}

/** The first component of a path. */
function topOf(rawPath: Buffer): Buffer {
  const slash = rawPath.indexOf(SLASH);
  return slash < 0 ? rawPath : rawPath.subarray(0, slash);
}

async function* merged(
  entries: AsyncIterable<ExportEntry>,
  files: readonly ExtraFile[],
  mtimeSec: number,
): AsyncGenerator<ExportEntry> {
  const waiting = files.toSorted((a, b) => Buffer.compare(Buffer.from(a.name), Buffer.from(b.name)));
  for await (const entry of entries) {
    const top = topOf(entry.rawPath);
    for (let next = waiting[0]; entry.path !== "." && next !== undefined; next = waiting[0]) {
      if (Buffer.compare(Buffer.from(next.name), top) >= 0) break;
      waiting.shift();
      yield entryOf(next, next.name, mtimeSec);
    }
    // A file of the root that has the name gives way.
    if (!files.some(({ name }) => top.equals(Buffer.from(name)))) yield entry;
  }
  for (const file of waiting) yield entryOf(file, file.name, mtimeSec);
}

/** Returns a session in which the files stand at the top of the root, each in its place. Only `export` knows them. */
export function withFiles(session: FsSession, files: readonly ExtraFile[], mtimeSec: number): FsSession {
  if (files.length === 0) return session;
  return {
    send: (ops) => session.send(ops),
    sync: (ops, onProgress) => session.sync(ops, onProgress),
    export(path) {
      const given = path.toString();
      const file = files.find(({ name }) => given === `/${name}`);
      if (file !== undefined) return single(entryOf(file, ".", mtimeSec));
      return given === "/" || given === "."
        ? merged(session.export(path), files, mtimeSec)
        : session.export(path);
    },
    [Symbol.asyncDispose]: () => session[Symbol.asyncDispose](),
  };
}

async function* single(entry: ExportEntry): AsyncGenerator<ExportEntry> {
  yield entry;
}

/** Returns the regular files of a root with their digests, as statements name what they are about. */
export async function fileSubjects(
  session: FsSession,
): Promise<{ name: string; digest: { sha256: string } }[]> {
  const subjects: { name: string; digest: { sha256: string } }[] = [];
  for await (const entry of session.export("/")) {
    if ((entry.mode & S_IFMT) !== S_IFREG) continue;
    const hash = createHash("sha256");
    for await (const chunk of entry.content()) hash.update(chunk);
    subjects.push({ name: entry.path, digest: { sha256: hash.digest("hex") } });
  }
  return subjects;
}
