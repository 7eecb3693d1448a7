// The systemd unit of a container: its name and slice from linux.cgroupsPath, and where systemd makes its cgroups.
//
//   cgroupsPath              unit                   in
//   slice:prefix:name        prefix-name.scope      slice
//   (none), container box    berth-box.scope        system.slice, of a user's manager user.slice

import { Fault } from "../../lib/errors.ts";
import { type CgroupHost, type CgroupPaths, cgroupPathsOf } from "../../linux/cgroupfs/hierarchy.ts";

export interface Unit {
  /** `libpod-123.scope` */
  name: string;
  slice: string;
}

/** Returns the unit. Throws Fault invalidParameter for what is not of that form. */
export function unitOf(cgroupsPath: string | undefined, id: string, isUser: boolean): Unit {
  const home = isUser ? "user.slice" : "system.slice";
  if (!cgroupsPath) return { name: `berth-${id}.scope`, slice: home };
  const [slice, prefix, name, ...more] = cgroupsPath.split(":");
  if (slice === undefined || prefix === undefined || name === undefined || more.length > 0)
    throw invalid(
      `expected cgroupsPath to be of format "slice:prefix:name" for systemd cgroups, got "${cgroupsPath}" instead`,
    );
  if (name.endsWith(".slice"))
    throw invalid(
      `cgroupsPath "${cgroupsPath}" names a slice: processes of a container can only be in a scope`,
    );
  const unit = `${prefix}-${name}.scope`;
  if (!/^[\w:.\\@-]{1,255}$/.test(unit)) throw invalid(`"${unit}" is not a name for a systemd unit`);
  expandSlice(slice || home);
  return { name: unit, slice: slice || home };
}

/** Returns a slice's path: `a-b.slice` is in `a.slice`. Throws Fault for what is no name of a slice. */
export function expandSlice(slice: string): string {
  const name = /^([\w:.\\@-]+)\.slice$/.exec(slice)?.[1];
  if (name === "-") return "";
  const parts = name?.split("-") ?? [""];
  if (parts.includes("")) throw invalid(`invalid slice name: ${slice}`);
  return parts.map((_, i) => `/${parts.slice(0, i + 1).join("-")}.slice`).join("");
}

/** Returns the unit's directories, in every hierarchy. */
export function unitPaths(host: CgroupHost, { name, slice }: Unit): CgroupPaths {
  return cgroupPathsOf(host, `${expandSlice(slice)}/${name}`, { usesV2: true });
}

export function invalid(message: string): Fault {
  return new Fault("invalidParameter", message, { code: "runtime.systemd" });
}
