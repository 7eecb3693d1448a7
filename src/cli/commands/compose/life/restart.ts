import { bool } from "../../../../lib/flags/spec.ts";
import { anyArgs } from "../../../command.ts";
import { complain } from "../../../failure.ts";
import { timeoutFlag } from "../creation.ts";
import { defineComposeCommand } from "../define.ts";

export const command = defineComposeCommand({
  operands: "[OPTIONS] [SERVICE...]",
  arity: anyArgs,
  flags: {
    "no-deps": bool("Don't restart dependent services"),
    timeout: timeoutFlag("Specify a shutdown timeout in seconds"),
  },
  async run(compose, { flags, given, args }) {
    const { withRestarting, withSelected } = await import("../../../../compose/model/select.ts");
    const { restartProject } = await import("../../../../compose/execute/act.ts");
    const { project, containers } = await compose.target(args);
    if (containers.length === 0)
      throw complain(`no container found for project ${JSON.stringify(project.name)}`);
    const work = await compose.work();
    const isAlone = args.length === 0 || flags["no-deps"];
    const selected = isAlone ? withSelected(project, args, "none") : withRestarting(project, args);
    const timeoutSeconds = given.has("timeout") ? flags.timeout : undefined;
    await compose.during(work, "restart", () => restartProject(work, selected, containers, timeoutSeconds));
  },
});
