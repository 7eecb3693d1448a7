// Which sysctls a container may set: those that belong to a namespace of its own. Anything else would change the
// host, so it is refused whatever the privileges (runc's validator has the same rule).

import { Fault } from "../../lib/errors.ts";
import type { SpecInput } from "./input.ts";

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

/** Throws Fault invalidParameter for the first sysctl that the container's namespaces do not cover. */
export function checkSysctls(
  sysctls: Readonly<Record<string, string>>,
  namespaces: NonNullable<SpecInput["namespaces"]>,
): void {
  for (const written of Object.keys(sysctls)) {
    const name = dottedSysctl(written);
    const hasOddPart = sysctlPath(written)
      .split("/")
      .some((part) => part === "" || part === "." || part === "..");
    if (!/^[A-Za-z0-9_\-.:/@]+$/.test(name) || hasOddPart || name.length > 255) {
      throw invalid(`invalid sysctl name ${JSON.stringify(written)}`);
    }
    if (IPC_SYSCTLS.has(name) || name.startsWith("fs.mqueue.")) {
      if (namespaces.ipc?.kind === "host") throw notAllowed(written, "IPC");
    } else if (name.startsWith("net.")) {
      if (namespaces.net?.kind === "host") throw notAllowed(written, "network");
    } else if (name === "kernel.domainname") {
      if (namespaces.uts?.kind === "host") throw notAllowed(written, "UTS");
    } else if (name === "kernel.hostname") {
      throw invalid(`sysctl "${written}" is in conflict with the container's hostname`);
    } else {
      throw invalid(`sysctl "${written}" is not in a separate kernel namespace`);
    }
  }
}

function notAllowed(name: string, namespace: string): Fault {
  return invalid(`sysctl "${name}" not allowed in host ${namespace} namespace`);
}

function invalid(message: string): Fault {
  return new Fault("invalidParameter", message, { code: "container.invalid-sysctl" });
}
