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
    const { reported } = await import("../../../../compose/progress/progress.ts");
    const { containers } = await compose.target([service]);
    const { id, name } = containerOf(containers, service, flags.index);
    const work = await compose.work();
    const exports = async (): Promise<void> => {
      if (compose.isDryRun) return;
      await exportContainer.run(compose.session, {
        flags: { output: flags.output },
        given: new Set(),
        args: [id],
        path,
      });
    };
    await compose.during(work, "export", () => reported(work.progress, name, "Exporting", exports));
  },
});
