// Puts a layer's tar together again from its recipe and its directory. Contents are read through a keel session below
// the layer, small files many at a time, large ones as a stream, always in the order of the recipe.

import { Fault, SysError } from "../../lib/errors.ts";
import type { FsSession } from "../../linux/keel.ts";
import { fs } from "../../linux/ops.ts";
import { type RecipeStep, readRecipe } from "./recipe.ts";

type Piece = Extract<RecipeStep, { kind: "piece" }>;

/** Files up to this size are read whole and together. */
const SMALL_BYTES = 256 << 10;
const BATCH_BYTES = 4 << 20;
const BATCH_STEPS = 512;

/** Yields the tar that the recipe at `recipePath` was made from; `session` is open on the layer's directory. */
export async function* rebuildTar(recipePath: string, session: FsSession): AsyncGenerator<Uint8Array> {
  let batch: RecipeStep[] = [];
  let batchBytes = 0;
  for await (const step of readRecipe(recipePath)) {
    if (step.kind === "piece" && !isSmall(step)) {
      yield* playBatch(batch, session);
      batch = [];
      batchBytes = 0;
      yield* streamPiece(step, session);
      continue;
    }
    batch.push(step);
    batchBytes += step.kind === "literal" ? step.bytes.length : step.sizeBytes;
    if (batchBytes < BATCH_BYTES && batch.length < BATCH_STEPS) continue;
    yield* playBatch(batch, session);
    batch = [];
    batchBytes = 0;
  }
  yield* playBatch(batch, session);
}

function isSmall(piece: Piece): boolean {
  return piece.offset === 0 && piece.sizeBytes <= SMALL_BYTES;
}

async function* playBatch(batch: readonly RecipeStep[], session: FsSession): AsyncGenerator<Uint8Array> {
  if (batch.length === 0) return;
  const pieces = batch.filter((step) => step.kind === "piece");
  const contents = pieces.length === 0 ? [] : await read(pieces, session);
  let next = 0;
  const parts = batch.map((step) => {
    if (step.kind === "literal") return step.bytes;
    const content = contents[next++] as Buffer;
    if (content.length !== step.sizeBytes) throw changed(step);
    return content;
  });
  yield Buffer.concat(parts);
}

async function read(pieces: readonly Piece[], session: FsSession): Promise<Buffer[]> {
  try {
    return (await session.sync(pieces.map((piece) => fs.read(piece.path, piece.sizeBytes)))) as Buffer[];
  } catch (error) {
    if (!(error instanceof SysError)) throw error;
    throw changed(pieces[Math.max(0, error.index)] as Piece, error);
  }
}

async function* streamPiece(piece: Piece, session: FsSession): AsyncGenerator<Uint8Array> {
  let skip = piece.offset;
  let left = piece.sizeBytes;
  for await (const entry of session.export(piece.path)) {
    for await (const chunk of entry.content()) {
      const from = Math.min(skip, chunk.length);
      const wanted = chunk.subarray(from, Math.min(chunk.length, from + left));
      skip -= from;
      left -= wanted.length;
      if (wanted.length > 0) yield wanted;
    }
  }
  if (left > 0) throw changed(piece);
}

function changed(piece: Piece, cause?: unknown): Fault {
  const path = JSON.stringify(piece.path.toString("utf8"));
  return new Fault("dataLoss", `file ${path} of the layer is not what was unpacked`, {
    code: "layer.changed",
    ...(cause === undefined ? {} : { cause }),
  });
}
