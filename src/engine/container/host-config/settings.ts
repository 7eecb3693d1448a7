// A HostConfig in the words of the runtime floor, without what needs the container's record: mounts, files, program.
import type { HostConfig } from "../../../api/schemas/host-config.ts";
import { Fault } from "../../../lib/errors.ts";
import type { NamespaceMode, SpecInput } from "../../../runtime/spec/input.ts";
import { limitsOf } from "./limits.ts";
import { joinedContainer } from "./modes.ts";

/** A namespace that can be another container's. */
export type JoinableNamespace = "pid" | "ipc";

/** Returns the process id of a running container whose namespace is joined; fails with notFound or conflict. */
export type PidOf = (reference: string, namespace: JoinableNamespace) => number;

/** Returns the settings. */
export function settingsOf(h: HostConfig, pidOf: PidOf): Omit<SpecInput, "id" | "args" | "env"> {
  return {
    groups: h.GroupAdd ?? [],
    readonlyRootfs: h.ReadonlyRootfs,
    privileged: h.Privileged,
    capAdd: h.CapAdd ?? [],
    capDrop: h.CapDrop ?? [],
    securityOpts: h.SecurityOpt ?? [],
    maskedPaths: h.MaskedPaths ?? [],
    readonlyPaths: h.ReadonlyPaths ?? [],
    resources: limitsOf(h),
    oomScoreAdj: h.OomScoreAdj,
    ulimits: (h.Ulimits ?? []).map((u) => ({ name: u.Name, soft: u.Soft, hard: u.Hard })),
    sysctls: h.Sysctls ?? {},
    shmSize: h.ShmSize,
    devices: (h.Devices ?? []).map((d) => ({
      pathOnHost: d.PathOnHost,
      pathInContainer: d.PathInContainer,
      permissions: d.CgroupPermissions,
    })),
    namespaces: {
      pid: joinableMode(h.PidMode, "pid", pidOf),
      ipc: joinableMode(h.IpcMode, "ipc", pidOf),
      uts: ownMode(h.UTSMode),
      net: h.NetworkMode === "host" ? { kind: "host" } : { kind: "private" },
      cgroup: ownMode(h.CgroupnsMode),
    },
    ...(h.CgroupParent ? { cgroupParent: h.CgroupParent } : {}),
    annotations: h.Annotations ?? {},
  };
}

function joinableMode(mode: string, type: JoinableNamespace, pidOf: PidOf): NamespaceMode {
  const reference = joinedContainer(mode);
  if (reference === undefined) return ownMode(mode);
  return { kind: "path", path: `/proc/${pidOf(reference, type)}/ns/${type}` };
}

function ownMode(mode: string): NamespaceMode {
  if (mode === "" || mode === "private" || mode === "shareable") return { kind: "private" };
  if (mode === "host" || mode === "none") return { kind: mode };
  throw new Fault("invalidParameter", `invalid namespace mode: ${mode}`, {
    code: "container.namespace-mode",
  });
}
