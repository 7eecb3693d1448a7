// Which networks NetworkList shows and NetworkPrune removes. Pure; texts are Docker's (daemon/network/filter.go).
import type { Filters } from "../../api/contract.ts";
import { Fault } from "../../lib/errors.ts";
import { hasLabel } from "../labels.ts";
import { isPredefined, type NetworkRecord } from "./record.ts";

const invalid = (message: string): Fault =>
  new Fault("invalidParameter", message, { code: "filter.invalid" });

const KNOWN = ["dangling", "driver", "id", "label", "name", "scope", "type"];

/** Returns the networks that fit. `isUsed` tells whether a container is in one. Fails with invalidParameter. */
export function selectNetworks(
  records: Iterable<NetworkRecord>,
  filters: Filters,
  isUsed: (record: NetworkRecord) => boolean,
): NetworkRecord[] {
  for (const key of Object.keys(filters)) if (!KNOWN.includes(key)) throw invalid(`invalid filter '${key}'`);
  const any = (key: string, test: (value: string) => boolean): boolean =>
    (filters[key]?.length ?? 0) === 0 || (filters[key] ?? []).some(test);
  const wantsUnused = danglingOf(filters["dangling"] ?? []);
  for (const type of filters["type"] ?? [])
    if (type !== "builtin" && type !== "custom") throw invalid(`invalid filter: 'type'='${type}'`);
  return [...records].filter(
    (r) =>
      any("name", (v) => matches(v, r.name)) &&
      any("id", (v) => matches(v, r.id)) &&
      any("driver", (v) => r.driver === v) &&
      any("scope", (v) => v === "local") &&
      any("type", (v) => (v === "builtin") === isPredefined(r.name)) &&
      (filters["label"] ?? []).every((v) => hasLabel(r.labels, v)) &&
      (wantsUnused === undefined || wantsUnused === (!isPredefined(r.name) && !isUsed(r))),
  );
}

function danglingOf(values: readonly string[]): boolean | undefined {
  if (values.length === 0) return undefined;
  if (values.length > 1) throw invalid('got more than one value for filter key "dangling"');
  if (values[0] === "true" || values[0] === "1") return true;
  if (values[0] === "false" || values[0] === "0") return false;
  throw invalid('invalid value for filter \'dangling\', must be "true" (or "1"), or "false" (or "0")');
}

/** compat: a filter's value is a regular expression or a part of the text. */
function matches(pattern: string, text: string): boolean {
  if (text.includes(pattern)) return true;
  if (pattern.length > 256) return false;
  try {
    return new RegExp(pattern).test(text);
  } catch {
    return false; // ignored: not a regular expression
  }
}
