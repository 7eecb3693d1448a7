// What a HostConfig must not say, whatever the machine: contradictions and wishes that this version cannot grant. In the
// order and with the words of moby, whose clients look for them; the machine's own limits are checked by the runtime.
import { isIP } from "node:net";
import type { ContainerConfigRequest } from "../../../api/schemas/container.ts";
import type { HostConfigRequest, UpdateConfigRequest } from "../../../api/schemas/host-config.ts";
import { Fault } from "../../../lib/errors.ts";
import { checkModes } from "./modes.ts";
import { checkExtraHost } from "./extra-hosts.ts";
import { rootSizeOf } from "./root-size.ts";

const RESTART = ["", "no", "always", "unless-stopped", "on-failure"];

const refuse = (message: string): never => {
  throw new Fault("invalidParameter", message, { code: "container.invalid-config" });
};

/** Refuses options that exclude each other. */
export function checkConflicts(config: ContainerConfigRequest, h: HostConfigRequest): void {
  const mode = h.NetworkMode ?? "";
  if (mode === "container" || mode.startsWith("container:")) checkSharedNetwork(mode, config, h);
  if (h.UTSMode === "host" && config.Hostname) refuse("conflicting options: hostname and the UTS mode");
  if (h.UTSMode === "host" && config.Domainname) refuse("conflicting options: domain name and the UTS mode");
  if (mode === "host" && (h.Links?.length ?? 0) > 0)
    refuse(
      "conflicting options: host type networking can't be used with links. This would result in undefined behavior",
    );
  if (!["", "default"].includes(h.Isolation ?? ""))
    refuse(`invalid isolation (${h.Isolation}): linux only supports 'default'`);
  if (h.IOMaximumBandwidth)
    refuse("invalid option: QoS maximum bandwidth configuration is not supported on linux");
  if (h.IOMaximumIOps) refuse("invalid option: QoS maximum IOPs configuration is not supported on linux");
}

/** Whoever joins another container's network has that one's names and ports. */
function checkSharedNetwork(mode: string, config: ContainerConfigRequest, h: HostConfigRequest): void {
  if (mode.slice("container:".length) === "")
    refuse("invalid network mode: invalid container format container:<name|id>");
  if (config.Hostname) refuse("conflicting options: hostname and the network mode");
  if ((h.Links?.length ?? 0) > 0)
    refuse(
      "conflicting options: container type network can't be used with links. This would result in undefined behavior",
    );
  if ((h.Dns?.length ?? 0) > 0) refuse("conflicting options: dns and the network mode");
  if ((h.ExtraHosts?.length ?? 0) > 0)
    refuse("conflicting options: custom host-to-IP mapping and the network mode");
  if (Object.keys(h.PortBindings ?? {}).length > 0 || h.PublishAllPorts)
    refuse("conflicting options: port publishing and the container type network mode");
  if (Object.keys(config.ExposedPorts ?? {}).length > 0)
    refuse("conflicting options: port exposing and the container type network mode");
}

/** Refuses what cannot be and what this version has not, with invalidParameter or notImplemented. */
export function checkHostConfig(r: HostConfigRequest): void {
  if (r.AutoRemove && !["", "no"].includes(r.RestartPolicy?.Name ?? ""))
    refuse("can't create 'AutoRemove' container with restart policy");
  for (const host of r.ExtraHosts ?? []) checkExtraHost(host);
  for (const address of r.Dns ?? [])
    if (isIP(address) === 0) refuse(`ParseAddr(${JSON.stringify(address)}): unable to parse IP`);
  checkRestartPolicy(r.RestartPolicy);
  if (Object.keys(r.Annotations ?? {}).includes(""))
    refuse("invalid Annotations: the empty string is not permitted as an annotation key");
  checkModes(r);
  checkStorageOptions(r.StorageOpt ?? {});
  for (const [field, given] of Object.entries(unsupported(r)))
    if (given)
      throw new Fault("notImplemented", `${field} is not supported by this version`, {
        code: "container.unsupported",
      });
}

/** Refuses an unknown policy and a count that it cannot have. */
export function checkRestartPolicy(policy: UpdateConfigRequest["RestartPolicy"]): void {
  const name = policy?.Name ?? "";
  if (!RESTART.includes(name))
    refuse(
      `invalid restart policy: unknown policy '${name}'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'`,
    );
  const retries = policy?.MaximumRetryCount ?? 0;
  const reasons = [
    ...(retries !== 0 && name !== "on-failure"
      ? ["maximum retry count can only be used with 'on-failure'"]
      : []),
    ...(retries < 0 ? ["maximum retry count cannot be negative"] : []),
  ];
  if (reasons.length > 0) refuse(`invalid restart policy: ${reasons.join("; ")}`);
}

/** Whether the disk can is found out when the container is made (quota.ts). */
function checkStorageOptions(options: Readonly<Record<string, string>>): void {
  for (const key of Object.keys(options)) if (key.toLowerCase() !== "size") refuse(`unknown option ${key}`);
  rootSizeOf({ StorageOpt: options });
}

/** Wishes that this version cannot grant: refused, never ignored. */
function unsupported(r: HostConfigRequest): Record<string, boolean> {
  return {
    "a cgroup specification": Boolean(r.Cgroup),
  };
}
