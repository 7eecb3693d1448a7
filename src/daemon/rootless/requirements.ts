// What an ordinary user's daemon needs of the machine, looked for before anything is started, so that who lacks something reads what it
// is and how to get it, and not an errno of the kernel.
import { accessSync, constants, readFileSync } from "node:fs";
import { release } from "node:os";
import { delimiter, join } from "node:path";
import { Fault } from "../../lib/errors.ts";
import { checkIdMap, type IdMap } from "../../linux/idmap.ts";
import { type Account, type AccountFiles, consecutive, findAccount, findSubIds } from "../../linux/subid.ts";

/** Who starts the daemon. */
export interface RootlessUser {
  readonly uid: number;
  readonly gid: number;
}

/** The machine as far as it matters here. */
export interface RootlessHost {
  readonly accounts: AccountFiles;
  /** The path of a program, undefined when it is not installed. */
  find(program: string): string | undefined;
  /** A file of /proc/sys, undefined when the kernel has no such setting. */
  sysctl(name: string): string | undefined;
  readonly kernelRelease: string;
}

/** Everything that was found. */
export interface RootlessNeeds {
  /** The user is root, his set-aside ids are the others. */
  readonly map: IdMap;
  readonly tools: { readonly uid: string; readonly gid: string };
  /** The program that gives the namespace its way out. */
  readonly slirp: string;
}

/** Ids that images use: nobody is 65534. */
const LEAST_IDS = 65_536;

/** Looks at this machine. */
export function rootlessHost(accounts: AccountFiles): RootlessHost {
  return {
    accounts,
    find: findProgram,
    sysctl: (name) => {
      try {
        return readFileSync(`/proc/sys/${name.replaceAll(".", "/")}`, "utf8").trim();
      } catch {
        return undefined; // ignored: not every kernel has every setting
      }
    },
    kernelRelease: release(),
  };
}

function findProgram(name: string): string | undefined {
  // sbin is where distributions put some, and not in everybody's PATH.
  const dirs = [
    ...(process.env["PATH"] ?? "").split(delimiter),
    "/usr/local/bin",
    "/usr/bin",
    "/usr/sbin",
    "/sbin",
  ];
  return dirs
    .filter((dir) => dir.startsWith("/"))
    .map((dir) => join(dir, name))
    .find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Returns what a rootless daemon works with. Throws Fault unavailable, with the remedy, for the first thing that is missing. */
export function findNeeds(user: RootlessUser, host: RootlessHost): RootlessNeeds {
  checkKernel(host);
  const uid = host.find("newuidmap");
  const gid = host.find("newgidmap");
  if (uid === undefined || gid === undefined)
    throw missing(
      "newuidmap and newgidmap are not installed; install them (package uidmap, shadow-utils on Fedora)",
    );
  const map = mapOf(user, host.accounts);
  const slirp = host.find("slirp4netns");
  if (slirp === undefined) throw missing("there is no program for the network: install slirp4netns");
  return { map, tools: { uid, gid }, slirp };
}

function checkKernel(host: RootlessHost): void {
  const [major = 0, minor = 0] = host.kernelRelease.split(".").map((part) => Number.parseInt(part, 10));
  if (major < 5 || (major === 5 && minor < 11))
    throw missing(`overlay in a user namespace needs Linux 5.11, this is ${host.kernelRelease}`);
  if (host.sysctl("kernel.unprivileged_userns_clone") === "0")
    throw missing(
      "the kernel lets only root make user namespaces; root can change that: sysctl -w kernel.unprivileged_userns_clone=1",
    );
  if (host.sysctl("user.max_user_namespaces") === "0")
    throw missing(
      "no user namespaces are allowed here; root can change that: sysctl -w user.max_user_namespaces=28633",
    );
}

/** What the kernel's refusal of a user namespace may come from, "" when nothing is known. */
export function refusalHint(host: Pick<RootlessHost, "sysctl">): string {
  return host.sysctl("kernel.apparmor_restrict_unprivileged_userns") === "1"
    ? ": AppArmor restricts user namespaces here; root can change that: sysctl -w kernel.apparmor_restrict_unprivileged_userns=0, or give berth a profile that allows userns"
    : "";
}

function mapOf(user: RootlessUser, accounts: AccountFiles): IdMap {
  const account = findAccount(accounts.passwd, user.uid) ?? { name: String(user.uid), id: user.uid };
  const own = (id: number) => ({ inside: 0, outside: id, size: 1 });
  return checkIdMap({
    uids: [own(user.uid), ...others("subuid", accounts.subuid, account)],
    // compat: /etc/subgid has the user's name, too (subgid(5)).
    gids: [own(user.gid), ...others("subgid", accounts.subgid, account)],
  });
}

function others(file: "subuid" | "subgid", text: string, account: Account): IdMap["uids"] {
  const ranges = findSubIds(text, account);
  const count = ranges.reduce((sum, r) => sum + r.size, 0);
  if (count >= LEAST_IDS) return consecutive(ranges, 1);
  const flag = file === "subuid" ? "--add-subuids" : "--add-subgids";
  throw missing(
    `${count === 0 ? "no" : `only ${count}`} ids are set aside for ${account.name} in /etc/${file}, it takes ${LEAST_IDS}; root can change that: usermod ${flag} 100000-165535 ${account.name}`,
  );
}

function missing(what: string): Fault {
  return new Fault("unavailable", `rootless mode: ${what}`, { code: "daemon.rootless" });
}
