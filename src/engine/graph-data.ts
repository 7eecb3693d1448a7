// Where the files of an image or container are, as inspect's GraphDriver shows it.
import type { RootSource } from "../linux/ops.ts";

/**
 * Returns the overlay's directories by Docker's names; empty for a root that is none. `pid` is a process that has the overlay as its
 * root, 0 for none.
 */
export function graphData(source: RootSource, pid = 0): Record<string, string> {
  if (source.kind !== "overlay") return {};
  return {
    LowerDir: source.lower.map((l) => `${source.layersDir}/${l}`).join(":"),
    // compat: the merged view exists in the container's own mount namespace only; while it runs its process shows it, and
    // before and after the path is, as Docker's, one that is not there.
    ...(source.upper === undefined
      ? {}
      : {
          MergedDir: pid > 0 ? `/proc/${pid}/root` : source.upper.replace(/[^/]*$/, "merged"),
          UpperDir: source.upper,
        }),
    ...(source.work === undefined ? {} : { WorkDir: source.work }),
  };
}
