// `compose publish`: puts a project's files into a registry, from where `-f oci://…`, `include` and `extends` take them.

import type { Work } from "../../../../compose/execute/work.ts";
import type { Project } from "../../../../compose/model/project.ts";
import type { OciVersion } from "../../../../compose/publish/artifact.ts";
import type { PublishedFile, PublishedFiles } from "../../../../compose/publish/files.ts";
import { bool, type FlagValues, string } from "../../../../lib/flags/spec.ts";
import { parseReference, withDefaultTag } from "../../../../oci/reference.ts";
import type { Arity } from "../../../command.ts";
import { isConfirmed } from "../../../confirm.ts";
import { complain, exitWith } from "../../../failure.ts";
import { defineComposeCommand } from "../define.ts";
import { COMPOSE_VERSION } from "../plugin.ts";
import type { ComposeSession } from "../session.ts";

const flags = {
  app: bool("Published compose application (includes referenced images)"),
  "insecure-registry": bool("Use insecure registry", { hidden: true }),
  "oci-version": string("OCI image/artifact specification version (automatically determined by default)"),
  "resolve-image-digests": bool("Pin image tags to digests"),
  "with-env": bool("Include environment variables in the published OCI artifact"),
  yes: bool('Assume "yes" as answer to all prompts', { short: "y" }),
};
type Flags = FlagValues<typeof flags>;

const oneArg: Arity = { min: 1, max: 1 };
/** compat: the exit code of an interrupted program, which a "no" counts as. */
const CANCELLED = 130;

export const command = defineComposeCommand({
  operands: "[OPTIONS] REPOSITORY[:TAG]",
  arity: oneArg,
  flags,
  async run(compose, { flags, args: [repository = ""] }) {
    const oci = ociVersion(flags["oci-version"]);
    const target = withDefaultTag(parseReference(repository));
    const project = await wholeProject(compose);
    const { publishedFiles } = await import("../../../../compose/publish/files.ts");
    const published = publishedFiles(project);
    if (published.localIncludes.length > 0) throw complain("cannot publish compose file with local includes");
    await refuseOrAsk(project, published, flags);
    const { pushImages } = await import("../../../../compose/execute/push.ts");
    const work = await compose.work();
    await compose.during(work, "publish", async () => {
      await pushImages(work, project, { isQuiet: false, ignoresFailures: true });
      const files = [
        ...published.files,
        ...(flags["with-env"] ? published.envFiles : []),
        ...(flags["resolve-image-digests"] || flags.app ? [await digestsOf(work, project)] : []),
      ];
      work.progress.on({ id: repository, text: "publishing", status: "working" });
      if (!compose.isDryRun) {
        const registries = await compose.registries(flags["insecure-registry"] ? [target.domain] : undefined);
        const images = flags.app ? imagesOf(project) : [];
        const { pushProject } = await import("../../../../compose/publish/push.ts");
        await pushProject(registries, target, { files, images, oci, version: COMPOSE_VERSION });
      }
      work.progress.on({ id: repository, text: "published", status: "done" });
    });
  },
});

function ociVersion(text: string): OciVersion | undefined {
  if (text === "") return undefined;
  if (text !== "1.0" && text !== "1.1") throw complain(`unsupported OCI version: ${text}`);
  return text;
}

/** Loads the project with the services of all profiles. */
async function wholeProject(compose: ComposeSession): Promise<Project> {
  const { loadProject } = await import("../../../../compose/load/load.ts");
  return loadProject({ ...compose.loadOptions(), profiles: ["*"] });
}

async function refuseOrAsk(project: Project, published: PublishedFiles, flags: Flags): Promise<void> {
  const { buildOnly, questions } = await import("../../../../compose/publish/findings.ts");
  const services = buildOnly(project);
  if (services.length > 0)
    throw complain(
      `your Compose stack cannot be published as it only contains a build section for service(s):\n${services.map((name) => `- ${JSON.stringify(name)}\n`).join("")}`,
    );
  if (flags.yes) return;
  for (const question of questions(project, published, { withEnvironment: flags["with-env"] }))
    if (!(await isConfirmed(question))) throw exitWith(CANCELLED);
}

/** The override file that names the images by their digests. */
async function digestsOf(work: Work, project: Project): Promise<PublishedFile> {
  const { withDigests, withImagesOnly } = await import("../../../../compose/execute/digests.ts");
  const { renderProjectYaml } = await import("../../../../compose/model/render-yaml.ts");
  const pinned = withImagesOnly(await withDigests(work, project));
  return { kind: "project", name: "image-digests.yaml", content: Buffer.from(renderProjectYaml(pinned)) };
}

const imagesOf = (project: Project): string[] => [
  ...new Set(Object.values(project.services).flatMap(({ image }) => image ?? [])),
];
