// What a create request asks for, checked against itself and against this machine, before anything is looked up or made.
import type { ContainerCreateRequest } from "../../../api/schemas/container.ts";
import type { HostConfig } from "../../../api/schemas/host-config.ts";
import { Fault } from "../../../lib/errors.ts";
import { validateSpecInput } from "../../../runtime/spec/validate.ts";
import { checkHealthcheck } from "../health/config.ts";
import { parseSignal } from "../signals.ts";
import { checkConflicts } from "./check.ts";
import { completeHostConfig, type ContainerDefaults } from "./complete.ts";
import { withLimits } from "./limits.ts";
import { settingsOf } from "./settings.ts";

export interface Settled {
  /** As it will be recorded, without the limits that this machine does not have. */
  readonly hostConfig: HostConfig;
  /** For the user: what was left out or weakened, and why. */
  readonly warnings: string[];
}

/** Settles a request. Fails with invalidParameter or notImplemented, with Docker's texts. */
export function settleRequest(body: ContainerCreateRequest, defaults: ContainerDefaults): Settled {
  if (Object.keys(body).every((key) => key === "HostConfig" || key === "NetworkingConfig"))
    throw invalid("config cannot be empty in order to create a container");
  const request = body.HostConfig ?? {};
  checkConflicts(body, request);
  checkConfig(body);
  const wished = completeHostConfig(request, defaults);
  const { limits, warnings } = validateSpecInput({
    hostname: body.Hostname ?? "",
    ...settingsOf(wished, () => process.pid),
  });
  warnings.unshift(...discarded(body));
  return { hostConfig: withLimits(wished, limits), warnings };
}

function checkConfig(body: ContainerCreateRequest): void {
  if (body.WorkingDir && !body.WorkingDir.startsWith("/"))
    throw invalid(`the working directory '${body.WorkingDir}' is invalid, it needs to be an absolute path`);
  if (body.StopSignal) parseSignal(body.StopSignal);
  for (const port of Object.keys(body.ExposedPorts ?? {}))
    if (!isPort(port)) throw invalid(`invalid port specification: ${JSON.stringify(port)}`);
  if (
    [...(body.Entrypoint ?? []), ...(body.Cmd ?? []), ...(body.Env ?? [])].some((text) => text.includes("\0"))
  )
    throw invalid("arguments and environment must not contain NUL");
  for (const variable of body.Env ?? [])
    if (variable.split("=", 1)[0] === "") throw invalid(`invalid environment variable: ${variable}`);
  checkHealthcheck(body.Healthcheck);
}

/** `80`, `80/tcp`: one port, as the API has it; clients have taken ranges apart. */
function isPort(text: string): boolean {
  const number = Number(/^(\d{1,5})(?:\/(?:tcp|udp|sctp))?$/i.exec(text)?.[1] ?? 0);
  return number >= 1 && number <= 65_535;
}

/** What has no effect: limits that no Linux has any more or that only Windows has, ports without a network of their own. Told, never kept silently. */
function discarded({ HostConfig: h }: ContainerCreateRequest): string[] {
  const kernelMemory =
    "Your kernel does not support kernel memory limit capabilities or the cgroup is not mounted. Limitation discarded.";
  return [
    ...(h?.KernelMemory || h?.KernelMemoryTCP ? [kernelMemory] : []),
    ...(h?.CpuPercent ? ["linux does not support CPU percent. Percent discarded."] : []),
    ...(h?.NetworkMode === "host" && Object.keys(h.PortBindings ?? {}).length > 0
      ? ["Published ports are discarded when using host network mode"]
      : []),
    ...(h?.CpuCount ? ["linux does not support a count of CPUs. Count discarded."] : []),
  ];
}

function invalid(message: string): Fault {
  return new Fault("invalidParameter", message, { code: "container.invalid-config" });
}
