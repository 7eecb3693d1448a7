import { containerKill } from "../../../api/operations/container.ts";
import { string } from "../../../lib/flags/spec.ts";
import { atLeast, defineCommand } from "../../command.ts";
import { runEach } from "../../each.ts";

export const command = defineCommand({
  operands: "[OPTIONS] CONTAINER [CONTAINER...]",
  arity: atLeast(1),
  flags: { signal: string("Signal to send to the container", { short: "s" }) },
  async run(session, { flags, args }) {
    const client = await session.client();
    await runEach(args, (id) => client.call(containerKill, { id, signal: flags.signal }), {
      isParallel: true,
    });
  },
});
