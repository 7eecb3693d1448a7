// Shapes of the plugin operations; what a plugin is made of stands with the protocol.

import { plugin, pluginPrivilege } from "../../lib/plugin-protocol/config.ts";
import { list, text } from "../../lib/schema/schema.ts";

export { plugin };

export const pluginList = list(plugin);
export const pluginPrivileges = list(pluginPrivilege);
export const settings = list(text);
