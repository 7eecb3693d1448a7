import { containerPause } from "../../../api/operations/container.ts";
import { atLeast, defineCommand } from "../../command.ts";
import { runEach } from "../../each.ts";

export const command = defineCommand({
  operands: "CONTAINER [CONTAINER...]",
  arity: atLeast(1),
  flags: {},
  async run(session, { args }) {
    const client = await session.client();
    await runEach(args, (id) => client.call(containerPause, { id }), { isParallel: true });
  },
});
