import { existsSync } from "node:fs";
import { bool } from "../../../lib/flags/spec.ts";
import { atLeast, defineCommand } from "../../command.ts";
import { updateConfigFile } from "../../config/config-file.ts";
import { resolveContextName } from "../../config/endpoint.ts";
import { contextPaths, DEFAULT_CONTEXT } from "../../contexts/read.ts";
import { removeContext } from "../../contexts/write.ts";
import { runEach } from "../../each.ts";
import { complain } from "../../failure.ts";

export const command = defineCommand({
  operands: "CONTEXT [CONTEXT...]",
  arity: atLeast(1),
  flags: { force: bool("Force the removal of a context in use", { short: "f" }) },
  async run(session, { args, flags }) {
    const { globals } = session;
    const current = await resolveContextName({ globals, given: new Set(), config: () => session.config() });
    await runEach(args, async (name) => {
      const shown = JSON.stringify(name);
      if (name === DEFAULT_CONTEXT) throw complain(`context ${shown} cannot be removed`);
      if (name === current) {
        if (!flags.force) throw complain(`context ${shown} is in use, set -f flag to force remove`);
        await updateConfigFile(globals.config, ({ currentContext: _, ...rest }) => rest);
      }
      if (!flags.force && !existsSync(contextPaths(globals.config, name).meta))
        throw complain(`context ${shown} does not exist`);
      removeContext(globals.config, name);
    });
  },
});
