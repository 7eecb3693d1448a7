import { atLeast, defineCommand } from "../../command.ts";
import { describeFailure, exitWith } from "../../failure.ts";
import { print } from "../../output.ts";
import { checkPull, createContainer } from "./_create.ts";
import { createFlags } from "./_create-flags.ts";
import { buildCreateRequest, type CreateRequest } from "./_create-request.ts";

export const command = defineCommand({
  operands: "[OPTIONS] IMAGE [COMMAND] [ARG...]",
  arity: atLeast(1),
  flags: createFlags,
  interspersed: false,
  async run(session, { flags, given, args, path }) {
    const [image = "", ...rest] = args;
    let request: CreateRequest;
    try {
      checkPull(flags.pull);
      request = buildCreateRequest({ flags, given, image, args: rest });
    } catch (error) {
      const { program } = session;
      throw exitWith(
        125,
        `${program}: ${describeFailure(error)}\n\nRun '${path} --help' for more information`,
      );
    }
    print(`${(await createContainer(session, flags, request)).id}\n`);
  },
});
