// A context on a web server: an archive, or a Dockerfile and nothing else.

import { Fault } from "../../lib/errors.ts";
import { openArchive } from "../files/extract.ts";
import { MAX_DOCKERFILE_BYTES } from "../dockerfile/lex.ts";
import type { BlobStore } from "./blobs.ts";
import type { ContextTree } from "./context-tree.ts";
import { download } from "./download.ts";
import { unpackContext } from "./unpack.ts";

/** What was fetched is a Dockerfile. */
export class RemoteDockerfile {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

/** Fetches a remote context. Throws Fault `build.download`. */
export async function fetchContext(
  url: string,
  blobs: BlobStore,
  signal: AbortSignal,
): Promise<ContextTree | RemoteDockerfile> {
  const { file } = await download(url, blobs, signal);
  await blobs.settle();
  const archive = await openArchive(file.content());
  if (archive !== undefined) return unpackContext(file.content(), blobs, signal);
  if (file.node.sizeBytes > MAX_DOCKERFILE_BYTES)
    throw new Fault("invalidParameter", `${url} is neither an archive nor a Dockerfile`, {
      code: "build.download",
    });
  const chunks: Uint8Array[] = [];
  for await (const chunk of file.content()) chunks.push(Uint8Array.from(chunk));
  return new RemoteDockerfile(Buffer.concat(chunks).toString("utf8"));
}
