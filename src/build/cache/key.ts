// Keys of build steps: a digest over what decides about the result and nothing else. Two steps with one key have one
// result, in whatever Dockerfile, stage or build they stand.

import { createHash } from "node:crypto";

/** Changes whenever the meaning of a key's parts does, so that old records are not found. */
const GENERATION = "berth-build-2";

/** Returns the key of a kind of step with its parts, as 64 hex digits. JSON keeps the parts apart. */
export function keyOf(kind: string, parts: readonly unknown[]): string {
  return createHash("sha256")
    .update(JSON.stringify([GENERATION, kind, parts]))
    .digest("hex");
}
