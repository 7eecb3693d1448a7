import { containerRestart } from "../../../api/operations/container.ts";
import { atLeast, defineCommand } from "../../command.ts";
import { runEach } from "../../each.ts";
import { stopArguments, stopFlags } from "./_stop-flags.ts";

export const command = defineCommand({
  operands: "[OPTIONS] CONTAINER [CONTAINER...]",
  arity: atLeast(1),
  flags: stopFlags,
  async run(session, { flags, given, args }) {
    const options = stopArguments(flags, given);
    const client = await session.client();
    await runEach(args, (id) => client.call(containerRestart, { id, ...options }));
  },
});
