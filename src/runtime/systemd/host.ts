// Where systemd's scopes can be: on a machine whose init it is, in the machine's hierarchies or in what a user's own manager has.

import { lstatSync } from "node:fs";
import { Fault } from "../../lib/errors.ts";
import {
  type CgroupHost,
  delegatedHost,
  isOrdinaryUser,
  machineCgroupHost,
  parseOwnCgroups,
} from "../../linux/cgroupfs/hierarchy.ts";
import { readProcText } from "../../linux/procfs/read.ts";
import { withManager } from "./manager.ts";

/** Whether systemd is the machine's init (sd_booted(3)). */
function hasSystemd(): boolean {
  return lstatSync("/run/systemd/system", { throwIfNoEntry: false })?.isDirectory() === true;
}

/** Returns the hierarchies in which scopes are; `what` asks for them. Throws Fault notImplemented where systemd is not the machine's init. */
export async function scopeHost(what: string): Promise<CgroupHost> {
  if (!hasSystemd())
    throw new Fault(
      "notImplemented",
      `${what}, but systemd support for managing cgroups is not available: systemd is not this machine's init`,
      { code: "runtime.systemd-cgroup" },
    );
  return isOrdinaryUser() ? await userHost(what) : machineCgroupHost();
}

/** What is the user's to give: the cgroup of version 2 in which the user's systemd is. Throws Fault where we are not in it. */
async function userHost(what: string): Promise<CgroupHost> {
  const { v2 } = machineCgroupHost();
  const base = await withManager(true, (manager) => manager.controlGroup());
  const own = parseOwnCgroups(readProcText("/proc/self/cgroup")).get("") ?? "/";
  // the kernel lets a user move processes within what is the user's only
  if (!v2 || base === "" || !own.startsWith(`${base}/`))
    throw new Fault(
      "forbidden",
      `${what} of an ordinary user has to be called from one of the user's own units (cgroup ${own} is not in ${base || "/"}): systemd-run --user --scope …`,
      { code: "runtime.systemd-cgroup" },
    );
  return delegatedHost(v2.mountpoint + base, readProcText);
}
