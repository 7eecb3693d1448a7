import { int, string } from "../../../../lib/flags/spec.ts";
import { exactly } from "../../../command.ts";
import { defineComposeCommand } from "../define.ts";

export const command = defineComposeCommand({
  operands: "[OPTIONS] SERVICE",
  arity: exactly(1),
  flags: {
    index: int("index of the container if service has multiple replicas."),
    output: string("Write to a file, instead of STDOUT", { short: "o" }),
  },
  async run(compose, { flags, args, path }) {
    const [service = ""] = args;
    const { containerOf } = await import("../../../../compose/execute/act.ts");
    const { command: exportContainer } = await import("../../container/export.ts");
    const { containers } = await compose.target([service]);
    return exportContainer.run(compose.session, {
      flags: { output: flags.output },
      given: new Set(),
      args: [containerOf(containers, service, flags.index).id],
      path,
    });
  },
});
