import { completionScript, SHELLS } from "../complete/scripts.ts";
import { defineCommand, exactly } from "../command.ts";
import { exitWith } from "../failure.ts";
import { print } from "../output.ts";

/** Prints the script that completes this program's command lines in a shell. */
export const command = defineCommand({
  operands: "bash|zsh|fish",
  description: `Print the completion script of a shell

  bash:  source <(berth completion bash)
  zsh:   source <(berth completion zsh)
  fish:  berth completion fish | source`,
  arity: exactly(1),
  flags: {},
  async run(session, { args }) {
    const shell = SHELLS.find((name) => name === args[0]);
    if (shell === undefined)
      throw exitWith(1, `there is no completion for ${args[0]}: one of ${SHELLS.join(", ")}`);
    print(completionScript(shell, session.program));
  },
});
