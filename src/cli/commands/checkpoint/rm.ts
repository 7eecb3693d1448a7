import { containerCheckpointDelete } from "../../../api/operations/container.ts";
import { defineCommand, exactly } from "../../command.ts";
import { checkpointClient } from "./_client.ts";
import { checkpointDir } from "./_dir.ts";

export const command = defineCommand({
  operands: "[OPTIONS] CONTAINER CHECKPOINT",
  arity: exactly(2),
  flags: { "checkpoint-dir": checkpointDir },
  async run(session, { args: [id = "", checkpoint = ""], flags, path }) {
    const client = await checkpointClient(session, path);
    await client.call(containerCheckpointDelete, { id, checkpoint, dir: flags["checkpoint-dir"] });
    return 0;
  },
});
