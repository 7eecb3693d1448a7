import { bool } from "../../../../lib/flags/spec.ts";
import { anyArgs } from "../../../command.ts";
import { selectedProject } from "../creation.ts";
import { defineComposeCommand } from "../define.ts";

export const command = defineComposeCommand({
  operands: "[OPTIONS] [SERVICE...]",
  arity: anyArgs,
  flags: {
    "ignore-push-failures": bool("Push what it can and ignores images with push failures"),
    "include-deps": bool("Also push images of services declared as dependencies"),
    quiet: bool("Push without printing progress information", { short: "q" }),
  },
  async run(compose, { flags, args }) {
    const project = await selectedProject(compose, args, flags["include-deps"] ? "dependencies" : "none");
    const { pushImages } = await import("../../../../compose/execute/push.ts");
    const work = await compose.work();
    const options = { isQuiet: flags.quiet, ignoresFailures: flags["ignore-push-failures"] };
    await compose.during(work, "push", () => pushImages(work, project, options));
  },
});
