// What an engine without managed plugins answers: an empty list, and that a plugin is not there.

import { PLUGIN_OPERATIONS, pluginList } from "../../api/operations/plugin.ts";
import { Fault } from "../../lib/errors.ts";
import type { Route } from "../route.ts";

const refusal = (operation: string, input: unknown): Fault =>
  typeof input === "object" && input !== null && "name" in input
    ? new Fault("notFound", `plugin ${JSON.stringify(input.name)} not found`, { code: "plugin.not-found" })
    : new Fault("notImplemented", `${operation} is not supported by this version`, {
        code: "plugin.unsupported",
      });

export function pluginRoutes(): Route[] {
  return [
    { operation: pluginList, handle: async (_input, exchange) => exchange.json(200, []) },
    ...PLUGIN_OPERATIONS.map((operation) => ({
      operation,
      handle: (input: unknown) => Promise.reject(refusal(operation.name, input)),
    })),
  ];
}
