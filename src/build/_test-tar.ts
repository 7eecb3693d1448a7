// Makes build contexts for tests: files in memory to the tar stream that a client would upload.

import type { TarEntry } from "../lib/tar/entry.ts";
import { TAR_END, tarHeader, tarPadding } from "../lib/tar/writer.ts";

/** A file of a test context: content, or an entry in full. */
export type TestFile = string | (Partial<TarEntry> & { content?: string | Uint8Array });

function entryOf(name: string, file: TestFile): [TarEntry, Uint8Array] {
  const { content, ...fields } = typeof file === "string" ? { content: file } : file;
  const isLink = fields.type !== undefined && fields.type !== "file";
  const bytes = Buffer.from(content ?? "");
  const isDirectory = name.endsWith("/");
  return [
    {
      type: isDirectory ? "directory" : "file",
      name: name.replace(/\/$/, ""),
      linkName: "",
      mode: isDirectory ? 0o755 : 0o644,
      uid: 1000,
      gid: 1000,
      userName: "",
      groupName: "",
      sizeBytes: isLink ? 0 : bytes.length,
      mtimeSec: 1_700_000_000,
      mtimeNsec: 0,
      devMajor: 0,
      devMinor: 0,
      xattrs: new Map(),
      ...fields,
    },
    bytes,
  ];
}

/** Returns the archive's bytes. */
export function tarBytes(files: Readonly<Record<string, TestFile>>): Uint8Array {
  const parts: Uint8Array[] = [];
  for (const [name, file] of Object.entries(files)) {
    const [entry, bytes] = entryOf(name, file);
    parts.push(tarHeader(entry));
    if (entry.sizeBytes > 0) parts.push(bytes, tarPadding(bytes.length));
  }
  parts.push(TAR_END);
  return Buffer.concat(parts);
}

/** Returns the archive as a stream of small chunks. */
export async function* tarStream(files: Readonly<Record<string, TestFile>>): AsyncGenerator<Uint8Array> {
  const bytes = tarBytes(files);
  for (let at = 0; at < bytes.length; at += 1000) yield bytes.subarray(at, at + 1000);
}
