import { bool } from "../../../../lib/flags/spec.ts";
import { anyArgs } from "../../../command.ts";
import { complain } from "../../../each.ts";
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
    const { withSelected } = await import("../../../../compose/model/select.ts");
    const { restartProject } = await import("../../../../compose/execute/act.ts");
    const { project, containers } = await compose.target(args);
    if (containers.length === 0)
      throw complain(`no container found for project ${JSON.stringify(project.name)}`);
    const work = await compose.work();
    let selected = withSelected(project, args, "none");
    if (args.length > 0 && !flags["no-deps"]) {
      // Those that asked to be restarted together with what they depend on.
      const along = Object.values(project.services)
        .filter(({ depends_on: needs = {} }) => args.some((name) => needs[name]?.restart === true))
        .map(({ name }) => name);
      selected = withSelected(project, [...args, ...along], "none");
    }
    const timeoutSeconds = given.has("timeout") ? flags.timeout : undefined;
    await compose.during(work, "restart", () => restartProject(work, selected, containers, timeoutSeconds));
  },
});
