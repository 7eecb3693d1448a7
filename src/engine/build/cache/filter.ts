// The filters of the build cache: of `builder prune` and of listings.
import type { Filters } from "../../../api/contract.ts";
import type { BuildCacheRecord } from "../../../api/schemas/build.ts";
import { Fault } from "../../../lib/errors.ts";
import { nowNano, parseNano, parseTimestamp } from "../../../lib/time.ts";
import { parseDuration } from "../../../lib/units/duration.ts";
import { table } from "../../../lib/table.ts";

type Test = (record: BuildCacheRecord) => boolean;

function invalid(message: string): Fault {
  return new Fault("invalidParameter", message, { code: "filter.invalid" });
}

const isTrue = (text: string): boolean => text === "" || text === "1" || text === "true";

/** Last used before a point in time, or so long ago. */
function until(text: string): Test {
  const before = parseTimestamp(text) ?? nowNano() - BigInt(Math.round(parseDuration(text)));
  return (record) => (parseNano(record.LastUsedAt ?? record.CreatedAt) ?? 0n) <= before;
}

const FILTERS: Readonly<Record<string, (value: string) => Test>> = table({
  until,
  "unused-for": until,
  id: (value) => (r) => r.ID === value || r.ID.startsWith(value),
  parent: (value) => (r) => (r.Parents ?? []).includes(value),
  type: (value) => (r) => r.Type === value,
  description: (value) => (r) => r.Description.includes(value),
  inuse: (value) => (r) => r.InUse === isTrue(value),
  shared: (value) => (r) => r.Shared === isTrue(value),
  private: (value) => (r) => r.Shared !== isTrue(value),
  // `system prune` hands its filters to every kind of object; records of the cache have no labels.
  label: () => () => false,
  "label!": () => () => true,
});

/** Returns the test that a record has to pass: one value of every filter. Throws Fault `filter.invalid`. */
export function cacheMatcher(filters: Filters): Test {
  const tests = Object.entries(filters).map(([name, values]): Test => {
    const make = Object.hasOwn(FILTERS, name) ? FILTERS[name] : undefined;
    if (make === undefined) throw invalid(`invalid filter '${name}'`);
    if ((name === "until" || name === "unused-for") && values.length > 1)
      throw invalid(`more than one ${name} filter specified`);
    const any = values.map(make);
    return (record) => any.some((test) => test(record));
  });
  return (record) => tests.every((test) => test(record));
}
