// A container's record in the words of the runtime floor: what generateSpec needs. Pure, but for the namespaces of
// other containers, which the caller looks up.
import type { SpecInput } from "../../../runtime/spec/input.ts";
import type { ContainerPaths } from "../context.ts";
import { type PidOf, settingsOf } from "../host-config/settings.ts";
import type { ContainerRecord } from "../record.ts";

/** Returns the runtime's description of a container; without `mounts`, which an exec does not need. `isNetworkPlanned`: its network namespace comes with the request. */
export function specInputOf(
  record: ContainerRecord,
  paths: ContainerPaths,
  pidOf: PidOf,
  mounts: Pick<SpecInput, "binds" | "tmpfs" | "images"> = {},
): SpecInput {
  const { config, hostConfig: h } = record;
  const hasOwnUts = h.UTSMode !== "host";
  return {
    id: record.id,
    args: [record.path, ...record.args],
    env: config.Env ?? [],
    cwd: config.WorkingDir,
    user: config.User,
    tty: config.Tty,
    ...(hasOwnUts ? { hostname: config.Hostname, domainname: config.Domainname } : {}),
    ...settingsOf(h, pidOf),
    ...(record.idMap === undefined ? {} : { idMap: record.idMap }),
    ...mounts,
    ...(h.Init ? { initPath: paths.keelPath } : {}),
    etcFiles: etcFilesOf(record, paths),
  };
}

/** Returns the host's files that are bound over a container's /etc. A container in another's network sees the other's. */
export function etcFilesOf(
  record: ContainerRecord,
  paths: ContainerPaths,
): NonNullable<SpecInput["etcFiles"]> {
  const mode = record.hostConfig.NetworkMode;
  const owner = mode.startsWith("container:") ? mode.slice(10) : record.id;
  return {
    hostname: paths.etcFile(owner, "hostname"),
    hosts: paths.etcFile(owner, "hosts"),
    resolvConf: paths.etcFile(owner, "resolv.conf"),
  };
}
