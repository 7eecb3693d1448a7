import { volumeClone } from "../../../api/operations/volume.ts";
import { bool, string } from "../../../lib/flags/spec.ts";
import { defineCommand, exactly } from "../../command.ts";
import { print } from "../../output.ts";
import { copied } from "./_copied.ts";

export const command = defineCommand({
  operands: "[OPTIONS] VOLUME NEW_VOLUME",
  arity: exactly(2),
  flags: {
    pause: bool("Pause the containers that use the volume meanwhile"),
    snapshot: string("Copy this snapshot of the volume, instead of the volume as it is"),
  },
  async run(session, { args, flags }) {
    const [name = "", to = ""] = args;
    const client = await session.client();
    const from = flags.snapshot === "" ? {} : { snapshot: flags.snapshot };
    print(`${await copied(await client.stream(volumeClone, { name, to, pause: flags.pause, ...from }))}\n`);
  },
});
