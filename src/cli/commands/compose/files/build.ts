import { bool, list, string } from "../../../../lib/flags/spec.ts";
import { anyArgs } from "../../../command.ts";
import { complain, exitWith } from "../../../failure.ts";
import { bytesFlag } from "../../../options/values.ts";
import { print } from "../../../output.ts";
import { selectedProject } from "../creation.ts";
import { defineComposeCommand } from "../define.ts";

export const command = defineComposeCommand({
  operands: "[OPTIONS] [SERVICE...]",
  arity: anyArgs,
  flags: {
    "build-arg": list("Set build-time variables for services", { type: "stringArray" }),
    builder: string("Set builder to use: there is one, the daemon's (default)"),
    check: bool("Check build configuration"),
    compress: bool("Compress the build context using gzip. DEPRECATED", { hidden: true }),
    "force-rm": bool("Always remove intermediate containers. DEPRECATED", { hidden: true }),
    memory: bytesFlag("Set memory limit for the build container", { short: "m" }),
    "no-cache": bool("Do not use cache when building the image"),
    "no-rm": bool("Do not remove intermediate containers. DEPRECATED", { hidden: true }),
    parallel: bool("Build images in parallel. DEPRECATED", { hidden: true, initial: true }),
    print: bool("Print equivalent bake file"),
    provenance: string("Add a provenance attestation"),
    pull: bool("Always attempt to pull a newer version of the image"),
    push: bool("Push service images"),
    quiet: bool("Suppress the build output", { short: "q" }),
    sbom: string("Add a SBOM attestation"),
    ssh: string(
      "Set SSH authentications used when building service images. (use 'default' for using your default SSH Agent)",
    ),
    "with-dependencies": bool("Also build dependencies (transitively)"),
  },
  async run(compose, { flags, args, given }) {
    checkBuilder(flags.builder || (process.env["BUILDX_BUILDER"] ?? ""), compose.warn);
    const company = flags["with-dependencies"] ? "dependencies" : "none";
    const project = await selectedProject(compose, args, company);
    const built = Object.values(project.services).filter(({ build }) => build !== undefined);
    if (built.length === 0) {
      compose.warn("No services to build");
      return;
    }
    const { buildServices, checkServices, printServices } = await import(
      "../../../../compose/execute/build/services.ts"
    );
    const options = {
      isQuiet: flags.quiet,
      noCache: flags["no-cache"],
      pull: flags.pull,
      push: flags.push,
      memory: flags.memory,
      buildArgs: flags["build-arg"],
      ssh: agentsOf(given.has("ssh") ? flags.ssh || "default" : ""),
      provenance: flags.provenance,
      sbom: flags.sbom,
      isForAllPlatforms: true,
    };
    const work = await compose.work();
    if (flags.print) {
      // What the services depend on is described as well.
      const { services } = await selectedProject(compose, args, "dependencies");
      const described = Object.values(services);
      print(printServices(work, project, { built, described }, { options, isCheck: flags.check }));
    } else if (flags.check) {
      if (!(await checkServices(work, project, built, { options, print }))) throw exitWith(1);
    } else await compose.during(work, "build", () => buildServices(work, project, built, options));
  },
});

/** compat: a builder is chosen by name where there are several. */
function checkBuilder(name: string, warn: (message: string) => void): void {
  if (name !== "" && name !== "default")
    warn(`builder ${JSON.stringify(name)} is not used: the daemon has one builder, "default"`);
}

/** Reads `default` or `NAME=SOCKET`. */
function agentsOf(text: string): Record<string, string | null> {
  if (text === "") return {};
  const equals = text.indexOf("=");
  if (equals < 0 && text !== "default") throw complain(`invalid ssh key ${JSON.stringify(text)}`);
  return equals < 0 ? { [text]: null } : { [text.slice(0, equals)]: text.slice(equals + 1) };
}
