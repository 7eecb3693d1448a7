// What a container engine may leave on a host: processes, mounts, links, nftables tables, cgroups, sockets. A snapshot
// before and one after show what stayed. Used by the demo and by the end-to-end tests.
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";

/** A set of lines, each naming one thing on the host. */
export type HostSnapshot = ReadonlySet<string>;

/**
 * Returns what is on the host now and could be ours. `executable` is the path of berth: processes that run it or keel
 * are listed whoever started them.
 */
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
        return isOurs ? [`process ${pid} ${argv.join(" ").trim()}`] : [];
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
    return execFileSync("nft", ["list", "tables"], { encoding: "utf8" }).trim().split("\n").map((t) => `nft ${t}`);
  } catch {
    return []; // ignored: without nft(8) the caller compares the rest
  }
}

function cgroups(): string[] {
  const walk = (dir: string, depth: number): string[] =>
    readdirSync(dir, { withFileTypes: true })
      .filter((e) => e.isDirectory())
      .flatMap((e) => [`cgroup ${join(dir, e.name)}`, ...(depth > 0 ? walk(join(dir, e.name), depth - 1) : [])]);
  try {
    return walk("/sys/fs/cgroup", 3);
  } catch {
    return []; // ignored: a cgroup that vanishes during the walk is no leak
  }
}
