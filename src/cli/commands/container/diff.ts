import { containerChanges } from "../../../api/operations/container.ts";
import { string } from "../../../lib/flags/spec.ts";
import { defineCommand, exactly } from "../../command.ts";
import { type Formatter, printList } from "../../format/list.ts";

interface Change {
  readonly Kind: number;
  readonly Path: string;
}

const columns: Formatter<Change> = {
  type: "*container.diffContext",
  headers: { Type: "CHANGE TYPE", Path: "PATH" },
  fields: {
    Path: (change) => change.Path,
    Type: (change) => ["C", "A", "D"][change.Kind] ?? "",
  },
};

export const command = defineCommand({
  operands: "CONTAINER",
  arity: exactly(1),
  flags: { format: string("Format output using the given Go template", { hidden: true }) },
  async run(session, { args, flags }) {
    const client = await session.client();
    const changes = await client.call(containerChanges, { id: args[0] ?? "" });
    await printList(columns, changes ?? [], {
      format: flags.format || "{{.Type}} {{.Path}}",
      isTruncated: false,
    });
  },
});
