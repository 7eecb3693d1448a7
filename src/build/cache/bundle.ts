// Steps with their layers as a cache that can be taken elsewhere, in BuildKit's form: a manifest whose configuration lists the layers,
// each with the one below it, and the steps, each with the layer of its result. Steps are known by keys of ours, so that
// BuildKit can keep and move such a cache but finds nothing in it. A step without files has no result, only a time.
// A foreign cache is hostile: sizes and numbers are checked, contents against their digests by who takes them.

import { Fault } from "../../lib/errors.ts";
import { type Digest, isDigest } from "../../oci/digest.ts";
import type { Descriptor } from "../../oci/manifest.ts";

export const CACHE_CONFIG_TYPE = "application/vnd.buildkit.cacheconfig.v0";
export const MAX_CACHE_CONFIG_BYTES = 32 << 20;
const MAX_DEPTH = 200;

/** A layer in its transportable form. */
export interface BundledLayer {
  readonly blob: Descriptor;
  readonly diffId: Digest;
  /** Index of the layer below, -1 for the bottom. */
  readonly parent: number;
}

export interface BundledStep {
  readonly key: string;
  /** RFC 3339. */
  readonly createdAt: string;
  /** Index of the layer that the step made; absent when it made none. */
  readonly layer?: number;
}

export interface CacheBundle {
  readonly layers: readonly BundledLayer[];
  readonly steps: readonly BundledStep[];
}

/** Returns the configuration's bytes. */
export function encodeBundle({ layers, steps }: CacheBundle): Uint8Array {
  const document = {
    layers: layers.map(({ blob, diffId, parent }) => ({
      blob: blob.digest,
      parent,
      annotations: { mediaType: blob.mediaType, diffID: diffId, size: blob.sizeBytes },
    })),
    records: steps.map(({ key, createdAt, layer }) => ({
      digest: `sha256:${key}`,
      createdAt,
      ...(layer === undefined ? {} : { layers: [{ layer, createdAt }] }),
    })),
  };
  return Buffer.from(JSON.stringify(document));
}

function malformed(why: string): Fault {
  return new Fault("invalidParameter", `invalid cache: ${why}`, { code: "build.cache-import" });
}

type Json = Readonly<Record<string, unknown>>;
const objectsOf = (value: unknown): Json[] =>
  Array.isArray(value) ? value.filter((v): v is Json => typeof v === "object" && v !== null) : [];

function layerOf({ blob, parent, annotations }: Json, index: number): BundledLayer {
  const { mediaType, diffID, size } = (annotations ?? {}) as Json;
  const isSound =
    typeof blob === "string" &&
    isDigest(blob) &&
    typeof diffID === "string" &&
    isDigest(diffID) &&
    typeof mediaType === "string" &&
    typeof size === "number" &&
    size >= 0 &&
    Number.isInteger(parent ?? 0);
  // compat: the first layer's number is left out where it is 0.
  const below = (parent as number | undefined) ?? 0;
  if (!isSound || below < -1 || below >= Math.max(index, 1)) throw malformed(`layer ${index}`);
  return {
    blob: { mediaType, digest: blob, sizeBytes: size },
    diffId: diffID,
    parent: below === index ? -1 : below,
  };
}

/** Reads a configuration. Throws Fault `build.cache-import`. */
export function parseBundle(bytes: Uint8Array): CacheBundle {
  let document: Json;
  try {
    document = JSON.parse(Buffer.from(bytes).toString("utf8")) as Json;
  } catch (cause) {
    throw new Fault("invalidParameter", "invalid cache: no JSON", { code: "build.cache-import", cause });
  }
  const layers = objectsOf(document["layers"]).map(layerOf);
  const steps = objectsOf(document["records"]).flatMap((record): BundledStep[] => {
    const { digest, createdAt, layers: results } = record;
    const [result] = objectsOf(results);
    const time = createdAt ?? result?.["createdAt"];
    if (typeof digest !== "string" || !isDigest(digest) || typeof time !== "string") return [];
    const key = digest.slice("sha256:".length);
    if (result === undefined) return [{ key, createdAt: time }];
    const layer = result["layer"] ?? 0;
    if (!Number.isInteger(layer) || (layer as number) < 0 || (layer as number) >= layers.length)
      throw malformed("a record names a layer that is not there");
    return [{ key, createdAt: time, layer: layer as number }];
  });
  if (layers.some((_, i) => depthOf(layers, i) > MAX_DEPTH)) throw malformed("too many layers");
  return { layers, steps };
}

function depthOf(layers: readonly BundledLayer[], index: number): number {
  let depth = 0;
  for (let i = index; i >= 0 && depth <= MAX_DEPTH; i = layers[i]?.parent ?? -1) depth++;
  return depth;
}
