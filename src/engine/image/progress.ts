// Progress of one layer's transfer, in lines that are not more often than a person can see.
import type { ProgressSink } from "../../api/call.ts";

const INTERVAL_MS = 100;

/** Returns what reports `bytes` of `total` as `status` of the layer `id`, if it has one; the last byte is always reported. */
export function progressReporter(
  out: ProgressSink,
  id: string | undefined,
  status: string,
  total: number,
): (bytes: number) => void {
  let last = -INTERVAL_MS;
  return (current) => {
    const now = performance.now();
    if (now - last < INTERVAL_MS && current < total) return;
    last = now;
    void out.write({ status, progressDetail: { current, total }, ...(id === undefined ? {} : { id }) });
  };
}
