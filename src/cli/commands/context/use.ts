import { defineCommand, exactly } from "../../command.ts";
import { updateConfigFile } from "../../config/config-file.ts";
import { environmentHost } from "../../config/endpoint.ts";
import { checkContextName } from "../../contexts/meta.ts";
import { DEFAULT_CONTEXT, loadContext } from "../../contexts/read.ts";
import { print, printError } from "../../output.ts";

export const command = defineCommand({
  operands: "CONTEXT",
  arity: exactly(1),
  flags: {},
  async run(session, { args }) {
    const [name = ""] = args;
    const dir = session.globals.config;
    if (name !== DEFAULT_CONTEXT) {
      checkContextName(name);
      loadContext(dir, name);
    }
    const chosen = name === DEFAULT_CONTEXT ? "" : name;
    // What is so already is not written: there may be no file, and no right to make one.
    if (((await session.config()).currentContext ?? "") !== chosen) {
      await updateConfigFile(dir, ({ currentContext: _, ...rest }) =>
        chosen === "" ? rest : { ...rest, currentContext: chosen },
      );
    }
    print(`${name}\n`);
    printError(`Current context is now ${JSON.stringify(name)}\n`);
    if (name !== DEFAULT_CONTEXT && environmentHost() !== undefined) {
      const variable = process.env["BERTH_HOST"] ? "BERTH_HOST" : "DOCKER_HOST";
      printError(
        `Warning: ${variable} environment variable overrides the active context. To use ${JSON.stringify(name)}, either set the global --context flag, or unset ${variable} environment variable.\n`,
      );
    }
  },
});
