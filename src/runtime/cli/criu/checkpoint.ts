// From a running container to images of it (`criu dump`); afterwards it is gone unless it is to go on.

import { statSync } from "node:fs";
import { isAbsolute, join } from "node:path";
import { messageOf } from "../../../lib/errors.ts";
import { askCriu } from "../../../linux/criu.ts";
import type { FlagValues } from "../../../lib/flags/spec.ts";
import { bool, int, string } from "../../../lib/flags/spec.ts";
import { pidsIn } from "../life/cgroup-end.ts";
import { runOps } from "../life/keel-run.ts";
import type { ContainerDir, ContainerState } from "../life/store.ts";
import type { Logger } from "../logger.ts";
import { checkCriu, criuFault, findCriu, imageCall } from "./call.ts";
import { commonOptions, CRIU_FLAGS, makePlace, usage } from "./flags.ts";
import { type CriuOptions, criuRequest, REQUEST } from "./messages.ts";
import { namesAtCheckpoint } from "./mounts.ts";
import { externalNamespaces } from "./namespaces.ts";
import { saveStdio } from "./stdio.ts";

export const CHECKPOINT_FLAGS = {
  ...CRIU_FLAGS,
  "parent-path": string("path for previous criu image files in pre-dump"),
  "leave-running": bool("leave the process running after checkpointing"),
  "tcp-skip-in-flight": bool("skip in-flight tcp connections"),
  "link-remap": bool("allow one to link unlinked files back when possible"),
  "status-fd": int("criu writes \\0 to this FD once lazy-pages is ready", { initial: -1 }),
  "page-server": string("ADDRESS:PORT of the page server"),
  "pre-dump": bool("dump container's memory information only, leave the container running after this"),
} as const;

export type CheckpointFlags = FlagValues<typeof CHECKPOINT_FLAGS>;

const LOG_FILE = "dump.log";

/** Makes the images. Throws Fault. */
export function checkpointContainer(
  log: Logger,
  dir: ContainerDir,
  state: ContainerState,
  flags: CheckpointFlags,
): void {
  const program = findCriu("checkpoint");
  const isPreDump = flags["pre-dump"];
  const place = makePlace(flags);
  const options = {
    ...commonOptions(flags, state.spec, LOG_FILE),
    ...dumpOptions(state, flags),
    ...parentOptions(place.imageDir, flags["parent-path"]),
    // compat: a pre-dump is of memory alone
    ...(isPreDump ? {} : { externalMounts: namesAtCheckpoint(state.pid, state.spec, dir.path) }),
  };
  const statusFd = statusDescriptor(flags);
  checkCriu(program, dir.path, {
    ...(isPreDump ? { memoryTracking: true } : {}),
    ...(flags["lazy-pages"] ? { lazyPages: true } : {}),
  });
  if (!isPreDump) saveStdio(place.imageDir, state.pid, pidsIn(state.cgroup.paths));
  const request = criuRequest.encode({ type: isPreDump ? REQUEST.preDump : REQUEST.dump, options });
  const op = askCriu({ ...imageCall(program, place), request, hasStatusFd: statusFd.length > 0 });
  try {
    runOps([op], dir.path, statusFd);
  } catch (error) {
    throw criuFault(error, `checkpoint container ${dir.id}`, { ...place, logFile: LOG_FILE, log });
  }
}

function dumpOptions(state: ContainerState, flags: CheckpointFlags): CriuOptions {
  const freezer = state.cgroup.paths.v1["freezer"] ?? state.cgroup.paths.v2;
  return {
    pid: state.pid,
    root: state.spec.root?.path ?? "",
    leaveRunning: flags["leave-running"],
    tcpSkipInFlight: flags["tcp-skip-in-flight"],
    linkRemap: flags["link-remap"],
    external: externalNamespaces(state.spec),
    ...(freezer === "" ? {} : { freezeCgroup: freezer }),
    ...pageServer(flags["page-server"]),
  };
}

function pageServer(text: string): CriuOptions {
  if (text === "") return {};
  const [, bracketed, plain, port = ""] = /^(?:\[(.+)\]|([^:]+)):(\d+)$/.exec(text) ?? [];
  const address = bracketed ?? plain;
  if (address === undefined) throw usage("Use --page-server ADDRESS:PORT to specify page server");
  if (Number(port) < 1 || Number(port) > 0xffff) throw usage("Invalid port number");
  return { pageServer: { address, port: Number(port) } };
}

/** The images that these are the changes to. criu looks for them from the image directory. */
function parentOptions(imageDir: string, path: string): CriuOptions {
  if (path === "") return {};
  if (isAbsolute(path)) throw usage("--parent-path must be relative");
  try {
    if (!statSync(join(imageDir, path)).isDirectory()) throw usage("not a directory");
  } catch (error) {
    throw usage(`invalid --parent-path: ${messageOf(error)}`);
  }
  return { parentImage: path, trackMem: true };
}

function statusDescriptor(flags: CheckpointFlags): number[] {
  const fd = flags["status-fd"];
  return flags["lazy-pages"] && fd >= 0 ? [fd] : [];
}
