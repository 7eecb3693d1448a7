// What a HostConfig must not say, whatever the machine: contradictions and wishes that this version cannot grant.
import type { HostConfigRequest } from "../../../api/schemas/host-config.ts";
import { Fault } from "../../../lib/errors.ts";

const IPC_MODES = /^(|none|private|shareable|host|container:.+)$/;
const RESTART = ["", "no", "always", "unless-stopped", "on-failure"];

const refuse = (message: string): never => {
  throw new Fault("invalidParameter", message);
};

/** Refuses contradictions and what this version has not, with invalidParameter or notImplemented. */
export function checkHostConfig(r: HostConfigRequest): void {
  if (!IPC_MODES.test(r.IpcMode ?? "")) refuse(`invalid IPC mode: ${r.IpcMode}`);
  const restart = r.RestartPolicy?.Name ?? "";
  if (!RESTART.includes(restart))
    refuse(
      `invalid restart policy: unknown policy '${restart}'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'`,
    );
  const retries = r.RestartPolicy?.MaximumRetryCount ?? 0;
  if (retries !== 0 && restart !== "on-failure")
    refuse("invalid restart policy: maximum retry count can only be used with 'on-failure'");
  if (retries < 0) refuse("invalid restart policy: maximum retry count cannot be negative");
  if (r.AutoRemove && restart !== "" && restart !== "no")
    refuse("can't create 'AutoRemove' container with restart policy");
  if ((r.DeviceRequests?.length ?? 0) > 0)
    refuse('could not select device driver "" with capabilities: [[gpu]]');
  for (const [field, given] of Object.entries(unsupported(r)))
    if (given)
      throw new Fault("notImplemented", `${field} is not supported by this version`, {
        code: "container.unsupported",
      });
}

/** Wishes that this version cannot grant: refused, never ignored. */
function unsupported(r: HostConfigRequest): Record<string, boolean> {
  return {
    "--storage-opt": Object.keys(r.StorageOpt ?? {}).length > 0,
    "--userns": !["", "host"].includes(r.UsernsMode ?? ""),
    "--isolation": !["", "default"].includes(r.Isolation ?? ""),
    "--runtime": !["", "berth", "runc", "io.containerd.runc.v2"].includes(r.Runtime ?? ""),
  };
}
