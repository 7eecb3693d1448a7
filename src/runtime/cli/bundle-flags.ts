// The flags that `create` and `run` (and, but for the bundle's own, `restore`) have in common.

import { resolve } from "node:path";
import { bool, type FlagValues, int, string } from "../../lib/flags/spec.ts";
import type { CreateOptions } from "./life/create.ts";

export const BUNDLE_FLAGS = {
  bundle: string("path to the root of the bundle directory, defaults to the current directory", {
    short: "b",
  }),
  "console-socket": string(
    "path to an AF_UNIX socket which will receive the master end of the console's pseudoterminal",
  ),
  "pidfd-socket": string("path to an AF_UNIX socket which will receive a pidfd of the init process"),
  "pid-file": string("file to write the process id to"),
  "no-pivot": bool("do not use pivot_root: for a host whose root is on a ramdisk"),
  "no-new-keyring": bool("do not create a new session keyring: the container inherits the caller's"),
  "preserve-fds": int(
    "pass N additional file descriptors to the container (stdio + $LISTEN_FDS + N in total)",
  ),
} as const;

/** A path of the command line, before anything changes directory; "" stays. */
export const absolute = (path: string): string => (path === "" ? "" : resolve(path));

/** Returns the options that those flags stand for. */
export function createOptions(
  id: string,
  flags: FlagValues<typeof BUNDLE_FLAGS>,
): Omit<CreateOptions, "isDetached" | "isSubreaper"> {
  return {
    id,
    bundle: flags.bundle,
    consoleSocket: absolute(flags["console-socket"]),
    pidfdSocket: absolute(flags["pidfd-socket"]),
    pidFile: absolute(flags["pid-file"]),
    preserveFds: flags["preserve-fds"],
    hasNoPivot: flags["no-pivot"],
    hasNoKeyring: flags["no-new-keyring"],
  };
}
