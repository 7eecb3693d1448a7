// From a build request to its Dockerfile and context: unpacks, finds the Dockerfile, and takes Dockerfile and
// .dockerignore out of the context when .dockerignore says so (clients have to send both regardless).

import { Fault } from "../../lib/errors.ts";
import { cleanPath } from "../../lib/patternmatch/clean-path.ts";
import { compileIgnorePatterns, parseIgnoreFile } from "../../lib/patternmatch/ignore-patterns.ts";
import { MAX_DOCKERFILE_BYTES } from "../dockerfile/lex.ts";
import type { BuildRequest } from "../request.ts";
import { BlobStore } from "./blobs.ts";
import type { ContextTree } from "./context-tree.ts";
import { unpackContext } from "./unpack.ts";

const MAX_IGNORE_BYTES = 4 << 20;
const DEFAULT_NAME = "Dockerfile";

/** What a build starts from. */
export interface OpenedContext {
  readonly dockerfile: string;
  /** How the Dockerfile is called in messages. */
  readonly dockerfileName: string;
  /** Undefined when nothing was uploaded. */
  readonly tree?: ContextTree;
  /** Takes downloads. */
  readonly blobs: BlobStore;
  close(): Promise<void>;
}

async function findDockerfile(
  tree: ContextTree,
  request: BuildRequest,
): Promise<{ name: string; bytes: Uint8Array }> {
  const wanted = request.dockerfile || DEFAULT_NAME;
  for (const name of wanted === DEFAULT_NAME ? [wanted, wanted.toLowerCase()] : [wanted]) {
    const bytes = await tree.readFile(cleanPath(`/${name}`), MAX_DOCKERFILE_BYTES);
    if (bytes !== undefined) return { name, bytes };
  }
  // compat: the CLI and docker-py show this text as it is.
  throw new Fault("invalidParameter", `Cannot locate specified Dockerfile: ${wanted}`, {
    code: "build.no-dockerfile",
  });
}

async function applyIgnoreFile(tree: ContextTree, dockerfile: string): Promise<void> {
  const bytes = await tree.readFile("/.dockerignore", MAX_IGNORE_BYTES);
  if (bytes === undefined) return;
  const patterns = compileIgnorePatterns(parseIgnoreFile(Buffer.from(bytes).toString("utf8")));
  for (const name of [".dockerignore", cleanPath(dockerfile)]) {
    if (patterns.match(name).isMatch) tree.remove(name);
  }
}

/** Unpacks the context into `directory` and reads the Dockerfile. */
export async function openContext(
  request: BuildRequest,
  directory: string,
  signal: AbortSignal,
): Promise<OpenedContext> {
  if (request.context === undefined) {
    const name = request.dockerfile || DEFAULT_NAME;
    if (request.dockerfileText === undefined)
      throw new Fault("invalidParameter", "no build context was given");
    const blobs = new BlobStore(directory);
    return { dockerfile: request.dockerfileText, dockerfileName: name, blobs, close: () => blobs.close() };
  }
  await using stack = new AsyncDisposableStack();
  const blobs = new BlobStore(directory);
  stack.defer(() => blobs.close());
  const tree = await unpackContext(request.context, blobs, signal);
  const found =
    request.dockerfileText === undefined
      ? await findDockerfile(tree, request)
      : { name: request.dockerfile || DEFAULT_NAME, bytes: Buffer.from(request.dockerfileText) };
  await applyIgnoreFile(tree, found.name);
  stack.move();
  return {
    dockerfile: Buffer.from(found.bytes).toString("utf8"),
    dockerfileName: found.name,
    tree,
    blobs,
    close: () => blobs.close(),
  };
}
