// The configuration that `spec` writes: a shell in ./rootfs with the privileges and mounts of runc's example. Pure.

import { defaultMounts, OCI_VERSION } from "../spec/defaults.ts";
import type { OciMount, OciNamespaceType, OciSpec } from "../spec/oci.ts";

const CAPABILITIES = ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"];

const MASKED = [
  "/proc/acpi",
  "/proc/asound",
  "/proc/kcore",
  "/proc/keys",
  "/proc/latency_stats",
  "/proc/timer_list",
  "/proc/timer_stats",
  "/proc/sched_debug",
  "/sys/firmware",
  "/proc/scsi",
];

const READONLY = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/** Returns the example. compat: a cgroup namespace of its own only in version 2. */
export function exampleSpec(isUnified: boolean): OciSpec {
  const types: OciNamespaceType[] = ["pid", "network", "ipc", "uts", "mount"];
  if (isUnified) types.push("cgroup");
  return {
    ociVersion: OCI_VERSION,
    process: {
      terminal: true,
      user: { uid: 0, gid: 0 },
      args: ["sh"],
      env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"],
      cwd: "/",
      capabilities: {
        bounding: [...CAPABILITIES],
        effective: [...CAPABILITIES],
        permitted: [...CAPABILITIES],
      },
      rlimits: [{ type: "RLIMIT_NOFILE", hard: 1024, soft: 1024 }],
      noNewPrivileges: true,
    },
    root: { path: "rootfs", readonly: true },
    hostname: "berth",
    mounts: mounts(),
    linux: {
      resources: { devices: [{ allow: false, access: "rwm" }] },
      namespaces: types.map((type) => ({ type })),
      maskedPaths: [...MASKED],
      readonlyPaths: [...READONLY],
    },
  };
}

function mounts(): OciMount[] {
  return defaultMounts().map((mount) => {
    if (mount.destination === "/sys/fs/cgroup")
      return { ...mount, options: ["nosuid", "noexec", "nodev", "relatime", "ro"] };
    return mount.destination === "/dev/shm"
      ? { ...mount, options: [...(mount.options ?? []), "size=65536k"] }
      : mount;
  });
}

/** Returns it for an ordinary user: a user namespace, no network of its own, nothing that takes privileges. */
export function rootlessSpec(spec: OciSpec, ids: { uid: number; gid: number }): OciSpec {
  const { resources: _, namespaces = [], ...linux } = spec.linux ?? {};
  return {
    ...spec,
    mounts: (spec.mounts ?? []).flatMap((mount) => {
      const options = mount.options?.filter((o) => !/^[ug]id=/.test(o));
      if (mount.destination === "/sys/fs/cgroup") return [];
      if (mount.destination === "/sys")
        return [
          {
            destination: "/sys",
            type: "none",
            source: "/sys",
            options: ["rbind", "nosuid", "noexec", "nodev", "ro"],
          },
        ];
      return [{ ...mount, ...(options ? { options } : {}) }];
    }),
    linux: {
      ...linux,
      namespaces: [...namespaces.filter(({ type }) => type !== "network"), { type: "user" }],
      uidMappings: [{ containerID: 0, hostID: ids.uid, size: 1 }],
      gidMappings: [{ containerID: 0, hostID: ids.gid, size: 1 }],
    },
  };
}
