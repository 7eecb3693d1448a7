import { containerCheckpoints } from "../../../api/operations/container.ts";
import type { Checkpoints } from "../../../api/schemas/container.ts";
import { defineCommand, exactly } from "../../command.ts";
import { type Formatter, printList } from "../../format/list.ts";
import { checkpointClient } from "./_client.ts";
import { checkpointDir } from "./_dir.ts";

const columns: Formatter<Checkpoints[number]> = {
  type: "*checkpoint.checkpointContext",
  headers: { Name: "CHECKPOINT NAME" },
  fields: { Name: (checkpoint) => checkpoint.Name },
};

export const command = defineCommand({
  operands: "[OPTIONS] CONTAINER",
  arity: exactly(1),
  flags: { "checkpoint-dir": checkpointDir },
  async run(session, { args: [id = ""], flags, path }) {
    const client = await checkpointClient(session, path);
    const found = await client.call(containerCheckpoints, { id, dir: flags["checkpoint-dir"] });
    await printList(columns, found, { format: "table {{.Name}}", isTruncated: false });
    return 0;
  },
});
