// The filters of the prune operations: `until`, `label` and `label!`, the same for every concept.
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

/** A point in time, or how long ago it was. */
function untilNano(text: string): bigint {
  const time = parseTimestamp(text);
  return time ?? nowNano() - BigInt(Math.round(parseDuration(text)));
}

/** Returns the value of a yes-or-no filter, `absent` without it. */
export function flagFilter(filters: Filters, key: string, absent: boolean): boolean {
  const values = filters[key] ?? [];
  if (values.length === 0) return absent;
  if (values.every((v) => v === "true" || v === "1")) return true;
  if (values.every((v) => v === "false" || v === "0")) return false;
  throw invalid(`invalid filter '${key}=[${values.join(" ")}]'`);
}

function invalid(message: string): Fault {
  return new Fault("invalidParameter", message, { code: "filter.invalid" });
}
