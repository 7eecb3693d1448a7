// The columns of a managed plugin in lists.

import { shortId } from "../../lib/id.ts";
import type { Formatter } from "./list.ts";

/** A plugin as any engine sends it. */
export interface AnyPlugin {
  readonly Id?: string;
  readonly Name: string;
  readonly Enabled?: boolean;
  readonly PluginReference?: string;
  readonly Config?: { readonly Description?: string };
}

export const pluginColumns: Formatter<AnyPlugin> = {
  type: "*formatter.pluginContext",
  headers: {
    ID: "ID",
    Name: "NAME",
    Description: "DESCRIPTION",
    Enabled: "ENABLED",
    PluginReference: "PLUGIN REFERENCE",
  },
  notText: ["Enabled"],
  fields: {
    Description: (plugin) => plugin.Config?.Description ?? "",
    Enabled: (plugin) => plugin.Enabled === true,
    ID: (plugin, { isTruncated }) => (isTruncated ? shortId(plugin.Id ?? "") : (plugin.Id ?? "")),
    Name: (plugin) => plugin.Name,
    PluginReference: (plugin) => plugin.PluginReference ?? "",
  },
};

/** Returns the template of a `plugin ls` format. */
export function pluginFormat(format: string, isQuiet: boolean): string {
  if (format !== "table") return format;
  return isQuiet ? "{{.ID}}" : "table {{.ID}}\t{{.Name}}\t{{.Description}}\t{{.Enabled}}";
}
