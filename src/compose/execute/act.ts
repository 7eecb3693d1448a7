// Single actions on a project's containers: stop, restart, kill, remove, pause, unpause.

import {
  containerDelete,
  containerKill,
  containerPause,
  containerRestart,
  containerUnpause,
} from "../../api/operations/container.ts";
import { Fault } from "../../lib/errors.ts";
import type { HookOutput } from "./hooks/said.ts";
import type { Project, Service } from "../model/project.ts";
import { type ObservedContainer, orNothing } from "../observe/observe.ts";
import { shortName } from "../request/names.ts";
import { type Progress, reported } from "../progress/progress.ts";
import { stopContainer } from "./executor.ts";
import { runPostStartHooks, runPreStopHooks } from "./hooks/exec.ts";
import { waitForDependencies } from "./start.ts";
import { inOrder, inReverseOrder } from "./traverse.ts";
import { allDone, type Work } from "./work.ts";

type Containers = readonly ObservedContainer[];

const isRunning = ({ state }: ObservedContainer): boolean =>
  state === "running" || state === "restarting" || state === "paused";

const isUp = ({ state }: ObservedContainer): boolean => state === "running";

/** Stops the services, those that others depend on last. */
export async function stopProject(
  work: Work,
  project: Project,
  containers: Containers,
  timeoutSeconds: number | undefined,
  output?: (source: string) => HookOutput,
): Promise<void> {
  await inReverseOrder(project.services, async (service) => {
    await allDone(
      ownOf(containers, service).map((container) =>
        work.limit.run(() =>
          stopContainer(work, container, {
            service: isRunning(container) ? service : undefined,
            timeoutSeconds,
            ...(output === undefined
              ? {}
              : { hookOutput: output(`${shortName(project.name, container.name)} ->`) }),
          }),
        ),
      ),
    );
  });
}

function ownOf(containers: Containers, service: Service): ObservedContainer[] {
  return containers.filter((container) => container.service === service.name && !container.isOneOff);
}

/** Restarts the services in the order of dependencies; those that restart with another wait until it is what they need. */
export async function restartProject(
  work: Work,
  project: Project,
  containers: Containers,
  timeoutSeconds: number | undefined,
): Promise<void> {
  const services = Object.fromEntries(
    Object.entries(project.services).map(([name, service]) => [name, withRestartedOnly(service)]),
  );
  await inOrder(services, async (service) => {
    await waitForDependencies(work, project, service, containers);
    await allDone(
      ownOf(containers, service).map((container) =>
        work.limit.run(() =>
          reported(work.progress, `Container ${container.name}`, "Restarting", async () => {
            if (isRunning(container)) await runPreStopHooks(work, container.id, service);
            await work.client.call(containerRestart, { id: container.id, timeoutSeconds });
            await runPostStartHooks(work, container.id, service);
          }),
        ),
      ),
    );
  });
}

/** Others are not restarted on its account, so it need not wait for them. */
function withRestartedOnly(service: Service): Service {
  const needs = Object.entries(service.depends_on ?? {}).filter(([, { restart }]) => restart === true);
  return { ...service, depends_on: Object.fromEntries(needs) };
}

/** Kills the containers. */
export async function killContainers(work: Work, containers: Containers, signal: string): Promise<void> {
  await each(work, containers, "Killing", ({ id }) => work.client.call(containerKill, { id, signal }));
}

/** Pauses the containers. */
export async function pauseContainers(work: Work, containers: Containers): Promise<void> {
  await each(work, containers, "Pausing", ({ id }) => work.client.call(containerPause, { id }));
}

/** Lets paused containers go on. */
export async function unpauseContainers(work: Work, containers: Containers): Promise<void> {
  await each(work, containers, "Unpausing", ({ id }) => work.client.call(containerUnpause, { id }));
}

/** Removes containers that do not run. */
export async function removeContainers(
  work: Work,
  containers: Containers,
  removesVolumes: boolean,
): Promise<void> {
  await each(work, containers, "Removing", ({ id }) =>
    orNothing(work.client.call(containerDelete, { id, force: true, volumes: removesVolumes })),
  );
}

async function each(
  { progress, limit }: Work,
  containers: Containers,
  text: Parameters<typeof reported>[2],
  action: (container: ObservedContainer) => Promise<unknown>,
): Promise<void> {
  await allDone(
    containers.map((container) =>
      limit.run(() =>
        reported(progress as Progress, `Container ${container.name}`, text, async () => {
          await action(container);
        }),
      ),
    ),
  );
}

/** Returns the containers of these services; of all when none is named. */
export function containersOf(containers: Containers, services: readonly string[]): ObservedContainer[] {
  return containers.filter(
    ({ service, isOneOff }) => !isOneOff && (services.length === 0 || services.includes(service)),
  );
}

/**
 * Returns one container of a service: the first, or the one with a number; one of `run` where the service has none of its own.
 * Throws a Fault when there is none.
 */
export function containerOf(containers: Containers, service: string, index: number): ObservedContainer {
  const all = containers.filter((container) => container.service === service);
  const own = all.filter(({ isOneOff }) => !isOneOff);
  const found =
    index > 0 ? own.find(({ number }) => number === index) : (own.find(isUp) ?? own[0] ?? all.find(isUp));
  if (found !== undefined) return found;
  const what = `service ${JSON.stringify(service)} is not running${index > 0 ? ` container #${index}` : ""}`;
  throw new Fault("notFound", what, { code: "compose.no-container" });
}
