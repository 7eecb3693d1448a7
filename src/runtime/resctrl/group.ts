// linux.intelRdt: a container's share of caches and of memory bandwidth, in the resctrl file system (runtime-spec config-linux.md
// "IntelRdt", the kernel's Documentation/filesystems/resctrl.rst). A group is a directory: `schemata` has the shares, processes join it
// through `tasks`, as they do a cgroup of version 1, and keel has them do so.

import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Fault } from "../../lib/errors.ts";
import { findResctrl } from "../../linux/procfs/mountinfo.ts";
import { readProcText } from "../../linux/procfs/read.ts";
import type { OciIntelRdt } from "../spec/oci.ts";

/** What a container has there. */
export interface ResctrlGroup {
  /** Whose `tasks` its processes join, in this order: a process can be monitored only in the group that it is in. */
  join: string[];
  /** What goes with the container, in this order. */
  remove: string[];
}

/** Makes the container's group, or finds the one that is named. Throws Fault, and nothing is left then. */
export function makeResctrlGroup(rdt: OciIntelRdt, id: string, root = resctrlRoot()): ResctrlGroup {
  const { group, monitored } = groupsOf(rdt, id, root);
  const made: string[] = [];
  try {
    if (!existsSync(group)) {
      if (rdt.closID && linesOf(rdt).length === 0)
        throw fault(`the group ${group} is not there: it has to be, unless schemata are given for it`);
      made.unshift(makeDirectory(root, group));
    } else if (rdt.closID) {
      checkSchemata(rdt, join(group, "schemata"));
    }
    writeSchemata(root, group, rdt);
    if (monitored !== undefined && !existsSync(monitored)) made.unshift(makeDirectory(root, monitored));
    return {
      join: [group, ...(monitored === undefined ? [] : [monitored])],
      // a group that has a name of its own is others', too
      remove: made.filter((path) => path !== group || !rdt.closID),
    };
  } catch (error) {
    removeResctrlGroup({ remove: made });
    throw error;
  }
}

/** Returns the directories that makeResctrlGroup would have to make, in the order in which they can be removed. */
export function missingGroups(rdt: OciIntelRdt, id: string, root = resctrlRoot()): string[] {
  const { group, monitored } = groupsOf(rdt, id, root);
  return [...(monitored === undefined ? [] : [monitored]), group].filter((path) => !existsSync(path));
}

function groupsOf(rdt: OciIntelRdt, id: string, root: string): { group: string; monitored?: string } {
  const group = join(root, rdt.closID || id);
  return rdt.enableMonitoring ? { group, monitored: join(group, "mon_groups", id) } : { group };
}

/** Removes what was made for the container; gone is fine. */
export function removeResctrlGroup({ remove }: Pick<ResctrlGroup, "remove">): void {
  for (const path of remove) {
    try {
      rmdirSync(path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
  }
}

/** Gives a container's group other shares. Throws Fault. */
export function updateSchemata(group: ResctrlGroup | undefined, rdt: OciIntelRdt, root?: string): void {
  const [dir] = group?.join ?? [];
  if (dir === undefined) throw fault("the container was made without intelRdt: it has no group to change");
  writeSchemata(root ?? resctrlRoot(), dir, rdt);
}

function resctrlRoot(): string {
  const root = findResctrl(readProcText("/proc/self/mountinfo"));
  if (root === undefined) throw fault("resctrl is not mounted");
  return root;
}

/** In the order in which they are to be written. */
const linesOf = ({ l3CacheSchema, memBwSchema, schemata = [] }: OciIntelRdt): string[] =>
  [l3CacheSchema, memBwSchema, ...schemata].filter((line) => line !== undefined && line !== "") as string[];

function makeDirectory(root: string, path: string): string {
  try {
    mkdirSync(path, { mode: 0o755 });
    return path;
  } catch (error) {
    throw refused(root, `make ${path}`, error);
  }
}

/** In one write(2), which the kernel takes line by line. */
function writeSchemata(root: string, group: string, rdt: OciIntelRdt): void {
  const lines = linesOf(rdt);
  if (lines.length === 0) return;
  const path = join(group, "schemata");
  try {
    writeFileSync(path, lines.map((line) => `${line}\n`).join(""), { flag: "r+" });
  } catch (error) {
    throw refused(root, `write ${JSON.stringify(lines.join(" "))} to ${path}`, error);
  }
}

/** The shares of a group that others have made are theirs: they have to be what the specification says. */
function checkSchemata({ l3CacheSchema, memBwSchema }: OciIntelRdt, path: string): void {
  const wanted = [l3CacheSchema, memBwSchema].filter((line) => line !== undefined && line !== "") as string[];
  if (wanted.length === 0) return;
  const present = sharesOf(readFileSync(path, "utf8"));
  for (const [domain, share] of sharesOf(wanted.join("\n")))
    if (present.get(domain) !== share)
      throw fault(`${path} has other shares than ${wanted.join(" ")}: ${domain} is ${present.get(domain)}`);
}

/** `L3:0=7f0;1=1f` as resource and domain to share: the kernel writes blanks and zeros in front. */
function sharesOf(text: string): Map<string, string> {
  const shares = new Map<string, string>();
  for (const line of text.split("\n")) {
    const [resource = "", domains] = line.trim().split(":");
    for (const pair of domains?.split(";") ?? []) {
      const [domain = "", share = ""] = pair.split("=").map((part) => part.trim().replace(/^0+(?=.)/, ""));
      shares.set(`${resource}:${domain}`, share.toLowerCase());
    }
  }
  return shares;
}

/** With the kernel's own word on the last thing that it was asked for. */
function refused(root: string, what: string, cause: unknown): Fault {
  let status = "";
  try {
    status = readFileSync(join(root, "info/last_cmd_status"), "utf8").trim();
  } catch {
    // ignored: kernels before 4.15 say nothing more
  }
  const { code = "" } = cause as NodeJS.ErrnoException;
  return fault(`cannot ${what}: ${code}${status === "" || status === "ok" ? "" : `: ${status}`}`, cause);
}

const fault = (message: string, cause?: unknown): Fault =>
  new Fault("system", `intelRdt: ${message}`, { code: "container.intel-rdt", cause });
