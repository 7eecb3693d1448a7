// The --filter flag of every list and prune: `key=value`, repeatable, sent to the daemon as it is.

import type { Filters } from "../api/contract.ts";
import { custom, type FlagSpec, type FlagTraits, invalidValue } from "../lib/flags/spec.ts";

/** A repeated `--filter key=value`. */
export function filterFlag(usage: string, traits: FlagTraits = {}): FlagSpec<Filters> {
  return custom<Filters>("filter", usage, {}, (text, previous) => addFilter(previous ?? {}, text), traits);
}

/** Adds one `key=value`. Throws a Fault with Docker's text. */
export function addFilter(filters: Filters, text: string): Filters {
  if (text === "") return filters;
  const equals = text.indexOf("=");
  if (equals < 0) throw invalidValue("bad format of filter (expected name=value)");
  const name = text.slice(0, equals).trim().toLowerCase();
  return { ...filters, [name]: [...(filters[name] ?? []), text.slice(equals + 1).trim()] };
}

/** Adds config.json's pruneFilters to those of the command line, which win over contrary ones. */
export function withPruneFilters(filters: Filters, configured: readonly string[] | undefined): Filters {
  let merged = filters;
  for (const text of configured ?? []) {
    const [name = "", value = ""] = text.split(/=(.*)/s);
    const contrary = name === "label" ? "label!" : name === "label!" ? "label" : undefined;
    // A filter given on the command line overrides its configured opposite.
    if (contrary !== undefined && filters[contrary]?.includes(value) === true) continue;
    if (filters[name]?.includes(value) !== true) merged = addFilter(merged, text);
  }
  return merged;
}
