// `exec`: a further process in a container.

import { readFileSync } from "node:fs";
import { Fault } from "../../../lib/errors.ts";
import { bool, int, list, string } from "../../../lib/flags/spec.ts";
import { absolute } from "../bundle-flags.ts";
import { execInContainer } from "../life/exec.ts";
import { processOf } from "../exec-process.ts";
import { parseProcess } from "../../spec/bundle/parse.ts";
import type { OciProcess } from "../../spec/oci.ts";
import { command, failing } from "../invocation.ts";
import { ContainerDir, type ContainerState } from "../life/store.ts";

/** compat: what runc ends with when the process could not be started. */
const NOT_STARTED = 255;

const FLAGS = {
  "console-socket": string(
    "path to an AF_UNIX socket which will receive the master end of the console's pseudoterminal",
  ),
  "pidfd-socket": string("path to an AF_UNIX socket which will receive a pidfd of the process"),
  cwd: string("current working directory in the container"),
  env: list("set environment variables", { short: "e" }),
  tty: bool("allocate a pseudo-TTY", { short: "t" }),
  user: string("UID (format: <uid>[:<gid>])", { short: "u" }),
  "additional-gids": list("additional gids", { short: "g" }),
  process: string("path to the process.json", { short: "p" }),
  detach: bool("detach from the container's process", { short: "d" }),
  "pid-file": string("specify the file to write the process id to"),
  "process-label": string("set the SELinux label of the process"),
  apparmor: string("set the apparmor profile for the process"),
  "no-new-privs": bool("set the no new privileges value for the process"),
  cap: list("add a capability to the bounding set for the process", { short: "c" }),
  "preserve-fds": int("pass N additional file descriptors to the process (stdio + $LISTEN_FDS + N in total)"),
  cgroup: list("run the process in an (existing) sub-cgroup(s), [<controller>:]<cgroup>"),
  "ignore-paused": bool("allow exec in a paused container"),
} as const;

export type ExecFlags = typeof FLAGS;

export const exec = command({
  operands: "<container-id> <command> [command options]  || -p process.json <container-id>",
  flags: FLAGS,
  least: 1,
  most: Number.POSITIVE_INFINITY,
  interspersed: false,
  run: (call, flags, [id = "", ...args]) =>
    failing("exec failed", NOT_STARTED, async () => {
      const dir = new ContainerDir(call.root, id);
      const state = dir.load();
      checkStatus(dir, state, flags["ignore-paused"]);
      const process = flags.process === "" ? processOf(state, flags, args) : loadProcess(flags.process);
      return await execInContainer(call, dir, state, process, {
        consoleSocket: absolute(flags["console-socket"]),
        pidfdSocket: absolute(flags["pidfd-socket"]),
        pidFile: absolute(flags["pid-file"]),
        preserveFds: flags["preserve-fds"],
        isDetached: flags.detach,
        subCgroups: flags.cgroup,
      });
    }),
});

function checkStatus(dir: ContainerDir, state: ContainerState, mayBePaused: boolean): void {
  const status = dir.statusOf(state);
  const wrong = (message: string) => new Fault("conflict", message, { code: "container.wrong-status" });
  if (status === "stopped") throw wrong("cannot exec in a stopped container");
  if (status === "paused" && !mayBePaused)
    throw wrong("cannot exec in a paused container (use --ignore-paused to override)");
}

function loadProcess(path: string): OciProcess {
  return parseProcess(readFileSync(path, "utf8")).process;
}
