// The operations on managed plugins, of which this version has none: lists are empty, and no name is known. Parameters and bodies
// are declared where there is something to do with them. (Volume drivers that run by themselves are no managed plugins.)

import { empty, json, type Method, operation, type OperationSpec } from "../contract.ts";

export const pluginList = operation({
  name: "PluginList",
  method: "GET",
  path: "/plugins",
  query: { filters: "filters" },
  success: json(async () => (await import("../schemas/plugin.ts")).pluginList),
});

const declared: readonly [name: string, method: Method, path: string][] = [
  ["GetPluginPrivileges", "GET", "/plugins/privileges"],
  ["PluginPull", "POST", "/plugins/pull"],
  ["PluginCreate", "POST", "/plugins/create"],
  ["PluginInspect", "GET", "/plugins/{name}/json"],
  ["PluginDelete", "DELETE", "/plugins/{name}"],
  ["PluginEnable", "POST", "/plugins/{name}/enable"],
  ["PluginDisable", "POST", "/plugins/{name}/disable"],
  ["PluginUpgrade", "POST", "/plugins/{name}/upgrade"],
  ["PluginPush", "POST", "/plugins/{name}/push"],
  ["PluginSet", "POST", "/plugins/{name}/set"],
];

/** All but the list, in the order of the API reference. */
export const PLUGIN_OPERATIONS: readonly OperationSpec[] = declared.map(([name, method, path]) =>
  operation({ name, method, path, success: empty(200), errors: [404] }),
);

/** Returns one of them by its name. */
export function pluginOperation(name: string): OperationSpec {
  const found = PLUGIN_OPERATIONS.find((o) => o.name === name);
  if (found === undefined) throw new TypeError(`no operation ${name}`);
  return found;
}
