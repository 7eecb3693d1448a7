// Changes to the stored contexts, in the layout and with the modes that Docker gives them. A file is replaced at once, so
// that whoever reads meanwhile sees the old or the new one.

import { chmodSync, existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { complain } from "../failure.ts";
import { type ContextMeta, checkContextName, formatMeta } from "./meta.ts";
import { contextPaths, loadContext, type TlsFiles } from "./read.ts";

/** Throws a Fault when no context can be made under the name: it is none, or taken. */
export function checkNewName(configDir: string, name: string): void {
  checkContextName(name);
  if (!existsSync(`${contextPaths(configDir, name).meta}/meta.json`)) return;
  loadContext(configDir, name); // A broken one has its own complaint.
  throw complain(`context ${JSON.stringify(name)} already exists`);
}

/** Writes meta.json, over the one that is there. */
export function saveMeta(configDir: string, meta: ContextMeta): void {
  replaceFile(`${contextPaths(configDir, meta.Name).meta}/meta.json`, formatMeta(meta), {
    file: 0o644,
    dir: 0o755,
  });
}

/** Makes `files` the only TLS files of a context. */
export function replaceTlsFiles(configDir: string, name: string, files: TlsFiles): void {
  const { tls } = contextPaths(configDir, name);
  rmSync(tls, { recursive: true, force: true });
  for (const [endpoint, contents] of files) writeTlsFiles(`${tls}/${endpoint}`, contents);
}

/** Makes `contents` the only TLS files of the Docker endpoint; those of other endpoints stay. */
export function replaceDockerTls(
  configDir: string,
  name: string,
  contents: ReadonlyMap<string, Uint8Array>,
): void {
  const dir = `${contextPaths(configDir, name).tls}/docker`;
  rmSync(dir, { recursive: true, force: true });
  writeTlsFiles(dir, contents);
}

function writeTlsFiles(dir: string, contents: ReadonlyMap<string, Uint8Array>): void {
  for (const [file, bytes] of contents) replaceFile(`${dir}/${file}`, bytes, { file: 0o600, dir: 0o700 });
}

/** Removes all files of a context; there need not be any. */
export function removeContext(configDir: string, name: string): void {
  const { meta, tls } = contextPaths(configDir, name);
  rmSync(meta, { recursive: true, force: true });
  rmSync(tls, { recursive: true, force: true });
}

function replaceFile(path: string, content: string | Uint8Array, mode: { file: number; dir: number }): void {
  const dir = dirname(path);
  mkdirSync(dir.replace(/\/(?:meta|tls)\/.*$/, ""), { recursive: true, mode: 0o755 });
  mkdirSync(dir, { recursive: true, mode: mode.dir });
  const temporary = `${dir}/.tmp-${process.pid}`;
  writeFileSync(temporary, content, { mode: mode.file, flag: "wx" });
  chmodSync(temporary, mode.file);
  renameSync(temporary, path);
}
