import { bool, string } from "../../../../lib/flags/spec.ts";
import { anyArgs } from "../../../command.ts";
import { complain } from "../../../failure.ts";
import { selectedProject } from "../creation.ts";
import { defineComposeCommand } from "../define.ts";

export const command = defineComposeCommand({
  operands: "[OPTIONS] [SERVICE...]",
  arity: anyArgs,
  flags: {
    "ignore-buildable": bool("Ignore images that can be built"),
    "ignore-pull-failures": bool("Pull what it can and ignores images with pull failures"),
    "include-deps": bool("Also pull services declared as dependencies"),
    "no-parallel": bool("DEPRECATED disable parallel pulling", { hidden: true }),
    parallel: bool("DEPRECATED pull multiple images in parallel", { hidden: true, initial: true }),
    policy: string('Apply pull policy ("missing"|"always")'),
    quiet: bool("Pull without printing progress information", { short: "q" }),
  },
  async run(compose, { flags, args }) {
    if (!["", "missing", "always"].includes(flags.policy))
      throw complain(`invalid --policy option ${JSON.stringify(flags.policy)}`);
    const project = await selectedProject(compose, args, flags["include-deps"] ? "dependencies" : "none");
    const { pullImage } = await import("../../../../compose/execute/images.ts");
    const { withHookImages } = await import("../../../../compose/model/project.ts");
    const { allDone } = await import("../../../../compose/execute/work.ts");
    const { imageInspect } = await import("../../../../api/operations/image.ts");
    const { orNothing } = await import("../../../../compose/observe/observe.ts");
    const work = await compose.work();
    const pulled = new Map<string, string | undefined>();
    const skip = (id: string, reason: string): void =>
      work.progress.on({ id, text: "Skipped", details: reason, status: "done" });
    await compose.during(work, "pull", async () => {
      for (const service of withHookImages(project, Object.values(project.services))) {
        const { image, build, name, platform, pull_policy: policy } = service;
        if (image === undefined) skip(name, "No image to be pulled");
        else if (build !== undefined && flags["ignore-buildable"])
          skip(`Image ${image}`, "Image can be built");
        else if (policy === "never" || policy === "build") skip(`Image ${image}`, "No image to be pulled");
        else if (pulled.has(image)) continue;
        else if (
          (flags.policy === "missing" || (flags.policy === "" && policy === "missing")) &&
          (await orNothing(work.client.call(imageInspect, { name: image }))) !== undefined
        )
          skip(`Image ${image}`, "Image is already present locally");
        else pulled.set(image, platform);
      }
      const pulls = [...pulled].map(([image, platform]) =>
        pullImage(work, image, { platform, isQuiet: flags.quiet }),
      );
      const ends = await Promise.allSettled(pulls);
      const failed = [...pulled.keys()].filter((_, i) => ends[i]?.status === "rejected");
      const toBuild = Object.values(project.services).filter(
        ({ image = "", build }) => build !== undefined && failed.includes(image),
      );
      if (toBuild.length > 0)
        compose.warn(
          `WARNING: Some service image(s) must be built from source by running:\n    docker compose build ${toBuild.map(({ name }) => name).join(" ")}`,
        );
      if (!flags["ignore-pull-failures"]) await allDone(pulls);
    });
  },
});
