import { defineCommand, exactly } from "../../command.ts";
import { updateConfigFile } from "../../config/config-file.ts";
import { loadContext } from "../../config/contexts.ts";
import { environmentHost } from "../../config/endpoint.ts";
import { print, printError } from "../../output.ts";

export const command = defineCommand({
  operands: "CONTEXT",
  arity: exactly(1),
  flags: {},
  async run(session, { args }) {
    const [name = ""] = args;
    const dir = session.globals.config;
    if (name !== "default") loadContext(dir, name);
    await updateConfigFile(dir, ({ currentContext: _, ...rest }) =>
      name === "default" ? rest : { ...rest, currentContext: name },
    );
    print(`${name}\n`);
    printError(`Current context is now ${JSON.stringify(name)}\n`);
    if (name !== "default" && environmentHost() !== undefined) {
      const variable = process.env["BERTH_HOST"] ? "BERTH_HOST" : "DOCKER_HOST";
      printError(
        `Warning: ${variable} environment variable overrides the active context. To use ${JSON.stringify(name)}, either set the global --context flag, or unset ${variable} environment variable.\n`,
      );
    }
  },
});
