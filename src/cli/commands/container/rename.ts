import { containerRename } from "../../../api/operations/container.ts";
import { defineCommand, exactly } from "../../command.ts";
import { complain, describeFailure } from "../../failure.ts";
import { printError } from "../../output.ts";

export const command = defineCommand({
  operands: "CONTAINER NEW_NAME",
  arity: exactly(2),
  flags: {},
  async run(session, { args }) {
    const [id = "", name = ""] = args.map((arg) => arg.trim());
    if (id === "" || name === "") throw complain("Error: Neither old nor new names may be empty");
    const client = await session.client();
    try {
      await client.call(containerRename, { id, name });
    } catch (error) {
      printError(`${describeFailure(error)}\n`);
      throw complain(`Error: failed to rename container named ${id}`);
    }
  },
});
