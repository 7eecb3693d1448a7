// Shapes of the plugin operations.

import { list, struct, text } from "../../lib/schema/schema.ts";

export const pluginList = list(struct("plugin.Plugin", { Id: text, Name: text }));
