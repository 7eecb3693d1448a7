// Binds the plugin operations to the engine's plugin port.

import * as operations from "../../api/operations/plugin.ts";
import type { PluginPort } from "../ports.ts";
import { answer, progress, receive, type Route } from "../route.ts";

/** Clients go on with this name. */
const named = (name: string): Record<string, string> => ({ "Docker-Plugin-Name": name });

export function pluginRoutes(port: PluginPort): Route[] {
  return [
    answer(operations.pluginList, port.list?.bind(port)),
    answer(operations.getPluginPrivileges, port.privileges?.bind(port)),
    progress(operations.pluginPull, port.pull?.bind(port), {
      headers: (input) => named(port.pulledName?.(input) ?? ""),
    }),
    receive(operations.pluginCreate, port.create?.bind(port)),
    answer(operations.pluginInspect, port.inspect?.bind(port)),
    answer(operations.pluginDelete, port.delete?.bind(port)),
    answer(operations.pluginEnable, port.enable?.bind(port)),
    answer(operations.pluginDisable, port.disable?.bind(port)),
    progress(operations.pluginUpgrade, port.upgrade?.bind(port), { headers: ({ name }) => named(name) }),
    progress(operations.pluginPush, port.push?.bind(port)),
    answer(operations.pluginSet, port.set?.bind(port)),
  ];
}
