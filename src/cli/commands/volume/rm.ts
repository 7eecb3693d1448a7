import { volumeDelete } from "../../../api/operations/volume.ts";
import { bool } from "../../../lib/flags/spec.ts";
import { atLeast, defineCommand } from "../../command.ts";
import { runEach } from "../../each.ts";

export const command = defineCommand({
  operands: "[OPTIONS] VOLUME [VOLUME...]",
  description: "Remove one or more volumes. A volume that a container uses cannot be removed.",
  arity: atLeast(1),
  flags: { force: bool("Force the removal of one or more volumes", { short: "f", since: "1.25" }) },
  async run(session, { args, flags }) {
    const client = await session.client();
    await runEach(args, (name) => client.call(volumeDelete, { name, force: flags.force }));
  },
});
