// Where the files of an image or container are, as inspect's GraphDriver shows it.
import type { RootSource } from "../linux/ops.ts";

/** Returns the overlay's directories by Docker's names; empty for a root that is none. */
export function graphData(source: RootSource): Record<string, string> {
  if (source.kind !== "overlay") return {};
  return {
    LowerDir: source.lower.map((l) => `${source.layersDir}/${l}`).join(":"),
    // compat: the merged view exists in the container's own mount namespace only; the path says where it would be.
    ...(source.upper === undefined
      ? {}
      : { MergedDir: source.upper.replace(/[^/]*$/, "merged"), UpperDir: source.upper }),
    ...(source.work === undefined ? {} : { WorkDir: source.work }),
  };
}
