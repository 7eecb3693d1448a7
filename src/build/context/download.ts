// Files that ADD takes from the network: http and https, redirects followed, stored like a context file.

import { Fault, messageOf } from "../../lib/errors.ts";
import type { FileNode, WalkedFile } from "../files/source-tree.ts";
import type { BlobStore } from "./blobs.ts";

const MAX_DOWNLOAD_BYTES = 32 * 2 ** 30;
const MAX_ERROR_TEXT = 200;

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

function nameOf(url: URL, response: Response): string {
  const fromPath = baseName(decodeURIComponent(url.pathname));
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

async function get(source: string, signal: AbortSignal): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(source, { signal, redirect: "follow" });
  } catch (cause) {
    signal.throwIfAborted();
    throw failed(`Get ${JSON.stringify(source)}: ${messageOf(cause)}`, cause);
  }
  if (response.ok) return response;
  const text = (await response.text()).slice(0, MAX_ERROR_TEXT).trim();
  throw failed(`failed to GET ${source} with status ${response.status} ${response.statusText}: ${text}`);
}

/** Downloads a file. Throws Fault `build.download`. */
export async function download(source: string, blobs: BlobStore, signal: AbortSignal): Promise<Downloaded> {
  if (!URL.canParse(source)) throw failed(`invalid URL: ${source}`);
  const response = await get(source, signal);
  const writer = blobs.begin(Number.POSITIVE_INFINITY);
  let total = 0;
  for await (const chunk of response.body ?? []) {
    signal.throwIfAborted();
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
