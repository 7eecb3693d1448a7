// The filters of the prune operations (`until`, `label` and `label!`), and yes-or-no filters, the same for every concept.
import type { Filters } from "../api/contract.ts";
import { Fault } from "../lib/errors.ts";
import { nowNano, parseTimestamp } from "../lib/time.ts";
import { parseDuration } from "../lib/units/duration.ts";
import { hasLabel } from "./labels.ts";

/** What the filters look at. */
export interface Prunable {
  readonly createdNano: bigint;
  readonly labels: Readonly<Record<string, string>> | null | undefined;
}

/** Returns the test that a prune's objects have to pass; fails with invalidParameter for unknown and wrong filters. */
export function pruneMatcher(filters: Filters, known: readonly string[] = []): (object: Prunable) => boolean {
  for (const key of Object.keys(filters))
    if (!["until", "label", "label!", ...known].includes(key)) throw invalid(`invalid filter '${key}'`);
  const until = filters["until"] ?? [];
  if (until.length > 1) throw invalid("more than one until filter specified");
  const before = until[0] === undefined ? undefined : untilNano(until[0]);
  return ({ createdNano, labels }) =>
    (before === undefined || createdNano <= before) &&
    (filters["label"] ?? []).every((v) => hasLabel(labels, v)) &&
    !(filters["label!"] ?? []).some((v) => hasLabel(labels, v));
}

/** Returns the nanosecond of a point in time, or of how long ago it was. Fails with invalidParameter. */
export function untilNano(text: string): bigint {
  const time = parseTimestamp(text);
  return time ?? nowNano() - BigInt(Math.round(parseDuration(text)));
}

/** Returns the value of a yes-or-no filter, `absent` without it. Fails with invalidParameter. */
export function flagFilter<T>(filters: Filters, key: string, absent: T): boolean | T {
  const values = filters[key];
  if (values === undefined) return absent;
  if (values.length === 0) throw invalid(`invalid filter '${key}'`);
  // compat: what else is among the values does not count.
  const has = (...texts: string[]): boolean =>
    values.some((v) => texts.includes(v) && values.off?.includes(v) !== true);
  const isTrue = has("1", "true");
  if (isTrue === has("0", "false")) throw invalid(`invalid filter '${key}=[${values.join(" ")}]'`);
  return isTrue;
}

function invalid(message: string): Fault {
  return new Fault("invalidParameter", message, { code: "filter.invalid" });
}
