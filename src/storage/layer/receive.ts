// One pass over a layer's stream: decompresses, hashes, unpacks through keel, and keeps either the compressed bytes (as
// a blob) or the tar's headers (as a recipe). Yields to the event loop at every chunk; nothing here waits for disks.

import { join } from "node:path";
import { decompress } from "../../lib/compress/stream.ts";
import { Fault } from "../../lib/errors.ts";
import type { FsSession } from "../../linux/keel.ts";
import { type Digest, Digester } from "../../oci/digest.ts";
import type { BlobInfo, ContentStore } from "../content/types.ts";
import { Branch, teeTo } from "./_tee.ts";
import { RecipeWriter } from "./recipe.ts";
import type { LayerRecord, UnpackOptions } from "./types.ts";
import { LayerUnpacker } from "./unpack.ts";

/** What a layer's stream turned out to be. */
export interface Received extends Pick<LayerRecord, "diffId" | "tarBytes" | "sizeBytes" | "tar" | "blob"> {
  readonly implicitDirs: readonly string[];
}

export interface ReceiveOptions extends UnpackOptions {
  /** The stream comes from packTree: no recipe is needed, packing again gives the same bytes. */
  isPacked?: boolean;
  /** Most that the uncompressed archive may have, and most that its holes may stand for: a few bytes can be any number. */
  maxTarBytes?: number;
}

/** Unpacks `stream` into the session's root; the recipe, if any, becomes `workDir`/recipe. */
export async function receiveLayer(
  stream: AsyncIterable<Uint8Array>,
  into: { session: FsSession; workDir: string; content: ContentStore },
  options: ReceiveOptions,
): Promise<Received> {
  const { keepBlob } = options;
  const watchedSource = watched(stream, options);
  if (keepBlob === undefined) return receiveTar(watchedSource, into, options);
  const branch = new Branch();
  const { digest, sizeBytes } = keepBlob;
  const expected = { ...(digest ? { digest } : {}), ...(sizeBytes === undefined ? {} : { sizeBytes }) };
  const ingested = into.content.ingest(branch, expected, { durable: options.durable ?? true });
  ingested.catch(() => undefined); // ignored: awaited below, after the branch has ended
  try {
    const received = await receiveTar(teeTo(untilFailed(watchedSource, ingested), branch), into, options);
    const blob = blobOf(await ingested, keepBlob.mediaType);
    return { ...received, tar: { kind: "blob" }, blob };
  } catch (error) {
    branch.fail(error);
    await ingested.catch(() => undefined); // ignored: it fails because of `error`
    throw error;
  }
}

/** Passes `source` on for as long as `other` has not failed: a blob that is longer than it should be is not unpacked to its end. */
async function* untilFailed(
  source: AsyncIterable<Uint8Array>,
  other: Promise<unknown>,
): AsyncGenerator<Uint8Array> {
  let failure: { error: unknown } | undefined;
  other.catch((error: unknown) => {
    failure = { error };
  });
  for await (const chunk of source) {
    if (failure !== undefined) throw failure.error;
    yield chunk;
  }
}

function blobOf(info: BlobInfo, mediaType: string): NonNullable<LayerRecord["blob"]> {
  return { digest: info.digest, mediaType, sizeBytes: info.sizeBytes };
}

async function receiveTar(
  source: AsyncIterable<Uint8Array>,
  into: { session: FsSession; workDir: string },
  options: ReceiveOptions,
): Promise<Received> {
  const needsRecipe = !options.isPacked && options.keepBlob === undefined;
  const recipe = needsRecipe ? new RecipeWriter(join(into.workDir, "recipe")) : undefined;
  try {
    const { maxTarBytes = Number.POSITIVE_INFINITY } = options;
    const unpacker = new LayerUnpacker(into.session, { maxHoleBytes: maxTarBytes });
    const digester = new Digester();
    const { stream } = await decompress(source);
    for await (const chunk of stream) {
      digester.update(chunk);
      if (digester.sizeBytes > maxTarBytes) throw tooLarge(maxTarBytes);
      const events = await unpacker.push(chunk);
      await recipe?.push(chunk, events);
    }
    const { sizeBytes, implicitDirs } = await unpacker.finish();
    await recipe?.finish();
    const { sizeBytes: tarBytes } = digester;
    const diffId = digester.finish();
    checkDiffId(diffId, options.expectedDiffId);
    return { diffId, tarBytes, sizeBytes, implicitDirs, tar: { kind: recipe ? "recipe" : "packed" } };
  } catch (error) {
    await recipe?.abort();
    throw error;
  }
}

function tooLarge(maxBytes: number): Fault {
  return new Fault(
    "invalidParameter",
    `cannot unpack layer: it has more than ${maxBytes} bytes uncompressed (the daemon's max-layer-size)`,
    { code: "layer.too-large" },
  );
}

function checkDiffId(actual: Digest, expected: Digest | undefined): void {
  if (expected === undefined || actual === expected) return;
  throw new Fault("dataLoss", `layer does not match: got ${actual}, expected ${expected}`, {
    code: "layer.mismatch",
    detail: { actual, expected },
  });
}

async function* watched(
  source: AsyncIterable<Uint8Array>,
  options: UnpackOptions,
): AsyncGenerator<Uint8Array> {
  const { signal, onProgress } = options;
  let sizeBytes = 0;
  signal?.throwIfAborted();
  for await (const chunk of source) {
    signal?.throwIfAborted();
    sizeBytes += chunk.length;
    yield chunk;
    onProgress?.(sizeBytes);
  }
}
