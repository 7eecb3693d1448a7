// SELinux labels as operations: the one of a process, which the kernel changes to at exec, and the one of the files of a mount, which is
// an option of it. Whether the kernel has SELinux is checked where a specification comes in (spec/bundle).

import { inner, type Op } from "../../linux/ops.ts";
import type { OciProcess } from "../spec/oci.ts";

/** File systems whose files have labels of their own, which a mount must not change. */
const SELF_LABELLED: ReadonlySet<string> = new Set([
  "proc",
  "sysfs",
  "mqueue",
  "cgroup",
  "cgroup2",
  "securityfs",
  "selinuxfs",
]);

/** Returns the operation, if any. */
export function planSelinux({ selinuxLabel }: Pick<OciProcess, "selinuxLabel">): Op[] {
  return selinuxLabel ? [inner.execLabel("", selinuxLabel)] : [];
}

/** Returns mount options (comma-separated) with the label of all files; a label has commas in it, so that it is quoted. */
export function labelledMountData(type: string, data: string, mountLabel: string | undefined): string {
  if (!mountLabel || SELF_LABELLED.has(type) || /(^|,)(fs|def|root)?context=/.test(data)) return data;
  return [data, `context="${mountLabel}"`].filter(Boolean).join(",");
}
