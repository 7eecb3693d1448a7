import { volumeClone } from "../../../api/operations/volume.ts";
import { defineCommand, exactly } from "../../command.ts";
import { print } from "../../output.ts";

export const command = defineCommand({
  operands: "VOLUME NEW_VOLUME",
  arity: exactly(2),
  flags: {},
  async run(session, { args }) {
    const [name = "", to = ""] = args;
    const client = await session.client();
    const { Name } = await client.call(volumeClone, { name, to });
    print(`${Name}\n`);
  },
});
