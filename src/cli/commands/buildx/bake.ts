// `buildx bake` is not there: compose files are built by Compose.

import { anyArgs, defineCommand } from "../../command.ts";
import { complain } from "../../failure.ts";

export const command = defineCommand({
  operands: "[TARGET...]",
  arity: anyArgs,
  flags: {},
  interspersed: false,
  async run() {
    throw complain(
      "bake is not supported: build the services of a compose file with compose, others one by one",
    );
  },
});
