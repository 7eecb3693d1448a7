// Which sysctls a container may set: those that belong to a namespace of its own. Anything else would change the
// host, so it is refused whatever the privileges (runc's validator has the same rule).

import { Fault } from "../../lib/errors.ts";
import type { OciNamespaceType } from "./oci.ts";

const IPC_SYSCTLS = new Set([
  "kernel.msgmax",
  "kernel.msgmnb",
  "kernel.msgmni",
  "kernel.sem",
  "kernel.shmall",
  "kernel.shmmax",
  "kernel.shmmni",
  "kernel.shm_rmid_forced",
]);

/**
 * Returns a sysctl's name in the form with dots. Slashes and dots may be swapped (sysctl(8)): in
 * `net/ipv4/conf/eth0.10/forwarding` the dot belongs to the interface's name and becomes a slash.
 */
export function dottedSysctl(name: string): string {
  const firstSeparator = /[./]/.exec(name)?.[0];
  if (firstSeparator !== "/") return name;
  return name.replace(/[./]/g, (c) => (c === "." ? "/" : "."));
}

/** Returns the path below /proc/sys of a sysctl name in either form. */
export function sysctlPath(name: string): string {
  return dottedSysctl(name).replace(/[./]/g, (c) => (c === "." ? "/" : "."));
}

/**
 * Throws Fault invalidParameter for the first sysctl that the container's namespaces do not cover; `isHosts` says of which
 * kinds it has none of its own.
 */
export function checkSysctls(
  sysctls: Readonly<Record<string, string>>,
  isHosts: (type: OciNamespaceType) => boolean,
): void {
  for (const written of Object.keys(sysctls)) {
    const name = dottedSysctl(written);
    const hasOddPart = sysctlPath(written)
      .split("/")
      .some((part) => part === "" || part === "." || part === "..");
    if (!/^[A-Za-z0-9_\-.:/@]+$/.test(name) || hasOddPart || name.length > 255) {
      throw invalid(`invalid sysctl name ${JSON.stringify(written)}`);
    }
    checkOne(written, name, isHosts);
  }
}

function checkOne(written: string, name: string, isHosts: (type: OciNamespaceType) => boolean): void {
  if (IPC_SYSCTLS.has(name) || name.startsWith("fs.mqueue.")) {
    if (isHosts("ipc")) throw invalid(`sysctl "${written}" is not allowed in the hosts ipc namespace`);
  } else if (name.startsWith("net.")) {
    if (isHosts("network")) throw invalid(`sysctl "${written}" not allowed in host network namespace`);
  } else if (name === "kernel.domainname") {
    if (isHosts("uts")) throw invalid(`sysctl "${written}" is not in a separate kernel namespace`);
  } else if (name === "kernel.hostname") {
    throw invalid(`sysctl "${written}" is not allowed as it conflicts with the OCI "hostname" field`);
  } else if (name.startsWith("user.")) {
    // the counters of a user namespace; without one of its own they are those of the host's users
    if (isHosts("user")) throw invalid(`setting ucounts without a user namespace not allowed: ${written}`);
  } else {
    throw invalid(`sysctl "${written}" is not in a separate kernel namespace`);
  }
}

function invalid(message: string): Fault {
  return new Fault("invalidParameter", message, { code: "container.invalid-sysctl" });
}
