// The errors of tar archives; all carry the offset in the uncompressed archive at which the trouble is.

import { Fault } from "../errors.ts";

/** Returns the fault for an archive that contradicts the format. */
export function malformedTar(offset: number, why: string): Fault {
  return new Fault("invalidParameter", `malformed tar archive: ${why} at byte ${offset}`, {
    code: "tar.malformed",
    detail: { offset },
  });
}

/** Returns the fault for an archive that ends early. */
export function truncatedTar(offset: number): Fault {
  return new Fault(
    "invalidParameter",
    `truncated tar archive: it ends in the middle of an entry at byte ${offset}`,
    {
      code: "tar.truncated",
      detail: { offset },
    },
  );
}

/** Returns the fault for an archive that is well-formed but demands more than the reader grants. */
export function excessiveTar(offset: number, why: string): Fault {
  return new Fault("invalidParameter", `tar archive refused: ${why} at byte ${offset}`, {
    code: "tar.limit",
    detail: { offset },
  });
}
