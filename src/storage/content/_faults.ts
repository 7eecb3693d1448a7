// What is wrong with content.
import { Fault } from "../../lib/errors.ts";
import type { Digest } from "../../oci/digest.ts";

export function differs(actual: string, expected: string): Fault {
  return new Fault("dataLoss", `content does not match: got ${actual}, expected ${expected}`, {
    code: "content.mismatch",
  });
}

export function missing(digest: Digest): Fault {
  return new Fault("notFound", `content ${digest} not found`, {
    code: "content.not-found",
    detail: { digest },
  });
}

export function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === "ENOENT";
}
