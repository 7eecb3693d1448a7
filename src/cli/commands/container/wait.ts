import { containerWait } from "../../../api/operations/container.ts";
import { atLeast, defineCommand } from "../../command.ts";
import { runEach } from "../../each.ts";
import { print } from "../../output.ts";

export const command = defineCommand({
  operands: "CONTAINER [CONTAINER...]",
  arity: atLeast(1),
  flags: {},
  async run(session, { args }) {
    const client = await session.client();
    const wait = async (id: string): Promise<void> => {
      const { StatusCode } = await client.call(containerWait, { id });
      print(`${StatusCode}\n`);
    };
    await runEach(args, wait, { isSilent: true });
  },
});
