// Random identifiers of containers, networks, execs and temporary files: 64 hex digits as Docker's.
// Not content ids: those are digests (oci/digest.ts).

import { randomBytes } from "node:crypto";

const ALL_DIGITS = /^[0-9]{12}/;

/**
 * Returns 64 random hex digits. The first twelve, which serve as short id and host name, are never all decimal:
 * some programs take a host name of digits for a number.
 */
export function newId(): string {
  for (;;) {
    const id = randomBytes(32).toString("hex");
    if (!ALL_DIGITS.test(id)) return id;
  }
}

/** Returns `bytes` random bytes as hex, for names of temporary files and tokens. */
export function randomHex(bytes = 8): string {
  return randomBytes(bytes).toString("hex");
}

/** Returns the twelve-digit form of an id that `docker ps` shows; a `sha256:` prefix is dropped. */
export function shortId(id: string): string {
  const colon = id.indexOf(":");
  return id.slice(colon + 1, colon + 13);
}
