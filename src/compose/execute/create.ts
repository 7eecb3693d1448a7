// Brings what is there of a project to what its files say: images, networks, volumes and containers; nothing is started.

import { containerNameClashes, portClashes } from "../model/consistency.ts";
import { type Project, sortedEntries } from "../model/project.ts";
import { uselessValues } from "../model/values.ts";
import { type Observed, type ObservedContainer, observe, observeContainers } from "../observe/observe.ts";
import { changedVolumes, type Recreation, reconcile } from "../plan/reconcile.ts";
import { positionOf } from "../tree/node.ts";
import { invalidFile, type Problem } from "../tree/problem.ts";
import { execute } from "./executor.ts";
import { ensureImages, type ImageOptions } from "./images.ts";
import type { Work } from "./work.ts";

export interface CreateProjectOptions {
  readonly images: ImageOptions;
  /** Services that were named; all when none was. */
  readonly targets: readonly string[];
  readonly recreation: Recreation;
  readonly dependencyRecreation: Recreation;
  readonly inherits: boolean;
  readonly removesOrphans: boolean;
  readonly ignoresOrphans: boolean;
  readonly timeoutSeconds: number | undefined;
  /** Running containers are replaced without an interruption where that can be. */
  readonly isRolling?: boolean;
  /** Asks the user; false when nobody can be asked. */
  readonly confirm: (question: string) => Promise<boolean>;
}

/** Creates and replaces what has to be; returns the project's containers as they are then. */
export async function createProject(
  work: Work,
  project: Project,
  options: CreateProjectOptions,
): Promise<readonly ObservedContainer[]> {
  refuseUnsupported(project);
  const images = await ensureImages(work, project, options.images);
  const observed = await observe(work.client, project);
  warnOfForeign(work, project, observed);
  const { plan, kept, orphans, interrupted } = reconcile(project, observed, {
    isRolling: options.isRolling ?? false,
    movesPorts: options.isRolling === true && (await movesPorts(work)),
    targets: options.targets,
    recreation: options.recreation,
    dependencyRecreation: options.dependencyRecreation,
    inherits: options.inherits,
    removesOrphans: options.removesOrphans,
    images: new Map([...images].map(([name, { id }]) => [name, id])),
    renewedVolumes: await volumesToRenew(work, project, observed, options.confirm),
  });
  if (orphans.length > 0 && !options.ignoresOrphans && !options.removesOrphans) {
    work.warn(
      `Found orphan containers ([${orphans.map(({ name }) => name).join(" ")}]) for this project. If you removed or ` +
        "renamed this service in your compose file, you can run this command with the --remove-orphans flag to clean it up.",
    );
  }
  for (const reason of interrupted) work.warn(`${reason}: it is replaced with an interruption`);
  for (const { name, state } of kept)
    if (state === "running") work.progress.on({ id: `Container ${name}`, text: "Running", status: "done" });
  if (plan.isEmpty) return observed.containers;
  await execute(work, project, observed, plan, { images, timeoutSeconds: options.timeoutSeconds });
  return observeContainers(work.client, project.name);
}

/** Berth's daemon can move ports between containers, Docker's cannot. */
async function movesPorts({ client }: Work): Promise<boolean> {
  return ((await client.ping()).get("server") ?? "").startsWith("Berth/");
}

/** What is in the files and nobody here does is refused before anything is touched. */
export function refuseUnsupported(project: Project): void {
  const problem = (path: readonly string[], message: string): Problem => ({
    at: positionOf(project.tree, path),
    path: path.join("."),
    message,
  });
  const problems = [...containerNameClashes(project), ...portClashes(project), ...uselessValues(project)];
  for (const [name, service] of sortedEntries(project.services)) {
    const path = ["services", name];
    if (service.provider !== undefined)
      problems.push(problem([...path, "provider"], "services of providers are not supported"));
    if (service.models !== undefined) problems.push(problem([...path, "models"], "models are not supported"));
    if (service.use_api_socket === true)
      problems.push(
        problem([...path, "use_api_socket"], "is not supported, mount the daemon's socket instead"),
      );
    if (service.credential_spec !== undefined)
      problems.push(problem([...path, "credential_spec"], "is only supported on Windows"));
    for (const [index, { per_replica: isPerReplica }] of (service.pre_start ?? []).entries())
      if (isPerReplica === true)
        problems.push(
          problem(
            [...path, "pre_start", String(index), "per_replica"],
            "is not supported yet, neither here nor by Docker Compose; remove it or set it to false",
          ),
        );
  }
  if (problems.length > 0) throw invalidFile(problems);
}

function warnOfForeign(work: Work, project: Project, observed: Observed): void {
  for (const [key, { external, name }] of sortedEntries(project.networks)) {
    const there = observed.networks.get(key);
    if (external === true || there === undefined || there.project === project.name) continue;
    const whose = there.project === "" ? "by compose" : `for project ${JSON.stringify(project.name)}`;
    work.warn(
      `a network with name ${name} exists but was not created ${whose}.\nSet \`external: true\` to use an existing network`,
    );
  }
  for (const [key, { external, name }] of sortedEntries(project.volumes)) {
    const there = observed.volumes.get(key);
    if (external === true || there === undefined || there.project === project.name) continue;
    const whose =
      there.project === ""
        ? "was not created by Docker Compose"
        : `was created for project ${JSON.stringify(there.project)} (expected ${JSON.stringify(project.name)})`;
    work.warn(
      `volume ${JSON.stringify(name)} already exists but ${whose}. Use \`external: true\` to use an existing volume`,
    );
  }
}

async function volumesToRenew(
  work: Work,
  project: Project,
  observed: Observed,
  confirm: (question: string) => Promise<boolean>,
): Promise<ReadonlySet<string>> {
  const renewed = new Set<string>();
  for (const key of changedVolumes(project, observed)) {
    const name = project.volumes[key]?.name ?? key;
    const question = `Volume ${JSON.stringify(name)} exists but doesn't match configuration in compose file. Recreate (data will be lost)?`;
    if (await confirm(question)) renewed.add(key);
    else work.warn(`volume ${JSON.stringify(name)} keeps the configuration it was made with`);
  }
  return renewed;
}
