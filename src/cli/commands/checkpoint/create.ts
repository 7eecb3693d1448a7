import { containerCheckpoint } from "../../../api/operations/container.ts";
import { bool } from "../../../lib/flags/spec.ts";
import { defineCommand, exactly } from "../../command.ts";
import { print } from "../../output.ts";
import { checkpointClient } from "./_client.ts";
import { checkpointDir } from "./_dir.ts";

export const command = defineCommand({
  operands: "[OPTIONS] CONTAINER CHECKPOINT",
  arity: exactly(2),
  flags: {
    "checkpoint-dir": checkpointDir,
    "leave-running": bool("Leave the container running after checkpoint"),
  },
  async run(session, { args: [id = "", name = ""], flags, path }) {
    const client = await checkpointClient(session, path);
    const body = {
      CheckpointID: name,
      CheckpointDir: flags["checkpoint-dir"],
      Exit: !flags["leave-running"],
    };
    await client.call(containerCheckpoint, { id, body });
    print(`${name}\n`);
    return 0;
  },
});
