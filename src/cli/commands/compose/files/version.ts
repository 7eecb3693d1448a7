import { bool, string } from "../../../../lib/flags/spec.ts";
import { anyArgs } from "../../../command.ts";
import { print } from "../../../output.ts";
import { defineComposeCommand } from "../define.ts";
import { COMPOSE_VERSION } from "../plugin.ts";

export const command = defineComposeCommand({
  operands: "[OPTIONS]",
  arity: anyArgs,
  flags: {
    format: string("Format the output. Values: [pretty | json]. (Default: pretty)", { short: "f" }),
    short: bool("Shows only Compose's version number"),
  },
  async run(_, { flags }) {
    if (flags.short) print(`${COMPOSE_VERSION}\n`);
    else if (flags.format === "json") print(`${JSON.stringify({ version: `v${COMPOSE_VERSION}` })}\n`);
    else print(`Docker Compose version v${COMPOSE_VERSION}\n`);
  },
});
