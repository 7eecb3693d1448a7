// Which plugins PluginList is about.
import type { Filters } from "../../api/contract.ts";
import { Fault } from "../../lib/errors.ts";
import { pluginTypes } from "../../lib/plugin-protocol/config.ts";
import { flagFilter } from "../prune-filter.ts";
import type { PluginRecord } from "./record.ts";

/** Returns the test; fails with invalidParameter on unknown filters. */
export function pluginMatcher(filters: Filters): (record: PluginRecord) => boolean {
  const unknown = Object.keys(filters).find((key) => !["enabled", "capability"].includes(key));
  if (unknown !== undefined)
    throw new Fault("invalidParameter", `invalid filter '${unknown}'`, { code: "filter.unknown" });
  const isEnabled = flagFilter(filters, "enabled", undefined);
  const capabilities = filters["capability"] ?? [];
  return (record) =>
    (isEnabled === undefined || record.isEnabled === isEnabled) &&
    // compat: every type of the plugin has to be among them, so that one without types fits.
    (capabilities.length === 0 ||
      pluginTypes(record.config).every((t) => capabilities.includes(t.capability)));
}
