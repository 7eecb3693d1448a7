// What this runtime can do, whatever the machine can: the specification's "Features structure" (runtime-spec features.md), which
// engines read before they use a field. Every word comes from the table that carries it out.

import { knownMountOptions } from "../../linux/mount-flags.ts";
import { BERTH_VERSION } from "../../lib/version.ts";
import { CAPABILITIES } from "../caps/names.ts";
import { SECCOMP_ACTIONS, SECCOMP_ARCHES, SECCOMP_FLAGS, SECCOMP_OPERATORS } from "../seccomp/words.ts";
import { NAMESPACE_TYPES } from "./bundle/decode-linux.ts";
import { MEMORY_POLICIES, MEMORY_POLICY_FLAGS, wordsOf } from "./kernel-words.ts";

export interface OciFeatures {
  ociVersionMin: string;
  ociVersionMax: string;
  hooks: readonly string[];
  mountOptions: readonly string[];
  linux: {
    namespaces: readonly string[];
    capabilities: readonly string[];
    cgroup: { v1: boolean; v2: boolean; systemd: boolean; systemdUser: boolean; rdma: boolean };
    seccomp: {
      enabled: boolean;
      actions: readonly string[];
      operators: readonly string[];
      archs: readonly string[];
      knownFlags: readonly string[];
      supportedFlags: readonly string[];
    };
    apparmor: { enabled: boolean };
    selinux: { enabled: boolean };
    intelRdt: { enabled: boolean; schemata: boolean; monitoring: boolean };
    memoryPolicy: { modes: readonly string[]; flags: readonly string[] };
    mountExtensions: { idmap: { enabled: boolean } };
    netDevices: { enabled: boolean };
  };
  annotations: Readonly<Record<string, string>>;
}

/** The first and the last version of the specification whose documents are understood in full. */
export const OCI_VERSION_MIN = "1.0.0";
export const OCI_VERSION_MAX = "1.3.0";

const HOOKS = ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"];

/** Returns the structure. */
export function features(): OciFeatures {
  const flags = Object.keys(SECCOMP_FLAGS);
  return {
    ociVersionMin: OCI_VERSION_MIN,
    ociVersionMax: OCI_VERSION_MAX,
    hooks: HOOKS,
    mountOptions: knownMountOptions(),
    linux: {
      namespaces: [...NAMESPACE_TYPES].sort(),
      capabilities: CAPABILITIES,
      cgroup: { v1: true, v2: true, systemd: false, systemdUser: false, rdma: true },
      seccomp: {
        enabled: true,
        actions: SECCOMP_ACTIONS,
        operators: SECCOMP_OPERATORS,
        archs: SECCOMP_ARCHES,
        knownFlags: flags,
        supportedFlags: flags,
      },
      apparmor: { enabled: true },
      selinux: { enabled: true },
      intelRdt: { enabled: true, schemata: true, monitoring: true },
      memoryPolicy: { modes: wordsOf(MEMORY_POLICIES), flags: wordsOf(MEMORY_POLICY_FLAGS) },
      mountExtensions: { idmap: { enabled: true } },
      netDevices: { enabled: true },
    },
    annotations: { "org.berth.version": BERTH_VERSION },
  };
}
