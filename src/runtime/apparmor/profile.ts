// The AppArmor profile that containers have when nothing else is said: what it grants and denies is what Docker's docker-default
// does, so that a program that works there works here. Text only; load.ts gives it to the kernel.
//
// It is the second lock on what capabilities, seccomp and read-only mounts keep shut already: /proc/sys, /proc/sysrq-trigger and /sys
// stay read-only for root without a user namespace, no mounts, no AF_ALG, no tracing and signalling of foreign processes.

export const DEFAULT_PROFILE_NAME = "berth-default";

export interface ProfileInput {
  name: string;
  /** The profile of the daemon and its shims, which signal containers; "unconfined" where they have none. */
  daemonProfile: string;
  /** Whether a file is there below /etc/apparmor.d. */
  hasInclude: (path: string) => boolean;
}

/** Below /proc only processes' own directories and /proc/sys may be written to, and of /proc/sys only kernel/shm*. */
const PROC_RULES = [
  "deny @{PROC}/* w,",
  // everything whose name is neither a number nor `sys`: one alternative per length, since patterns cannot exclude words
  "deny @{PROC}/{[^1-9/],[^1-9/][^0-9/],[^1-9s/][^0-9y/][^0-9s/],[^1-9/][^0-9/][^0-9/][^0-9/]*}/** w,",
  "deny @{PROC}/sys/[^k]** w,",
  "deny @{PROC}/sys/kernel/{?,??,[^s][^h][^m]**} w,",
  "deny @{PROC}/sysrq-trigger rwklx,",
  "deny @{PROC}/kcore rwklx,",
] as const;

/** Of /sys only fs/cgroup may be written to, likewise letter by letter; three places may not even be read. */
const SYS_RULES = [
  ...["[^f]*", "f[^s]*", "fs/[^c]*", "fs/c[^g]*", "fs/cg[^r]*"].map((path) => `deny /sys/${path}/** wklx,`),
  ...["firmware", "devices/virtual/powercap", "kernel/security"].map((path) => `deny /sys/${path}/** rwklx,`),
] as const;

/** Returns the profile's text. */
export function renderProfile({ name, daemonProfile, hasInclude }: ProfileInput): string {
  const own = quoted(name);
  // The kernel's own tools may stop a container, whatever the distribution calls their profiles.
  const signallers = [...new Set(["unconfined", "runc", "crun", daemonProfile])].map(quoted);
  return [
    "# Made by berth at the daemon's start; changes to it are lost.",
    // With a later one "network" would no longer stand for unix sockets.
    ...(hasInclude("abi/3.0") ? ["abi <abi/3.0>,"] : []),
    hasInclude("tunables/global") ? "#include <tunables/global>" : "@{PROC}=/proc/",
    "",
    `profile ${own} flags=(attach_disconnected,mediate_deleted) {`,
    ...[
      ...(hasInclude("abstractions/base") ? ["#include <abstractions/base>"] : []),
      "network,",
      "deny network alg,",
      "capability,",
      "file,",
      "umount,",
      "deny mount,",
      ...signallers.map((peer) => `signal (receive) peer=${peer},`),
      `signal (send, receive) peer=${own},`,
      `ptrace (trace, tracedby, read, readby) peer=${own},`,
      ...PROC_RULES,
      ...SYS_RULES,
    ].map((line) => `  ${line}`),
    "}",
    "",
  ].join("\n");
}

const quoted = (name: string): string => `"${name}"`;
