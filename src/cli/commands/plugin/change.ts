// Verbs that change managed plugins. Berth has none, so that no name is found; an engine that has them needs Docker's own client.

import { pluginOperation } from "../../../api/operations/plugin.ts";
import { anyArgs, type Command, defineCommand } from "../../command.ts";
import { exitWith } from "../../failure.ts";

/** Returns the command for a verb; its own flags are not looked at. */
export function changePlugin(verb: string): Command {
  return defineCommand({
    operands: "[OPTIONS] PLUGIN [ARG...]",
    arity: anyArgs,
    flags: {},
    isRaw: true,
    async run(session, { args, path }) {
      const refusal = exitWith(1, `${path}: managed plugins are not supported`);
      const name = args.find((arg) => !arg.startsWith("-"));
      if (name === undefined || ["create", "install"].includes(verb)) throw refusal;
      await (await session.client()).call(pluginOperation("PluginInspect"), { name });
      throw refusal;
    },
  });
}
