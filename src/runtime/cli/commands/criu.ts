// `checkpoint` and `restore`. They are CRIU's work, which this version does not direct yet: both are refused, before anything is touched,
// with what is missing. The flags are runc's, so that whoever asks hears that and no complaint about a flag.

import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { Fault } from "../../../lib/errors.ts";
import { bool, int, list, string } from "../../../lib/flags/spec.ts";
import { BUNDLE_FLAGS } from "../bundle-flags.ts";
import { command } from "../invocation.ts";
import { ContainerDir } from "../life/store.ts";

const COMMON = {
  "image-path": string("path to criu image files"),
  "work-path": string("path for saving work files and logs"),
  "tcp-established": bool("allow open tcp connections"),
  "ext-unix-sk": bool("allow external unix sockets"),
  "shell-job": bool("allow shell jobs"),
  "lazy-pages": bool("use userfaultfd to lazily restore memory pages"),
  "file-locks": bool("handle file locks, for safety"),
  "manage-cgroups-mode": string("cgroups mode: soft|full|strict|ignore (default: soft)"),
  "empty-ns": list("create a namespace, but don't restore its properties"),
  "auto-dedup": bool("enable auto deduplication of memory images"),
} as const;

const place = { operands: "<container-id>", least: 1, most: 1, interspersed: true };

export const checkpoint = command({
  ...place,
  flags: {
    ...COMMON,
    "parent-path": string("path for previous criu image files in pre-dump"),
    "leave-running": bool("leave the process running after checkpointing"),
    "tcp-skip-in-flight": bool("skip in-flight tcp connections"),
    "link-remap": bool("allow one to link unlinked files back when possible"),
    "status-fd": int("criu writes \\0 to this FD once lazy-pages is ready", { initial: -1 }),
    "page-server": string("ADDRESS:PORT of the page server"),
    "pre-dump": bool("dump container's memory information only, leave the container running after this"),
  },
  run(call, _flags, [id = ""]) {
    new ContainerDir(call.root, id).load();
    throw refusal("checkpoint");
  },
});

export const restore = command({
  ...place,
  flags: {
    ...COMMON,
    ...BUNDLE_FLAGS,
    detach: bool("detach from the container's process", { short: "d" }),
    "no-subreaper": bool("disable the use of the subreaper used to reap reparented processes"),
    "lsm-profile": string("specify an LSM profile to be used during restore in the form of TYPE:NAME"),
    "lsm-mount-context": string("specify an LSM mount context to be used during restore"),
  },
  run() {
    throw refusal("restore");
  },
});

function refusal(what: string): Fault {
  const path = (process.env["PATH"] ?? "").split(delimiter).find((dir) => existsSync(join(dir, "criu")));
  return new Fault(
    "notImplemented",
    path === undefined
      ? `${what} needs the program criu, which is not installed`
      : `${what} through ${join(path, "criu")} is not available in this version`,
    { code: "runtime.criu" },
  );
}
