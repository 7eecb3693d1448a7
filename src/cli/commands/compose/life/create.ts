import { anyArgs } from "../../../command.ts";
import { creationFlags, creationOptions, selectedProject, withScales } from "../creation.ts";
import { defineComposeCommand } from "../define.ts";

export const command = defineComposeCommand({
  operands: "[OPTIONS] [SERVICE...]",
  arity: anyArgs,
  flags: creationFlags,
  async run(compose, { flags, args }) {
    const options = creationOptions(flags, args, undefined);
    const project = withScales(await selectedProject(compose, args, "dependencies"), flags.scale);
    const { createProject } = await import("../../../../compose/execute/create.ts");
    const work = await compose.work();
    await compose.during(work, "create", () => createProject(work, project, options));
  },
});
