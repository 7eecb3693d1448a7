// Which volumes VolumeList and VolumePrune are about.
import type { Filters } from "../../api/contract.ts";
import { Fault } from "../../lib/errors.ts";
import { goBool } from "../../lib/units/go-scalar.ts";
import { hasLabel } from "../labels.ts";
import { flagFilter } from "../prune-filter.ts";
import { ANONYMOUS_LABEL } from "./record.ts";

/** What the filters look at. */
export interface Filterable {
  readonly name: string;
  readonly driver: string;
  readonly labels: Readonly<Record<string, string>> | null;
}

type Test = (volume: Filterable) => boolean;

/** Returns the test of VolumeList; `isUsed` tells whether a container has the volume. Fails with invalidParameter. */
export function listMatcher(filters: Filters, isUsed: (name: string) => boolean): Test {
  checkKeys(filters, ["dangling", "driver", "label", "name"]);
  const { driver = [], name = [], label = [] } = filters;
  const dangling = flagFilter(filters, "dangling", undefined);
  return (v) =>
    (driver.length === 0 || driver.includes(v.driver)) &&
    (name.length === 0 || name.some((pattern) => matches(pattern, v.name))) &&
    label.every((l) => hasLabel(v.labels, l)) &&
    (dangling === undefined || isUsed(v.name) !== dangling);
}

/** Returns the test of VolumePrune: anonymous volumes alone, unless `all` says otherwise. Fails with invalidParameter. */
export function pruneVolumeMatcher(filters: Filters): Test {
  checkKeys(filters, ["all", "label", "label!"]);
  const { label = [], "label!": without = [] } = filters;
  const isAll = allOf(filters["all"] ?? []);
  return (v) =>
    (isAll || hasLabel(v.labels, ANONYMOUS_LABEL)) &&
    label.every((l) => hasLabel(v.labels, l)) &&
    !without.some((l) => hasLabel(v.labels, l));
}

/** compat: unlike other yes-or-no filters it is read as Go reads booleans. */
function allOf(values: readonly string[]): boolean {
  const [text, ...others] = values;
  if (text === undefined) return false;
  if (others.length > 0)
    throw invalid(`invalid filter 'all=[${values.join(" ")}]': only one value is expected`);
  const isAll = goBool(text);
  if (isAll !== null) return isAll;
  throw invalid(`invalid filter 'all': strconv.ParseBool: parsing ${JSON.stringify(text)}: invalid syntax`);
}

function checkKeys(filters: Filters, known: readonly string[]): void {
  for (const key of Object.keys(filters)) if (!known.includes(key)) throw invalid(`invalid filter '${key}'`);
}

/** compat: a name filter is a regular expression, or a part of the name. */
function matches(pattern: string, name: string): boolean {
  if (name.includes(pattern)) return true;
  if (pattern.length > 256) return false;
  try {
    return new RegExp(pattern).test(name);
  } catch {
    return false; // ignored: not a regular expression, and no part of the name
  }
}

function invalid(message: string): Fault {
  return new Fault("invalidParameter", message, { code: "filter.invalid" });
}
