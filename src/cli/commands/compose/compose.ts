// `compose`: reads the options in front, finds the command and runs it. The commands are in files/, life/ and look/.

import { anyArgs, type Command, defineCommand } from "../../command.ts";
import { exitWith } from "../../failure.ts";
import { print } from "../../output.ts";
import { runVerb, showVerbHelp } from "../../run-verb.ts";
import { composeFlags } from "./flags.ts";
import { COMPOSE_VERSION } from "./plugin.ts";
import { ComposeSession } from "./session.ts";
import { composeVerbs } from "./table.ts";

const listed = composeVerbs
  .filter(({ hidden }) => hidden !== true)
  .map(({ name, summary }) => `  ${name.padEnd(12)}${summary}`)
  .join("\n");

export const command: Command<typeof composeFlags> = defineCommand({
  operands: "[OPTIONS] COMMAND",
  description: `Define and run multi-container applications\n\nCommands:\n${listed}`,
  arity: anyArgs,
  flags: composeFlags,
  interspersed: false,
  async run(session, { flags, given, args, path }) {
    if (flags.version) {
      print(`Docker Compose version v${COMPOSE_VERSION}\n`);
      return 0;
    }
    const [name, ...rest] = args;
    if (name === undefined || name === "help") return showHelp(path, rest[0]);
    const entry = composeVerbs.find((verb) => verb.name === name || verb.aliases?.includes(name) === true);
    if (entry === undefined) {
      const { nearestWord } = await import("../../../compose/tree/suggest.ts");
      const near = nearestWord(
        name,
        composeVerbs.map((verb) => verb.name),
      );
      const hint = near === undefined ? "" : `\n\nDid you mean this?\n\t${near}`;
      throw exitWith(1, `unknown docker command: ${JSON.stringify(`compose ${name}`)}${hint}`);
    }
    const compose = new ComposeSession(session, flags, given);
    await compose.takeOptionVariables();
    return runVerb(compose, entry, `${path} ${entry.name}`, rest);
  },
});

async function showHelp(path: string, topic: string | undefined): Promise<number> {
  const entry = composeVerbs.find(({ name }) => name === topic);
  if (entry !== undefined) await showVerbHelp(`${path} ${entry.name}`, entry, false);
  else {
    const { helpWidth, verbHelp } = await import("../../help.ts");
    const own = { noun: "", name: "compose", summary: "", load: async () => ({ command }) };
    print(verbHelp(path, own, command, await helpWidth()));
  }
  return 0;
}
