// Files that ADD takes from the network: http and https, stored like a context file. Redirects are followed to such addresses
// only, a few of them, and never from an encrypted connection to a plain one. What stalls is given up.

import { Fault, messageOf } from "../../lib/errors.ts";
import type { FileNode, WalkedFile } from "../files/source-tree.ts";
import type { BlobStore } from "./blobs.ts";

const MAX_DOWNLOAD_BYTES = 32 * 2 ** 30;
const MAX_ERROR_TEXT = 200;
/** compat: as many as Go's client follows. */
const MAX_REDIRECTS = 10;
/** How long a server may say nothing. */
const IDLE_MS = 120_000;

/** A downloaded file. */
export interface Downloaded {
  /** Last component of the URL's path or the server's suggestion; "" when neither names the file. */
  readonly name: string;
  readonly file: WalkedFile;
  /** SHA-256, hex. */
  readonly digest: string;
}

export function isUrl(source: string): boolean {
  return /^https?:\/\//.test(source);
}

function failed(message: string, cause?: unknown): Fault {
  return new Fault("invalidParameter", `ADD failed: ${message}`, { code: "build.download", cause });
}

const baseName = (path: string): string => path.split("/").at(-1) ?? "";

/** A path that is no escaped text stays as it is. */
function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path; // ignored: see above
  }
}

function nameOf(url: URL, response: Response): string {
  const fromPath = baseName(decoded(url.pathname));
  if (fromPath !== "" && fromPath !== "." && fromPath !== "..") return fromPath;
  const disposition = response.headers.get("content-disposition") ?? "";
  const suggested = baseName(/filename="?([^";]*)"?/i.exec(disposition)?.[1] ?? "");
  return suggested === "." || suggested === ".." ? "" : suggested;
}

function nodeOf(sizeBytes: number, response: Response): FileNode {
  const modified = Date.parse(response.headers.get("last-modified") ?? "");
  return {
    type: "file",
    mode: 0o600,
    uid: 0,
    gid: 0,
    sizeBytes,
    mtimeSec: Number.isNaN(modified) ? 0 : Math.floor(modified / 1000),
    mtimeNsec: 0,
    linkTarget: "",
  };
}

/** Where an answer leads; undefined when it is the answer. */
function redirectOf(from: URL, response: Response): URL | undefined {
  const location = response.headers.get("location");
  if (location === null || ![301, 302, 303, 307, 308].includes(response.status)) return undefined;
  if (!URL.canParse(location, from))
    throw failed(`${from} redirects to nowhere: ${location.slice(0, MAX_ERROR_TEXT)}`);
  const to = new URL(location, from);
  if (!isUrl(to.href) || (from.protocol === "https:" && to.protocol !== "https:"))
    throw failed(`${from} redirects to ${to.protocol}, which is not followed`);
  return to;
}

async function request(url: URL, source: string, signal: AbortSignal): Promise<Response> {
  try {
    return await fetch(url, { signal, redirect: "manual" });
  } catch (cause) {
    signal.throwIfAborted();
    throw failed(`Get ${JSON.stringify(source)}: ${messageOf(cause)}`, cause);
  }
}

async function get(source: string, signal: AbortSignal): Promise<Response> {
  let url = new URL(source);
  let response = await request(url, source, signal);
  for (let count = 1; ; count++) {
    const next = redirectOf(url, response);
    if (next === undefined) break;
    await response.body?.cancel();
    if (count > MAX_REDIRECTS)
      throw failed(`Get ${JSON.stringify(source)}: stopped after ${MAX_REDIRECTS} redirects`);
    url = next;
    response = await request(url, source, signal);
  }
  if (response.ok) return response;
  const text = (await response.text()).slice(0, MAX_ERROR_TEXT).trim();
  throw failed(`failed to GET ${source} with status ${response.status} ${response.statusText}: ${text}`);
}

/** Aborts when nothing has come for a while. */
class IdleLimit implements Disposable {
  private readonly abort = new AbortController();
  private readonly timer: NodeJS.Timeout;

  constructor(source: string) {
    const give = (): void =>
      this.abort.abort(failed(`${source}: nothing came for ${IDLE_MS / 1000} seconds`));
    this.timer = setTimeout(give, IDLE_MS);
  }

  get signal(): AbortSignal {
    return this.abort.signal;
  }

  renew(): void {
    this.timer.refresh();
  }

  [Symbol.dispose](): void {
    clearTimeout(this.timer);
  }
}

/** Downloads a file. Throws Fault `build.download`. */
export async function download(source: string, blobs: BlobStore, signal: AbortSignal): Promise<Downloaded> {
  if (!URL.canParse(source)) throw failed(`invalid URL: ${source}`);
  using idle = new IdleLimit(source);
  const either = AbortSignal.any([signal, idle.signal]);
  const response = await get(source, either);
  const writer = blobs.begin(Number.POSITIVE_INFINITY);
  let total = 0;
  for await (const chunk of response.body ?? []) {
    either.throwIfAborted();
    idle.renew();
    total += chunk.length;
    if (total > MAX_DOWNLOAD_BYTES) throw failed(`${source} is larger than ${MAX_DOWNLOAD_BYTES} bytes`);
    await writer.write(chunk);
  }
  const blob = writer.finish();
  return {
    name: nameOf(new URL(source), response),
    digest: blob.digest,
    file: {
      path: "",
      node: nodeOf(blob.sizeBytes, response),
      xattrs: [],
      content: () => blobs.read(blob),
      contentDigest: blob.digest,
    },
  };
}
