// What a container engine may leave on a host: processes, mounts, links, nftables tables, cgroups, sockets. A snapshot
// before and one after show what stayed; where other engines work at the same time, the traces of one daemon are told apart
// by its directories, its containers' ids and its network namespace. Used by the demo and by the end-to-end tests.
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";

/** A set of lines, each naming one thing on the host. */
export type HostSnapshot = ReadonlySet<string>;

/** Returns what is on the host now and could be ours: processes that run berth or keel are listed whoever started them. */
export function hostSnapshot(): HostSnapshot {
  return new Set([...processes(), ...mounts(), ...links(), ...nftTables(), ...cgroups()]);
}

/** Returns what `after` has and `before` had not, sorted. */
export function leaksBetween(before: HostSnapshot, after: HostSnapshot): string[] {
  return [...after].filter((line) => !before.has(line)).sort();
}

function processes(): string[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const argv = readFileSync(`/proc/${pid}/cmdline`, "latin1").split("\0");
        const exe = readlinkSync(`/proc/${pid}/exe`);
        const isOurs = /(^|\/)(keel|berth)(-[0-9a-f]+)?( \(deleted\))?$/.test(exe) || argv[0] === "keel";
        return isOurs ? [`process ${pid} ${exe} ${argv.join(" ").trim()}`] : [];
      } catch {
        return []; // ignored: the process ended while we looked
      }
    });
}

function mounts(): string[] {
  return readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => `mount ${line.split(" ")[4]} ${line.slice(line.indexOf(" - ") + 3)}`);
}

function links(): string[] {
  return readdirSync("/sys/class/net").map((name) => `link ${name}`);
}

function nftTables(): string[] {
  try {
    return execFileSync("nft", ["list", "tables"], { encoding: "utf8" })
      .trim()
      .split("\n")
      .map((t) => `nft ${t}`);
  } catch {
    return []; // ignored: without nft(8) the caller compares the rest
  }
}

function cgroups(): string[] {
  const walk = (dir: string, depth: number): string[] =>
    directoriesIn(dir).flatMap((name) => [
      `cgroup ${join(dir, name)}`,
      ...(depth > 0 ? walk(join(dir, name), depth - 1) : []),
    ]);
  return walk("/sys/fs/cgroup", 3);
}

function directoriesIn(dir: string): string[] {
  try {
    return readdirSync(dir, { withFileTypes: true })
      .filter((e) => e.isDirectory())
      .map((e) => e.name);
  } catch {
    return []; // ignored: a cgroup that vanishes during the walk is no leak
  }
}

/** By what one daemon's traces are told from another's. */
export interface DaemonMarks {
  /** Data root, exec root, pid file and socket are all below this directory. */
  readonly root: string;
  readonly containerIds: Iterable<string>;
  /** A process in the network namespace that only this daemon uses. */
  readonly namespacePid: number;
  /** Links of that namespace that are not the daemon's; `lo` when absent. */
  readonly otherLinks?: readonly string[];
}

/** Returns what runs a command in the daemon's network namespace, and gives its lines. */
function insideOf({ namespacePid }: DaemonMarks): (...argv: string[]) => string[] {
  return (...argv) =>
    execFileSync("nsenter", [`--net=/proc/${namespacePid}/ns/net`, "--", ...argv], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    })
      .split("\n")
      .filter((line) => line !== "");
}

/** Returns what is left of a daemon that has ended, sorted. */
export function tracesOf(daemon: DaemonMarks): string[] {
  const ids = new Set(daemon.containerIds);
  const known = new Set(daemon.otherLinks ?? ["lo"]);
  const inside = insideOf(daemon);
  const links = inside("ip", "-o", "link").map((line) => /^\d+: ([^:@]+)/.exec(line)?.[1] ?? line);
  return [
    ...processesUnder(daemon.root),
    ...mounts().filter((line) => line.includes(daemon.root)),
    ...cgroups().filter((line) => ids.has(line.slice(line.lastIndexOf("/") + 1))),
    ...links.filter((name) => !known.has(name)).map((name) => `link ${name}`),
    ...inside("nft", "list", "tables").map((line) => `nft ${line}`),
  ].sort();
}

