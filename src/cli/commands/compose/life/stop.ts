import { anyArgs } from "../../../command.ts";
import { timeoutFlag } from "../creation.ts";
import { defineComposeCommand } from "../define.ts";

export const command = defineComposeCommand({
  operands: "[OPTIONS] [SERVICE...]",
  arity: anyArgs,
  flags: { timeout: timeoutFlag("Specify a shutdown timeout in seconds") },
  async run(compose, { flags, given, args }) {
    const { withSelected } = await import("../../../../compose/model/select.ts");
    const { stopProject } = await import("../../../../compose/execute/act.ts");
    const { project, containers } = await compose.target(args);
    const work = await compose.work();
    const timeoutSeconds = given.has("timeout") ? flags.timeout : undefined;
    await compose.during(work, "stop", () =>
      stopProject(work, withSelected(project, args, "none"), containers, timeoutSeconds),
    );
  },
});
