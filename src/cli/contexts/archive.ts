// A context in one file: a tar archive of meta.json and tls/<endpoint>/<file>, or the same as a zip. Reading believes
// nothing: names must be exactly of this form, sizes are bounded, and nothing is returned of an archive that is not
// wholly good.

import { Fault } from "../../lib/errors.ts";
import { isZip, readZip } from "../../lib/compress/zip.ts";
import { tarEntry, tarHeader, tarPadding, TAR_END } from "../../lib/tar/writer.ts";
import { TarReader } from "../../lib/tar/reader.ts";
import { type ContextMeta, formatMeta, parseMeta } from "./meta.ts";
import type { TlsFiles } from "./read.ts";

/** As much as Docker takes in; keys and certificates are a few kilobytes. */
export const MAX_ARCHIVE_BYTES = 10 << 20;

export interface PackedContext {
  readonly meta: ContextMeta;
  readonly tls: TlsFiles;
}

/** Returns the archive that `context export` writes. */
export function packContext({ meta, tls }: PackedContext): Uint8Array {
  const parts: Uint8Array[] = [];
  const directory = (name: string) => {
    parts.push(tarHeader(tarEntry({ type: "directory", name, mode: 0o700 })));
  };
  const file = (name: string, mode: number, bytes: Uint8Array) => {
    parts.push(tarHeader(tarEntry({ type: "file", name, mode, sizeBytes: bytes.length })));
    parts.push(bytes, tarPadding(bytes.length));
  };
  file("meta.json", 0o644, Buffer.from(formatMeta(meta)));
  directory("tls");
  for (const [endpoint, files] of tls) {
    directory(`tls/${endpoint}`);
    for (const [name, bytes] of files) file(`tls/${endpoint}/${name}`, 0o600, bytes);
  }
  return Buffer.concat([...parts, TAR_END]);
}

/** Returns the context in an archive under the name `name`. Throws a Fault, with Docker's text where it has one. */
export function unpackContext(bytes: Uint8Array, name: string): PackedContext {
  let meta: ContextMeta | undefined;
  const tls = new Map<string, Map<string, Uint8Array>>();
  for (const [path, content] of isZip(bytes) ? readZip(bytes, MAX_ARCHIVE_BYTES) : readTar(bytes)) {
    checkPath(path);
    if (path === "meta.json")
      meta = { ...parseMeta(Buffer.from(content).toString("utf8"), name), Name: name };
    else {
      const [, endpoint = "", file = ""] = path.split("/");
      const files = tls.get(endpoint) ?? new Map<string, Uint8Array>();
      tls.set(endpoint, files.set(file, content));
    }
  }
  if (meta === undefined) throw refuse("invalid context: no metadata found");
  return { meta, tls };
}

/** Lets through meta.json and tls/<endpoint>/<file>. */
function checkPath(path: string): void {
  if (path !== "meta.json" && !path.startsWith("tls/")) throw refuse(`${path}: unexpected context file`);
  const parts = path.split("/");
  if (parts.some((part) => part === "" || part === "." || part === ".."))
    throw refuse(`${path}: unexpected path format`);
  if (path.includes("\\")) throw refuse(`${path}: unexpected '\\' in path`);
  if (path.includes("\0")) throw refuse("unexpected NUL in path");
  if (path !== "meta.json" && parts.length !== 3) throw refuse("archive format is invalid");
}

/** Yields names and contents of the archive's regular files. */
function* readTar(bytes: Uint8Array): Generator<[string, Uint8Array]> {
  const reader = new TarReader();
  let name: string | undefined;
  let chunks: Uint8Array[] = [];
  let missing = 0;
  for (const event of withEnd(reader, bytes, () => missing)) {
    if (event.kind === "entry") {
      name = event.entry.type === "file" ? event.entry.name : undefined;
      chunks = [];
      missing = event.entry.sizeBytes;
    } else if (event.kind === "data") {
      chunks.push(event.bytes);
      missing -= event.bytes.length;
    } else if (event.kind === "hole") throw refuse("sparse files are not supported in a context's archive");
    else if (name !== undefined) yield [name, Buffer.concat(chunks)];
  }
}

/** compat: Docker's own archives end with the last file's last byte, without what pads it to a block. */
function* withEnd(reader: TarReader, bytes: Uint8Array, missing: () => number) {
  yield* reader.push(bytes);
  if (missing() === 0) yield* reader.push(tarPadding(bytes.length));
  reader.finish();
}

function refuse(message: string): Fault {
  return new Fault("invalidParameter", message, { code: "context.archive" });
}
