// `compose config`: shows the project that the files make, or one sort of its names.

import { writeFileSync } from "node:fs";
import type { LoadOptions } from "../../../../compose/load/load.ts";
import type { VariableUse } from "../../../../compose/load/substitute.ts";
import type { Project } from "../../../../compose/model/project.ts";
import { bool, type FlagValues, string } from "../../../../lib/flags/spec.ts";
import { anyArgs } from "../../../command.ts";
import { complain } from "../../../failure.ts";
import { print } from "../../../output.ts";
import { defineComposeCommand } from "../define.ts";
import type { ComposeSession } from "../session.ts";

const flags = {
  environment: bool("Print environment used for interpolation."),
  format: string("Format the output. Values: [yaml | json]"),
  hash: string("Print the service config hash, one per line."),
  images: bool("Print the image names, one per line."),
  "lock-image-digests": bool("Produces an override file with image digests"),
  models: bool("Print the model names, one per line."),
  networks: bool("Print the network names, one per line."),
  "no-consistency": bool("Don't check model consistency - warning: may produce invalid Compose output"),
  "no-env-resolution": bool("Don't resolve service env files"),
  "no-interpolate": bool("Don't interpolate environment variables"),
  "no-normalize": bool("Don't normalize compose model"),
  "no-path-resolution": bool("Don't resolve file paths"),
  output: string("Save to file (default to stdout)", { short: "o" }),
  profiles: bool("Print the profile names, one per line."),
  quiet: bool("Only validate the configuration, don't print anything", { short: "q" }),
  "resolve-image-digests": bool("Pin image tags to digests"),
  services: bool("Print the service names, one per line."),
  variables: bool("Print model variables and default values."),
  volumes: bool("Print the volume names, one per line."),
};
type Flags = FlagValues<typeof flags>;

export const command = defineComposeCommand({
  operands: "[OPTIONS] [SERVICE...]",
  arity: anyArgs,
  flags,
  async run(compose, { flags, args }) {
    if (!["", "yaml", "json"].includes(flags.format))
      throw complain(`unsupported format ${JSON.stringify(flags.format)}`);
    const options: LoadOptions = {
      ...compose.loadOptions(args),
      isInterpolated: !flags["no-interpolate"],
      resolvesPaths: !flags["no-path-resolution"],
      isNormalized: !flags["no-normalize"],
      isChecked: !flags["no-consistency"],
    };
    const text = await shown(compose, options, flags, args);
    if (flags.quiet) return;
    if (flags.output !== "" && text !== "") writeFileSync(flags.output, text);
    else print(text);
  },
});

/** Returns what the flags ask for; flags that exclude each other have the precedence that Docker Compose gives them. */
async function shown(
  compose: ComposeSession,
  options: LoadOptions,
  flags: Flags,
  services: readonly string[],
): Promise<string> {
  const unfiltered = flags.variables ? "--variables" : flags["no-interpolate"] ? "--no-interpolate" : "";
  if (unfiltered !== "" && services.length > 0)
    compose.warn(`service filtering is not applied when ${unfiltered} is set, all services are shown`);
  if (flags.variables) return variables(options, flags.format === "json");
  if (flags.environment) return environment(options);
  if (flags["no-interpolate"] && (flags["resolve-image-digests"] || flags["lock-image-digests"]))
    throw complain("--no-interpolate leaves no images whose digests could be asked for");
  if (flags["no-interpolate"] && !flags.services && flags.hash === "") return uninterpolated(options, flags);
  const { loadProject } = await import("../../../../compose/load/load.ts");
  const { withSelected, withoutUnused } = await import("../../../../compose/model/select.ts");
  const { withEnvironment, withLabels } = await import("../../../../compose/model/resolve.ts");
  let project = withLabels(await loadProject(options));
  const lines = (names: Iterable<string>): string => [...names].map((name) => `${name}\n`).join("");
  if (flags.services) {
    const { inDependencyOrder } = await import("../../../../compose/model/graph.ts");
    return lines(inDependencyOrder(project.services).map(({ name }) => name));
  }
  if (flags.volumes) return lines(Object.keys(project.volumes).sort());
  if (flags.networks) return lines(Object.keys(project.networks).sort());
  if (flags.models) return lines(modelsOf(project));
  if (flags.profiles) return lines(profilesOf(project));
  if (flags.hash !== "") {
    const names = flags.hash === "*" ? [] : flags.hash.split(",");
    return hashes(withSelected(project, names, "none"), !flags["no-env-resolution"]);
  }
  project = withSelected(project, services, "dependencies");
  if (flags.images) return images(project);
  if (!flags["no-env-resolution"]) project = withEnvironment(project);
  if (!flags["no-consistency"]) await refuseDuplicates(project);
  if (!compose.flags["all-resources"]) project = withoutUnused(project);
  if (flags["resolve-image-digests"] || flags["lock-image-digests"]) {
    const { withDigests, withImagesOnly } = await import("../../../../compose/execute/digests.ts");
    project = await withDigests(await compose.work(), project);
    if (flags["lock-image-digests"]) project = withImagesOnly(project);
  }
  return escapeDollars(await render(project, flags));
}

