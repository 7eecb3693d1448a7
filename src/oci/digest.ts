// Content digests: `sha256:…` and `sha512:…` as in the OCI image specification (descriptor.md, "Digests").
// Pure values and hashing; where blobs live is storage/content. A Digest is always well-formed and lower case.

import { createHash, type Hash } from "node:crypto";
import { Fault } from "../lib/errors.ts";

declare const digestBrand: unique symbol;
/** A validated digest, `algorithm:hex`. */
export type Digest = string & { readonly [digestBrand]: true };

export type DigestAlgorithm = "sha256" | "sha512";

const HEX_LENGTH: Readonly<Record<DigestAlgorithm, number>> = { sha256: 64, sha512: 128 };
const SHAPE = /^[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[a-zA-Z0-9=_-]+$/;

/** Returns the digest that `text` spells. Fails with invalidParameter and the error text of Docker's digest library. */
export function parseDigest(text: string): Digest {
  if (text.length > 256 || !SHAPE.test(text)) throw invalid("invalid checksum digest format");
  const colon = text.indexOf(":");
  const length = HEX_LENGTH[text.slice(0, colon) as DigestAlgorithm];
  if (length === undefined) throw invalid("unsupported digest algorithm");
  const hex = text.slice(colon + 1);
  if (hex.length !== length) throw invalid("invalid checksum digest length");
  if (!/^[0-9a-f]+$/.test(hex)) throw invalid("invalid checksum digest format");
  return text as Digest;
}

function invalid(message: string): Fault {
  return new Fault("invalidParameter", message, { code: "digest.invalid" });
}

/** Whether `text` is a well-formed digest of a supported algorithm. */
export function isDigest(text: string): text is Digest {
  try {
    parseDigest(text);
    return true;
  } catch {
    return false; // ignored: the answer is no
  }
}

export function algorithmOf(digest: Digest): DigestAlgorithm {
  return digest.slice(0, digest.indexOf(":")) as DigestAlgorithm;
}

/** Returns the part after the colon. */
export function hexOf(digest: Digest): string {
  return digest.slice(digest.indexOf(":") + 1);
}

/** Returns the digest of `bytes`; strings are taken as UTF-8. */
export function digestOf(bytes: Uint8Array | string, algorithm: DigestAlgorithm = "sha256"): Digest {
  return `${algorithm}:${createHash(algorithm).update(bytes).digest("hex")}` as Digest;
}

/** Computes a digest and a size piece by piece. */
export class Digester {
  readonly #algorithm: DigestAlgorithm;
  readonly #hash: Hash;
  #sizeBytes = 0;

  constructor(algorithm: DigestAlgorithm = "sha256") {
    this.#algorithm = algorithm;
    this.#hash = createHash(algorithm);
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  update(bytes: Uint8Array): void {
    this.#hash.update(bytes);
    this.#sizeBytes += bytes.byteLength;
  }

  /** Returns the digest of everything; to be called once. */
  finish(): Digest {
    return `${this.#algorithm}:${this.#hash.digest("hex")}` as Digest;
  }
}
