// Completes the Config of a create request: the image's defaults, Docker's zero values, and the rules by which they
// combine. Pure; the request has passed the contract. HostConfig is host-config/'s.
import { posix } from "node:path";
import type { ContainerConfig, ContainerConfigRequest } from "../../api/schemas/container.ts";
import { Fault } from "../../lib/errors.ts";
import type { RunConfig } from "../../oci/image-config.ts";
import { completeHealthcheck } from "./health/config.ts";

/**
 * Returns the configuration of a container: the request's, completed by the image's. A command of the request
 * replaces the image's; an entrypoint of the request also drops the image's command (Dockerfile reference,
 * "Understand how CMD and ENTRYPOINT interact"). Fails with invalidParameter when there is nothing to run.
 */
export function completeConfig(
  request: ContainerConfigRequest,
  image: RunConfig,
  defaultHostname: string,
): ContainerConfig {
  const wantsEntrypoint = (request.Entrypoint?.length ?? 0) > 0;
  // compat: [""] is how clients reset the image's entrypoint.
  const isReset = request.Entrypoint?.length === 1 && request.Entrypoint[0] === "";
  const entrypoint = isReset
    ? null
    : wantsEntrypoint
      ? (request.Entrypoint as string[])
      : [...(image.entrypoint ?? [])];
  const cmd =
    (request.Cmd?.length ?? 0) > 0
      ? (request.Cmd as string[])
      : wantsEntrypoint
        ? null
        : [...(image.cmd ?? [])];
  if ((entrypoint?.length ?? 0) + (cmd?.length ?? 0) === 0)
    throw new Fault("invalidParameter", "no command specified", { code: "container.no-command" });
  const exposed = { ...setOf(image.exposedPorts), ...request.ExposedPorts };
  const healthcheck = completeHealthcheck(request.Healthcheck, image.healthcheck);
  return {
    Hostname: request.Hostname || defaultHostname,
    Domainname: request.Domainname ?? "",
    User: request.User || (image.user ?? ""),
    AttachStdin: request.AttachStdin ?? false,
    AttachStdout: request.AttachStdout ?? false,
    AttachStderr: request.AttachStderr ?? false,
    ...(Object.keys(exposed).length > 0 ? { ExposedPorts: exposed } : {}),
    Tty: request.Tty ?? false,
    OpenStdin: request.OpenStdin ?? false,
    StdinOnce: request.StdinOnce ?? false,
    Env: completeEnv(image.env ?? [], request.Env ?? []),
    Cmd: cmd === null || cmd.length === 0 ? null : cmd,
    ...(healthcheck === undefined ? {} : { Healthcheck: healthcheck }),
    Image: request.Image ?? "",
    Volumes: volumesOf(request, image),
    WorkingDir: cleanPath(request.WorkingDir || (image.workingDir ?? "")),
    Entrypoint: entrypoint === null || entrypoint.length === 0 ? null : entrypoint,
    ...(request.NetworkDisabled ? { NetworkDisabled: true } : {}),
    ...(image.onBuild === undefined ? {} : { OnBuild: [...image.onBuild] }),
    Labels: { ...image.labels, ...request.Labels },
    ...withStop(request, image),
    ...(image.shell === undefined ? {} : { Shell: [...image.shell] }),
  };
}

function volumesOf(request: ContainerConfigRequest, image: RunConfig): ContainerConfig["Volumes"] {
  const volumes = { ...setOf(image.volumes), ...request.Volumes };
  return Object.keys(volumes).length === 0 ? null : volumes;
}

function withStop(
  request: ContainerConfigRequest,
  image: RunConfig,
): Pick<ContainerConfig, "StopSignal" | "StopTimeout"> {
  const signal = request.StopSignal || image.stopSignal;
  const timeout = request.StopTimeout ?? image.stopTimeoutSeconds;
  return {
    ...(signal ? { StopSignal: signal } : {}),
    ...(timeout === undefined ? {} : { StopTimeout: timeout }),
  };
}

/** compat: `/a/../b/` is recorded as `/b`. */
function cleanPath(path: string): string {
  return path === "" ? "" : posix.normalize(path).replace(/(?<=.)\/+$/, "");
}

const setOf = (names: readonly string[] | undefined): Record<string, Record<never, never>> =>
  Object.fromEntries((names ?? []).map((n) => [n, {}]));

const keyOf = (pair: string): string => pair.split("=", 1)[0] as string;

/**
 * Returns the environment: the image's, with the request's variables replacing those of the same name; null when there is
 * none. `-e NAME` without a value stays, as the wish that the process shall not have it. The default PATH comes with the
 * process, not with the configuration.
 */
export function completeEnv(image: readonly string[], request: readonly string[]): string[] | null {
  const wanted = new Map(request.map((pair) => [keyOf(pair), pair]));
  const merged = [...wanted.values(), ...image.filter((pair) => !wanted.has(keyOf(pair)))];
  return merged.length === 0 ? null : merged;
}
