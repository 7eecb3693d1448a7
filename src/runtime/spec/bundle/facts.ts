// What the rules of check.ts ask of the machine. Read when asked: a rule that does not apply costs nothing.

import { existsSync, statSync } from "node:fs";
import { findResctrl } from "../../../linux/procfs/mountinfo.ts";
import { readProcText } from "../../../linux/procfs/read.ts";
import type { OciNamespaceType } from "../oci.ts";

export interface BundleFacts {
  hasSelinux(): boolean;
  /** The resctrl file system is mounted, with which alone linux.intelRdt can be carried out. */
  hasResctrl(): boolean;
  hasNamespaceType(type: OciNamespaceType): boolean;
  /** Whether the namespace file at `path` is the one that this process is in itself. */
  isOwnNamespace(type: OciNamespaceType, path: string): boolean;
}

/** The kernel's names in /proc/PID/ns. */
const NAMESPACE_FILES: Readonly<Record<OciNamespaceType, string>> = {
  pid: "pid",
  network: "net",
  mount: "mnt",
  ipc: "ipc",
  uts: "uts",
  user: "user",
  cgroup: "cgroup",
  time: "time",
};

/** The facts of this machine. */
export const MACHINE_FACTS: BundleFacts = {
  hasSelinux: () => existsSync("/sys/fs/selinux/enforce"),
  hasResctrl: () => findResctrl(readProcText("/proc/self/mountinfo")) !== undefined,
  hasNamespaceType: (type) => existsSync(`/proc/self/ns/${NAMESPACE_FILES[type]}`),
  isOwnNamespace: (type, path) => {
    try {
      const [own, other] = [`/proc/self/ns/${NAMESPACE_FILES[type]}`, path].map((p) => statSync(p));
      return own?.dev === other?.dev && own?.ino === other?.ino;
    } catch {
      return false; // ignored: what cannot be joined fails when it is, with its path
    }
  },
};
