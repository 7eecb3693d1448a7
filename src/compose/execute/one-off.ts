// A container of `run`: a service with some things changed, beside the service's own containers. It is made, not started.

import { randomBytes } from "node:crypto";
import { defined, type Project, type Service } from "../model/project.ts";
import { observeContainers } from "../observe/observe.ts";
import { createProject, type CreateProjectOptions } from "./create.ts";
import { createContainer } from "./executor.ts";
import { ensureImages } from "./images.ts";
import { startProject, waitForDependencies } from "./start.ts";
import type { Work } from "./work.ts";
import { reported } from "../progress/progress.ts";

export interface OneOffOptions {
  readonly service: string;
  /** Empty for one of its own. */
  readonly name: string;
  /** Makes the service what it is to be in this container. */
  readonly change: (service: Service) => Service;
  readonly creation: CreateProjectOptions;
  readonly startsDependencies: boolean;
  readonly autoRemove: boolean;
  readonly attachesStdin: boolean;
  readonly usesAliases: boolean;
}

/** Starts what the service depends on and creates the container; returns its id and name. */
export async function createOneOff(
  work: Work,
  project: Project,
  options: OneOffOptions,
): Promise<{ readonly id: string; readonly name: string }> {
  const { [options.service]: target, ...others } = project.services;
  if (target === undefined) throw new Error(`no service ${options.service}`);
  const dependencies: Project = {
    ...project,
    services: options.startsDependencies ? others : {},
    disabled: { ...project.disabled, ...project.services }, // none of them is an orphan
  };
  // The networks and volumes of the service itself have to be there, too.
  await createProject(work, dependencies, { ...options.creation, targets: [] });
  const containers = await observeContainers(work.client, project.name);
  await startProject(work, dependencies, { containers, waits: false, waitSeconds: 0 });
  if (options.startsDependencies) await waitForDependencies(work, project, target, containers);
  const images = await ensureImages(
    work,
    { ...project, services: { [target.name]: target } },
    options.creation.images,
  );
  const slug = randomBytes(32).toString("hex");
  const { separator } = project;
  const name = options.name || [project.name, target.name, "run", slug.slice(0, 12)].join(separator);
  const { restart: _, scale: _s, ...rest } = options.change(target);
  const service = defined<Service>({
    ...rest,
    container_name: name,
    deploy: withoutRestart(rest.deploy),
  });
  const id = await reported(work.progress, `Container ${name}`, "Creating", () =>
    createContainer(work, project, service, {
      name,
      containersOf: (other) => containers.filter(({ service: of, isOneOff }) => of === other && !isOneOff),
      images,
      request: {
        number: 0,
        isOneOff: true,
        slug,
        autoRemove: options.autoRemove,
        attachesStdin: options.attachesStdin,
        usesAliases: options.usesAliases,
      },
    }),
  );
  return { id, name };
}

function withoutRestart(deploy: Service["deploy"]): Service["deploy"] {
  if (deploy === undefined) return undefined;
  const { restart_policy: _, ...rest } = deploy;
  return rest;
}
