import { bool, list, string } from "../../../../lib/flags/spec.ts";
import { anyArgs } from "../../../command.ts";
import { complain } from "../../../each.ts";
import { bytesFlag } from "../../../options/values.ts";
import { selectedProject } from "../creation.ts";
import { defineComposeCommand } from "../define.ts";

export const command = defineComposeCommand({
  operands: "[OPTIONS] [SERVICE...]",
  arity: anyArgs,
  flags: {
    "build-arg": list("Set build-time variables for services", { type: "stringArray" }),
    builder: string("Set builder to use", { hidden: true }),
    compress: bool("Compress the build context using gzip. DEPRECATED", { hidden: true }),
    "force-rm": bool("Always remove intermediate containers. DEPRECATED", { hidden: true }),
    memory: bytesFlag("Set memory limit for the build container", { short: "m" }),
    "no-cache": bool("Do not use cache when building the image"),
    "no-rm": bool("Do not remove intermediate containers. DEPRECATED", { hidden: true }),
    parallel: bool("Build images in parallel. DEPRECATED", { hidden: true, initial: true }),
    pull: bool("Always attempt to pull a newer version of the image"),
    push: bool("Push service images"),
    quiet: bool("Suppress the build output", { short: "q" }),
    ssh: string("Set SSH authentications used when building service images", { hidden: true }),
    "with-dependencies": bool("Also build dependencies (transitively)"),
  },
  async run(compose, { flags, args }) {
    if (flags.builder !== "") throw complain("--builder is not supported: the daemon builds");
    if (flags.ssh !== "")
      throw complain("--ssh is not supported: ssh keys for builds need BuildKit's session");
    const project = await selectedProject(
      compose,
      args,
      flags["with-dependencies"] ? "dependencies" : "none",
    );
    const built = Object.values(project.services).filter(({ build }) => build !== undefined);
    if (built.length === 0) {
      compose.warn("No services to build");
      return;
    }
    const { buildServices } = await import("../../../../compose/execute/build.ts");
    const { pushImage } = await import("../../../../compose/execute/images.ts");
    const { imageOf } = await import("../../../../compose/model/project.ts");
    const work = await compose.work();
    await compose.during(work, "build", async () => {
      await buildServices(work, project, built, {
        isQuiet: flags.quiet,
        noCache: flags["no-cache"],
        pull: flags.pull,
        memory: flags.memory,
        buildArgs: flags["build-arg"],
      });
      if (flags.push)
        for (const service of built)
          if (service.image !== undefined) await pushImage(work, imageOf(project, service), flags.quiet);
    });
  },
});
