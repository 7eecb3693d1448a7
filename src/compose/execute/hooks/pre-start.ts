// The `pre_start` hooks of a service: containers that run to their end, one after the other, before the first container of the
// service starts. One that fails stays, so that its log can be read, until the next try or `down`.

import type { Client } from "../../../api/client.ts";
import {
  containerDelete,
  containerList,
  containerStart,
  containerWait,
} from "../../../api/operations/container.ts";
import { Fault } from "../../../lib/errors.ts";
import { type HookOutput, HookSaid } from "./said.ts";
import { attachOutput } from "../../logs/output.ts";
import type { Project, Service } from "../../model/project.ts";
import { label } from "../../observe/labels.ts";
import { ofProject, orNothing } from "../../observe/observe.ts";
import { preStartRequest } from "../../request/pre-start.ts";
import { type ContainerOf, withReferences } from "../../request/references.ts";
import { createConnected } from "../connected.ts";
import { allDone, type Work } from "../work.ts";

export interface PreStartOptions {
  /** The container that is to start. */
  readonly id: string;
  /** Finds the containers of services with which namespaces are shared. */
  readonly containerOf: ContainerOf;
  /** Shows what hooks print, behind a name. */
  readonly hookOutput?: (source: string) => HookOutput;
  /** Ends the hook that runs and removes it; its reason is thrown. */
  readonly signal?: AbortSignal;
}

/** Runs a service's hooks. Throws a Fault when one fails; those behind it are not run. */
export async function runPreStartHooks(
  work: Work,
  project: Project,
  service: Service,
  options: PreStartOptions,
): Promise<void> {
  const hooks = service.pre_start ?? [];
  if (hooks.length === 0) return;
  await removeHookContainers(work.client, project.name, [service.name]);
  const resolved = withReferences(service, options.containerOf);
  for (const [index, hook] of hooks.entries()) {
    options.signal?.throwIfAborted();
    const request = preStartRequest(project, resolved, hook, {
      volumesFrom: options.id,
      version: work.version,
    });
    const id = await createConnected(work, service, request, { platform: service.platform });
    await runContainer(work.client, id, {
      what: `service ${JSON.stringify(service.name)} pre_start[${index}]`,
      output: options.hookOutput?.(`${service.name} pre_start[${index}] ->`),
      signal: options.signal,
    });
  }
}

/** Removes the containers of hooks that have failed; of all services when none is named. */
export async function removeHookContainers(
  client: Client,
  project: string,
  services?: readonly string[],
): Promise<void> {
  const left = await client.call(containerList, {
    all: true,
    filters: ofProject(project, `${label.hook}=pre_start`),
  });
  await allDone(
    left
      .filter(({ Labels }) => services?.includes(Labels[label.service] ?? "") !== false)
      .map(({ Id: id }) => remove(client, id)),
  );
}

async function remove(client: Client, id: string): Promise<void> {
  await orNothing(client.call(containerDelete, { id, force: true, volumes: true }));
}

interface Run {
  /** Names the hook in the message. */
  readonly what: string;
  readonly output: HookOutput | undefined;
  readonly signal: AbortSignal | undefined;
}

/** Runs a hook's container, and removes it unless it has failed. */
async function runContainer(client: Client, id: string, { what, output, signal }: Run): Promise<void> {
  const said = new HookSaid(output);
  const { ended, close } = await attachOutput(client, id, (fd, data) => said.take(fd, data));
  // The end of the container ends everything that is waited for here.
  const onAbort = (): void => void remove(client, id).catch(close);
  signal?.addEventListener("abort", onAbort);
  try {
    await client.call(containerStart, { id });
    const [{ StatusCode: code }] = await Promise.all([client.call(containerWait, { id }), ended]);
    const words = said.end();
    signal?.throwIfAborted();
    if (code !== 0) throw failed(`${what} exited with code ${code}${words === "" ? "" : `: ${words}`}`, id);
  } catch (error) {
    signal?.throwIfAborted();
    if (!(error instanceof Fault && error.code === HOOK_FAILED)) await remove(client, id);
    throw error;
  } finally {
    signal?.removeEventListener("abort", onAbort);
    close();
  }
  await remove(client, id);
}

const HOOK_FAILED = "compose.hook";

function failed(message: string, id: string): Fault {
  return new Fault("system", `${message} (hook container ${id.slice(0, 12)} retained for inspection)`, {
    code: HOOK_FAILED,
  });
}
