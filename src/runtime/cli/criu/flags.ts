// The flags that `checkpoint` and `restore` have in common, and what they stand for.

import { mkdirSync } from "node:fs";
import { Fault } from "../../../lib/errors.ts";
import { bool, type FlagValues, list, string } from "../../../lib/flags/spec.ts";
import { CLONE_FLAG } from "../../plan/namespaces.ts";
import type { OciSpec } from "../../spec/oci.ts";
import { absolute } from "../bundle-flags.ts";
import { CGROUPS_MODE, type CriuOptions } from "./messages.ts";

export const CRIU_FLAGS = {
  "image-path": string("path for criu image files (default ./checkpoint)"),
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

/** Where images and log are. */
export interface ImagePlace {
  imageDir: string;
  /** "": criu works in the image directory. */
  workDir: string;
}

export type CriuFlags = FlagValues<typeof CRIU_FLAGS>;

/** Makes the directories; runc's default is a directory `checkpoint` where it is called. */
export function makePlace(flags: CriuFlags): ImagePlace {
  const imageDir = absolute(flags["image-path"] || "checkpoint");
  const workDir = absolute(flags["work-path"]);
  for (const dir of [imageDir, workDir]) if (dir !== "") mkdirSync(dir, { recursive: true, mode: 0o700 });
  return { imageDir, workDir };
}

/** Returns the options that both kinds of requests have. Throws Fault for values that stand for nothing. */
export function commonOptions(flags: CriuFlags, spec: OciSpec, logFile: string): CriuOptions {
  return {
    imagesDirFd: IMAGES_FD,
    ...(flags["work-path"] === "" ? {} : { workDirFd: WORK_FD }),
    logLevel: 4,
    logFile,
    notifyScripts: true,
    tcpEstablished: flags["tcp-established"],
    extUnixSk: flags["ext-unix-sk"],
    shellJob: flags["shell-job"],
    fileLocks: flags["file-locks"],
    autoDedup: flags["auto-dedup"],
    lazyPages: flags["lazy-pages"],
    orphanPtsMaster: true,
    manageCgroupsMode: cgroupsMode(flags["manage-cgroups-mode"]),
    emptyNamespaces: emptyNamespaces(flags["empty-ns"]),
    ...configFile(spec),
  };
}

/** By the order of `opened` in call.ts. */
const IMAGES_FD = 4;
const WORK_FD = 5;

function cgroupsMode(name: string): number {
  const mode = CGROUPS_MODE[(name || "default") as keyof typeof CGROUPS_MODE];
  if (mode === undefined || name === "default") throw usage("invalid manage-cgroups-mode value");
  return mode;
}

/** Devices and addresses are whoever's that made the network namespace: criu gives the container an empty one. */
function emptyNamespaces(names: readonly string[]): number {
  for (const name of names) if (name !== "network") throw usage(`namespace "${name}" is not supported`);
  return CLONE_FLAG.network;
}

/** compat: options that the machine's owner wants for containers are in the file that runc reads, or the one that the container names. */
function configFile({ annotations = {} }: OciSpec): { configFile?: string } {
  const named = annotations["org.criu.config"];
  if (named === "") return {};
  return { configFile: named ?? "/etc/criu/runc.conf" };
}

export function usage(message: string): Fault {
  return new Fault("invalidParameter", message, { code: "runtime.criu-option" });
}
