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
    const { pushImage } = await import("../../../../compose/execute/push.ts");
    const { allDone } = await import("../../../../compose/execute/work.ts");
    const work = await compose.work();
    await compose.during(work, "push", async () => {
      const images = new Set<string>();
      for (const { name, image, build } of Object.values(project.services)) {
        // What is not built here came from where it would be pushed to.
        if (build === undefined || image === undefined)
          work.progress.on({ id: name, text: "Skipped", status: "warning" });
        else for (const tag of [image, ...(build.tags ?? [])]) images.add(tag);
      }
      const pushes = [...images].map((image) => pushImage(work, image, flags.quiet));
      if (flags["ignore-push-failures"]) await Promise.allSettled(pushes);
      else await allDone(pushes);
    });
  },
});