async function render(project: Project, flags: Flags): Promise<string> {
  if (flags.format === "json") {
    const { renderProjectJson } = await import("../../../../compose/model/render-json.ts");
    return renderProjectJson(project);
  }
  const { renderProjectYaml } = await import("../../../../compose/model/render-yaml.ts");
  return renderProjectYaml(project);
}

/** What is printed can be read again: dollars are no variables. */
function escapeDollars(text: string): string {
  return text.replaceAll("$", "$$$$");
}

async function refuseDuplicates(project: Project): Promise<void> {
  const { containerNameClashes } = await import("../../../../compose/model/consistency.ts");
  const { invalidFile } = await import("../../../../compose/tree/problem.ts");
  const problems = containerNameClashes(project);
  if (problems.length > 0) throw invalidFile(problems);
}

async function hashes(project: Project, resolvesEnvironment: boolean): Promise<string> {
  const { withEnvironment } = await import("../../../../compose/model/resolve.ts");
  const { serviceHash } = await import("../../../../compose/model/hash.ts");
  const resolved = resolvesEnvironment ? withEnvironment(project) : project;
  return Object.keys(resolved.services)
    .sort()
    .map((name) => `${name} ${serviceHash(resolved.services[name] as Project["services"][string])}\n`)
    .join("");
}

function modelsOf({ models }: Project): string[] {
  const names = Object.values(models).map((model) => (model as { readonly model?: string }).model ?? "");
  return names.filter((name) => name !== "").sort();
}

function profilesOf(project: Project): string[] {
  const services = [...Object.values(project.services), ...Object.values(project.disabled)];
  return [...new Set(services.flatMap(({ profiles = [] }) => profiles))].sort();
}

async function images(project: Project): Promise<string> {
  const { imageOf, sortedEntries, withHookImages } = await import("../../../../compose/model/project.ts");
  const services = sortedEntries(project.services).map(([, service]) => service);
  return withHookImages(project, services)
    .map((service) => `${imageOf(project, service)}\n`)
    .join("");
}

async function uninterpolated(options: LoadOptions, flags: Flags): Promise<string> {
  const { loadRaw } = await import("../../../../compose/load/load.ts");
  const model = await loadRaw(options);
  if (flags.format === "json") {
    const { renderAnyJson } = await import("../../../../compose/model/render-json.ts");
    return renderAnyJson(model, true);
  }
  const { renderAnyYaml } = await import("../../../../compose/model/render-yaml.ts");
  return renderAnyYaml(model);
}

async function environment(options: LoadOptions): Promise<string> {
  const { locateProject } = await import("../../../../compose/load/project-files.ts");
  const { projectName } = await import("../../../../compose/load/project-name.ts");
  const { parseYaml } = await import("../../../../compose/tree/parse.ts");
  const located = await locateProject(options);
  const documents = located.files.flatMap(({ path, text }) => parseYaml(text, path));
  const name = projectName({
    given: options.name,
    documents,
    directory: located.directory,
    environment: located.environment,
  });
  const variables = new Map(located.environment).set("COMPOSE_PROJECT_NAME", name);
  return [...variables]
    .map(([key, value]) => `${key}=${value}\n`)
    .sort()
    .join("");
}

/** A variable as Docker Compose's JSON has it. */
const described = (use: VariableUse): Record<string, unknown> => ({
  Name: use.name,
  DefaultValue: use.defaultValue,
  PresenceValue: use.alternateValue,
  Required: use.isRequired,
});

async function variables(options: LoadOptions, isJson: boolean): Promise<string> {
  const { locateProject } = await import("../../../../compose/load/project-files.ts");
  const { parseYaml } = await import("../../../../compose/tree/parse.ts");
  const { variablesIn } = await import("../../../../compose/load/interpolate.ts");
  const { layoutTabs } = await import("../../../../lib/term/tabwriter.ts");
  const { files } = await locateProject(options);
  const found = new Map(
    files
      .flatMap(({ path, text }) => parseYaml(text, path))
      .flatMap(variablesIn)
      .map((use) => [use.name, use]),
  );
  if (isJson) {
    const sorted = [...found.keys()].sort().map((name) => [name, described(found.get(name) as VariableUse)]);
    return `${JSON.stringify(Object.fromEntries(sorted), null, 4)}\n`;
  }
  const rows = [...found.values()].map(
    (use) => `${use.name}\t${use.isRequired}\t${use.defaultValue}\t${use.alternateValue}\n`,
  );
  return layoutTabs(`NAME\tREQUIRED\tDEFAULT VALUE\tALTERNATE VALUE\n${rows.sort().join("")}`, {
    minWidth: 20,
    padding: 3,
  });
}
