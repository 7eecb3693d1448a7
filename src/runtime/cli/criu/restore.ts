// From images to a running container (`criu restore`). What belongs to creation (bundle, cgroup, claim on the id, state) is as there; criu takes the
// place of the program.

import { mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { bool, type FlagValues, string } from "../../../lib/flags/spec.ts";
import { formatNano, nowNano } from "../../../lib/time.ts";
import type { CgroupHost, CgroupPaths } from "../../../linux/cgroupfs/hierarchy.ts";
import { askCriu, FIRST_OPENED } from "../../../linux/criu.ts";
import { MS } from "../../../linux/mount-flags.ts";
import { inner, type Op } from "../../../linux/ops.ts";
import { asNumber, type Reply } from "../../../linux/wire.ts";
import type { CgroupPlan } from "../../cgroup/plan.ts";
import type { OciSpec } from "../../spec/oci.ts";
import { BUNDLE_FLAGS, absolute } from "../bundle-flags.ts";
import type { Invocation } from "../invocation.ts";
import { checkTerminal, type Created, giveUpCreation, loadBundle, writePidFile } from "../life/create.ts";
import { destroyContainer, killContainer } from "../life/destroy.ts";
import { planHooks } from "../../plan/hooks.ts";
import { stateText } from "../life/hooks.ts";
import { runForeground, runOps } from "../life/keel-run.ts";
import { dropIntent, intentOf, saveIntent } from "../interrupted/intent.ts";
import { inScope, planPlace } from "../place/place.ts";
import { ContainerDir, type ContainerState } from "../life/store.ts";
import { answerOf, checkCriu, criuFault, findCriu, imageCall } from "./call.ts";
import { commonOptions, CRIU_FLAGS, type ImagePlace, makePlace } from "./flags.ts";
import { criuRequest, REQUEST } from "./messages.ts";
import { mountPointOps, namesAtRestore } from "./mounts.ts";
import { foreignNamespaces, namespacesToJoin } from "./namespaces.ts";
import { loadStdio } from "./stdio.ts";

export const RESTORE_FLAGS = {
  ...CRIU_FLAGS,
  bundle: BUNDLE_FLAGS.bundle,
  "console-socket": BUNDLE_FLAGS["console-socket"],
  "pid-file": BUNDLE_FLAGS["pid-file"],
  "no-pivot": BUNDLE_FLAGS["no-pivot"],
  detach: bool("detach from the container's process", { short: "d" }),
  "no-subreaper": bool("disable the use of the subreaper used to reap reparented processes"),
  "lsm-profile": string("specify an LSM profile to be used during restore in the form of TYPE:NAME"),
  "lsm-mount-context": string("specify an LSM mount context to be used during restore"),
} as const;

export type RestoreFlags = FlagValues<typeof RESTORE_FLAGS>;

const LOG_FILE = "restore.log";

/** Restores. Throws Fault or SysError, and nothing is left then. */
export async function restoreContainer(call: Invocation, id: string, flags: RestoreFlags): Promise<Created> {
  const program = findCriu("restore");
  const dir = new ContainerDir(call.root, id);
  const bundle = resolve(flags.bundle);
  const spec = loadBundle(call, bundle, []);
  const console = { isDetached: flags.detach, consoleSocket: absolute(flags["console-socket"]) };
  checkTerminal(spec.process?.terminal === true, console);
  if (flags["no-pivot"])
    call.log.warn("--no-pivot changes nothing: it is criu that enters the root of a restored container");
  const place = makePlace(flags);
  dir.make();
  try {
    checkCriu(program, dir.path, {});
    return await launch(call, { program, dir, bundle, spec, place }, flags);
  } catch (error) {
    await giveUpCreation(call, dir);
    throw criuFault(error, `restore container ${id}`, { ...place, logFile: LOG_FILE, log: call.log });
  }
}

interface Claimed {
  program: string;
  dir: ContainerDir;
  bundle: string;
  spec: OciSpec;
  place: ImagePlace;
}

async function launch(call: Invocation, claimed: Claimed, flags: RestoreFlags): Promise<Created> {
  const { dir, bundle, spec } = claimed;
  const planned = await planPlace(call, spec, dir.id);
  const { host, scope, cgroup } = planned;
  saveIntent(dir, intentOf(spec, planned, []));
  for (const warning of cgroup.warnings) call.log.warn(warning);
  const ops = [...cgroup.create, restoreOp(claimed, flags, { host, cgroup })];
  const { outcome, foreground } = await inScope(scope, async () => {
    if (flags.detach) return { outcome: runOps(ops, dir.path), foreground: undefined };
    const stays = await runForeground(ops, dir.path);
    return { outcome: stays.outcome, foreground: stays };
  });
  const { results, warnings } = outcome;
  for (const warning of warnings) call.log.warn(warning);
  const [pid, startTicks] = answerOf(results.at(-1)).rest as [Reply, Reply];
  const state: ContainerState = {
    id: dir.id,
    bundle,
    spec,
    created: formatNano(nowNano()),
    pid: asNumber(pid),
    startTicks: asNumber(startTicks),
    namespaces: foreignNamespaces(asNumber(pid)),
    cgroup: { paths: cgroup.paths, ...cgroup.join, ...(scope ? { unit: scope.unit.name } : {}) },
  };
  try {
    dir.save(state);
    dropIntent(dir);
    if (flags["pid-file"] !== "") writePidFile(absolute(flags["pid-file"]), state.pid);
  } catch (error) {
    killContainer(state);
    await destroyContainer(dir, state);
    throw error;
  }
  return { dir, state, ...(foreground ? { foreground } : {}) };
}

function restoreOp(
  { program, dir, bundle, spec, place }: Claimed,
  flags: RestoreFlags,
  { host, cgroup }: { host: CgroupHost; cgroup: CgroupPlan },
): Op {
  const target = join(dir.path, "criu-root");
  mkdirSync(target, { mode: 0o755 });
  const images = imageCall(program, place);
  const joins = namespacesToJoin(spec);
  const request = criuRequest.encode({
    type: REQUEST.restore,
    options: {
      ...commonOptions(flags, spec, LOG_FILE),
      root: target,
      evasiveDevices: true,
      restoreSibling: true,
      externalMounts: namesAtRestore(spec, cgroup.views),
      joinedNamespaces: joins.joined,
      inheritedFds: [
        ...joins.named.map(({ key }, i) => ({ key, fd: FIRST_OPENED + images.opened.length + i })),
        ...loadStdio(place.imageDir),
      ],
      cgroupRoots: cgroupRoots(host, cgroup.paths),
      lsmProfile: flags["lsm-profile"],
      lsmMountContext: flags["lsm-mount-context"],
    },
  });
  const rootPath = spec.root?.path ?? "";
  return askCriu({
    ...images,
    opened: [...images.opened, ...joins.opened],
    request,
    restore: {
      isForeground: !flags.detach,
      isSubreaper: !flags.detach && !flags["no-subreaper"],
      consoleSocket: absolute(flags["console-socket"]),
      ...cgroup.join,
      root: rootPath,
      target,
      prepare: [
        inner.rootPropagation(MS.PRIVATE | MS.REC),
        inner.root({ kind: "dir", path: rootPath }, target),
        ...mountPointOps(spec),
      ],
      hooks: ["prestart" as const, "createRuntime" as const].flatMap((kind) =>
        planHooks(spec.hooks ?? {}, kind, process.env),
      ),
      state: stateText({ id: dir.id, bundle, spec }, "creating"),
    },
  });
}

/** Where what criu restores of cgroups begins, per controller: a path inside its hierarchy. */
function cgroupRoots(host: CgroupHost, paths: CgroupPaths): { controller: string; path: string }[] {
  const v1 = host.v1.flatMap(({ controllers, name, mountpoint }) => {
    const key = name === "" ? controllers.join(",") : `name=${name}`;
    const path = paths.v1[name === "" ? (controllers[0] ?? "") : key];
    return path === undefined ? [] : [{ controller: key, path: path.slice(mountpoint.length) || "/" }];
  });
  if (paths.v2 === "" || host.v2 === undefined) return v1;
  return [...v1, { controller: "", path: paths.v2.slice(host.v2.mountpoint.length) || "/" }];
}