/**
 * Returns everything that a living daemon has on the host, one line for each thing, numbers that change by themselves left out: processes with
 * their namespaces and descriptors, mounts, cgroups, links, routes, rules of the firewall, files. Two inventories of the same daemon, with
 * work between them of which nothing was to stay, are equal.
 */
export function inventoryOf(daemon: DaemonMarks): string[] {
  const ids = new Set(daemon.containerIds);
  const inside = insideOf(daemon);
  const processes = processesUnder(daemon.root).map((line) => Number(line.split(" ")[1]));
  return [
    ...processes.flatMap((pid) => detailsOf(pid)),
    ...mounts().filter((line) => line.includes(daemon.root)),
    ...cgroups().filter((line) => ids.has(line.slice(line.lastIndexOf("/") + 1))),
    ...inside("ip", "-o", "link").map((line) => `link ${/^\d+: ([^:@]+)/.exec(line)?.[1] ?? line}`),
    ...inside("ip", "rule").map((line) => `rule ${line}`),
    ...inside("ip", "route", "show", "table", "all").map((line) => `route ${line}`),
    ...inside("nft", "list", "ruleset").map((line) => `nft ${line.replaceAll(/packets \d+ bytes \d+/g, "")}`),
    ...filesBelow(daemon.root),
  ].sort();
}

/** A process, its namespaces, and its descriptors by what they are of. */
function detailsOf(pid: number): string[] {
  try {
    // Those of containers are their cgroups' to tell.
    if (/[0-9a-f]{64}/.test(readFileSync(`/proc/${pid}/cgroup`, "utf8"))) return [];
    const comm = readFileSync(`/proc/${pid}/comm`, "utf8").trim();
    const namespaces = ["mnt", "net", "pid"].map((kind) => readlinkSync(`/proc/${pid}/ns/${kind}`));
    const descriptors = readdirSync(`/proc/${pid}/fd`).map((fd) => {
      try {
        return `descriptor of ${comm}: ${readlinkSync(`/proc/${pid}/fd/${fd}`).replaceAll(/\[\d+\]|\d+$/g, "")}`;
      } catch {
        return ""; // ignored: it was closed while we looked
      }
    });
    return [`process ${comm}`, ...namespaces.map((n) => `namespace ${n} of ${comm}`), ...descriptors];
  } catch {
    return []; // ignored: the process ended while we looked
  }
}

/** Files of the daemon's directories, but those of its stores, whose names change as they grow. */
function filesBelow(root: string): string[] {
  const entries = readdirSync(root, { recursive: true, withFileTypes: true });
  return entries
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1))
    .filter(
      (path) =>
        !/^data\/(meta|events|layers\/[0-9a-z]+\/)|^data\/containers\/[0-9a-f]+\/(upper|work)\//.test(path),
    )
    .map((path) => `file ${path}`);
}

/** Processes whose executable or arguments are below `root`, and those that have something below it mounted. */
function processesUnder(root: string): string[] {
  return readdirSync("/proc").flatMap((pid) => {
    if (!/^\d+$/.test(pid) || Number(pid) === process.pid) return [];
    try {
      const argv = readFileSync(`/proc/${pid}/cmdline`, "latin1").split("\0").join(" ").trim();
      const isOurs =
        readlinkSync(`/proc/${pid}/exe`).startsWith(root) ||
        argv.includes(root) ||
        readFileSync(`/proc/${pid}/mountinfo`, "utf8").includes(root);
      return isOurs ? [`process ${pid} ${argv}`] : [];
    } catch {
      return []; // ignored: the process ended while we looked, or is the kernel's
    }
  });
}
