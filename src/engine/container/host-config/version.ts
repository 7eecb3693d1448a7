// What clients of older API versions mean by a host configuration: fields that came later are ignored, or refused, as Docker
// does, and defaults are those of their time.
import type { HostConfigRequest, MountRequest } from "../../../api/schemas/host-config.ts";
import { isAtLeast } from "../../../lib/version-order.ts";
import { Fault } from "../../../lib/errors.ts";

/** Returns the host configuration as the client's version means it. Fails with invalidParameter. */
export function adaptHostConfig(
  hostConfig: HostConfigRequest | null | undefined,
  version: string,
): HostConfigRequest {
  const isShareable = !hostConfig?.IpcMode && !isAtLeast(version, "1.40");
  return {
    ...hostConfig,
    ...(isShareable ? { IpcMode: "shareable" } : {}),
    ...(hostConfig?.Mounts ? { Mounts: hostConfig.Mounts.map((m) => adaptMount(m, version)) } : {}),
  };
}

function adaptMount(m: MountRequest, version: string): MountRequest {
  const before = (v: string): boolean => !isAtLeast(version, v);
  if (before("1.48") && m.Type === "image") throw refuse('Mount type "Image" needs API v1.48 or newer');
  if (before("1.45") && m.VolumeOptions?.Subpath)
    throw refuse("VolumeOptions.Subpath needs API v1.45 or newer");
  if (before("1.44") && m.Type === "bind" && m.BindOptions?.ReadOnlyForceRecursive)
    throw refuse("BindOptions.ReadOnlyForceRecursive needs API v1.44 or newer");
  if (!before("1.42")) {
    for (const [type, field] of OPTIONS)
      if (m.Type !== type && m[field])
        throw refuse(`${field} must not be specified on mount type ${JSON.stringify(m.Type ?? "")}`);
    return m;
  }
  const adapted: MountRequest = { ...m };
  if (m.Type !== "volume") delete adapted.VolumeOptions;
  if (m.Type !== "tmpfs") delete adapted.TmpfsOptions;
  if (m.BindOptions) {
    adapted.BindOptions = { ...m.BindOptions, CreateMountpoint: false };
    if (before("1.40")) adapted.BindOptions.NonRecursive = false;
  }
  return adapted;
}

const OPTIONS = [
  ["volume", "VolumeOptions"],
  ["bind", "BindOptions"],
  ["tmpfs", "TmpfsOptions"],
] as const;

function refuse(message: string): Fault {
  return new Fault("invalidParameter", message, { code: "mount.version" });
}
