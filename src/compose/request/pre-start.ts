// A `pre_start` hook of a service as the request that creates its container: on the service's networks, with the volumes of the
// container that is to start, and with nothing else of the service but its environment.

import { imageOf, type PreStartHook, type Project, type Service } from "../model/project.ts";
import { label } from "../observe/labels.ts";
import type { ContainerRequest } from "./container.ts";
import { networkingOf } from "./networking.ts";

export interface PreStartOptions {
  /** The container whose volumes the hook sees. */
  readonly volumesFrom: string;
  /** Release that the labels name. */
  readonly version: string;
}

/** Returns the request; the service has its references to other services resolved. */
export function preStartRequest(
  project: Project,
  service: Service,
  hook: PreStartHook,
  { volumesFrom, version }: PreStartOptions,
): ContainerRequest {
  const networking = networkingOf(project, service, { number: 0, links: [], usesAliases: true });
  const variables = [...Object.entries(service.environment ?? {}), ...Object.entries(hook.environment ?? {})];
  return {
    networking,
    body: {
      Image: hook.image ?? imageOf(project, service),
      Cmd: hook.command === undefined || hook.command === null ? null : [...hook.command],
      User: hook.user ?? "",
      WorkingDir: hook.working_dir ?? "",
      Env: variables.map(([name, value]) => (value === null ? name : `${name}=${value}`)),
      // Without the label of the configuration nobody takes it for a container of the service.
      Labels: {
        [label.project]: project.name,
        [label.service]: service.name,
        [label.version]: version,
        [label.hook]: "pre_start",
      },
      HostConfig: {
        Privileged: hook.privileged ?? false,
        VolumesFrom: [volumesFrom],
        NetworkMode: networking.mode,
      },
    },
  };
}
