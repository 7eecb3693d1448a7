import { bool, int } from "../../../../lib/flags/spec.ts";
import { anyArgs } from "../../../command.ts";
import { defineComposeCommand } from "../define.ts";

export const command = defineComposeCommand({
  operands: "[SERVICE...]",
  arity: anyArgs,
  flags: {
    wait: bool("Wait for services to be running|healthy. Implies detached mode."),
    "wait-timeout": int("Maximum duration in seconds to wait for the project to be running|healthy"),
  },
  async run(compose, { flags, args }) {
    const { withSelected } = await import("../../../../compose/model/select.ts");
    const { startProject } = await import("../../../../compose/execute/start.ts");
    const { project, containers } = await compose.target(args);
    const work = await compose.work();
    await compose.during(work, "start", () =>
      startProject(work, withSelected(project, args, "dependencies"), {
        containers,
        waits: flags.wait,
        waitSeconds: flags["wait-timeout"],
      }),
    );
  },
});
