import { defineCommand, noArgs } from "../../command.ts";
import { resolveContextName } from "../../config/endpoint.ts";
import { print } from "../../output.ts";

export const command = defineCommand({
  operands: "",
  arity: noArgs,
  flags: {},
  async run(session) {
    const { globals } = session;
    print(`${await resolveContextName({ globals, given: new Set(), config: () => session.config() })}\n`);
  },
});
