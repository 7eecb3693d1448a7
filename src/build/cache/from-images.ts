// `--cache-from` of the classic builder: a step is taken from an image whose history has gone the same way so far and goes
// on with the same words. What a COPY or ADD copied stands in those words as a digest, so that equal words are equal steps.

import type { HistoryEntry, ImageConfig } from "../../oci/image-config.ts";
import type { CacheRecord, SourceImage } from "../solver/ports.ts";

const isSame = (a: HistoryEntry, b: HistoryEntry): boolean =>
  a.createdBy === b.createdBy && (a.emptyLayer ?? false) === (b.emptyLayer ?? false);

/** Whether an image begins with everything that `parent` is. */
function beginsWith(image: ImageConfig, parent: ImageConfig): boolean {
  return (
    parent.history.length < image.history.length &&
    parent.history.every((entry, i) => isSame(entry, image.history[i] as HistoryEntry)) &&
    parent.diffIds.length <= image.diffIds.length &&
    parent.diffIds.every((diffId, i) => diffId === image.diffIds[i])
  );
}

/** Returns what a step on `parent` made in one of the images; undefined when none of them has it. */
export function recordFromImages(
  images: readonly SourceImage[],
  parent: ImageConfig,
  createdBy: string | undefined,
): CacheRecord | undefined {
  for (const { config } of images) {
    const next = config.history[parent.history.length];
    if (next?.createdBy === undefined || next.createdBy !== createdBy || !beginsWith(config, parent))
      continue;
    const diffId = next.emptyLayer === true ? undefined : config.diffIds[parent.diffIds.length];
    if (next.emptyLayer !== true && diffId === undefined) continue;
    return { version: 1, createdAt: next.created ?? "", ...(diffId === undefined ? {} : { diffId }) };
  }
  return undefined;
}
