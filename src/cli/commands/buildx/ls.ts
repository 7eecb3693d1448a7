// `buildx ls`: there is one builder, the daemon's own.

import { defineCommand, noArgs } from "../../command.ts";
import { print } from "../../output.ts";

export const command = defineCommand({
  operands: "",
  arity: noArgs,
  flags: {},
  async run(session) {
    const { host } = await session.client();
    print(
      `NAME/NODE    DRIVER/ENDPOINT   STATUS\ndefault*     docker\n \\_ default   \\_ ${host}   running\n`,
    );
  },
});
