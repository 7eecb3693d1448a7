// From a bundle to a container that waits for `start`: read and check its specification, claim the id, have keel make it, note its
// state. What fails leaves nothing behind: keel takes back what it made, the directory goes last.

import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { Fault, messageOf, SysError } from "../../../lib/errors.ts";
import { formatNano, nowNano } from "../../../lib/time.ts";
import { type IdMap, parseIdMap } from "../../../linux/idmap.ts";
import { launchContainer } from "../../../linux/launch.ts";
import { host, type Op, OPCODES } from "../../../linux/ops.ts";
import { asList, asNumber, asText, type Reply } from "../../../linux/wire.ts";
import type { CgroupPlan } from "../../cgroup/plan.ts";
import { hasCallersMounts } from "../../plan/caller-mounts.ts";
import { parseSpec } from "../../spec/bundle/parse.ts";
import type { OciSpec } from "../../spec/oci.ts";
import { type BundlePlan, planBundle } from "./bundle-plan.ts";
import { dropIntent, intentOf, saveIntent } from "../interrupted/intent.ts";
import { mountIdOf } from "../place/caller-root.ts";
import { inheritedDescriptors } from "./descriptors.ts";
import { environment } from "./environment.ts";
import { destroyContainer, killContainer } from "./destroy.ts";
import { keepFilters } from "./filter-store.ts";
import { saveFrontPlan } from "./front-plan.ts";
import { stateText } from "./hooks.ts";
import type { Invocation } from "../invocation.ts";
import { type Foreground, runForeground, runOps } from "./keel-run.ts";
import { findNetDevices } from "./net-devices.ts";
import { inScope, type Place, planPlace } from "../place/place.ts";
import { isRootless } from "../place/rootless.ts";
import type { ResctrlGroup } from "../../resctrl/group.ts";
import { ContainerDir, type ContainerState } from "./store.ts";
import { traceOps, traceSeal, traceStage } from "./trace.ts";

export interface CreateOptions {
  id: string;
  /** "" is the working directory. */
  bundle: string;
  consoleSocket: string;
  pidfdSocket: string;
  pidFile: string;
  preserveFds: number;
  hasNoPivot: boolean;
  hasNoKeyring: boolean;
  /** Nobody of ours stays with it. */
  isDetached: boolean;
  isSubreaper: boolean;
}

export interface Created {
  dir: ContainerDir;
  state: ContainerState;
  /** When it is not detached. */
  foreground?: Foreground;
}

/** Makes the container. Throws Fault or SysError, and nothing is left then. */
export async function createContainer(call: Invocation, options: CreateOptions): Promise<Created> {
  const dir = new ContainerDir(call.root, options.id);
  const bundle = resolve(options.bundle);
  const inherited = inheritedDescriptors(options.preserveFds);
  const spec = loadBundle(call, bundle, inherited.env);
  checkTerminal(spec.process?.terminal === true, options);
  dir.make();
  try {
    return await launch(call, options, { dir, bundle, spec, fds: inherited.fds });
  } catch (error) {
    await giveUpCreation(call, dir);
    throw error;
  }
}

/** Nothing is left, whether keel could take back what it made or was killed. */
export async function giveUpCreation(call: Invocation, dir: ContainerDir): Promise<void> {
  const { recover } = await import("../interrupted/recover.ts");
  await recover(dir).catch((error: unknown) =>
    call.log.warn(`${messageOf(error)}: delete ${dir.id} once more`),
  );
}

export function loadBundle(call: Invocation, bundle: string, env: readonly string[]): OciSpec {
  let text: string;
  try {
    text = readFileSync(join(bundle, "config.json"), "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    throw new Fault("notFound", `JSON specification file ${join(bundle, "config.json")} not found`, {
      code: "bundle.no-config",
      cause: error,
    });
  }
  const { spec, warnings } = parseSpec(text, { bundle });
  for (const warning of warnings) call.log.warn(warning);
  return withEnvironment(withNotifySocket(spec, process.env["NOTIFY_SOCKET"]), env);
}

function withEnvironment(spec: OciSpec, added: readonly string[]): OciSpec {
  if (!spec.process) return spec;
  return { ...spec, process: { ...spec.process, env: environment([...(spec.process.env ?? []), ...added]) } };
}

/** Where a container that is a service of systemd's finds the socket to say that it is ready (sd_notify(3)). */
const NOTIFY_DESTINATION = "/run/notify/notify.sock";

function withNotifySocket(spec: OciSpec, socket: string | undefined): OciSpec {
  if (!socket?.startsWith("/")) return spec; // an abstract one is reached through the network namespace or not at all
  const mount = {
    destination: NOTIFY_DESTINATION,
    type: "bind",
    source: socket,
    options: ["bind", "nosuid", "noexec", "nodev"],
  };
  return withEnvironment({ ...spec, mounts: [...(spec.mounts ?? []), mount] }, [
    `NOTIFY_SOCKET=${NOTIFY_DESTINATION}`,
  ]);
}

/** compat: runc's words. */
export function checkTerminal(
  isTty: boolean,
  { isDetached, consoleSocket }: Pick<CreateOptions, "isDetached" | "consoleSocket">,
): void {
  const wrong = (message: string) =>
    new Fault("invalidParameter", message, { code: "runtime.console-socket" });
  if (isDetached && isTty && consoleSocket === "")
    throw wrong("cannot allocate tty if runc will detach without setting console socket");
  if ((!isDetached || !isTty) && consoleSocket !== "")
    throw wrong("cannot use console socket if runc will not detach or allocate tty");
}

interface Claimed {
  dir: ContainerDir;
  bundle: string;
  spec: OciSpec;
  fds: readonly number[];
}

async function launch(call: Invocation, options: CreateOptions, claimed: Claimed): Promise<Created> {
  const { spec } = claimed;
  const place = await planPlace(call, spec, options.id);
  const rdt = spec.linux?.intelRdt;
  if (rdt === undefined) {
    saveIntent(claimed.dir, intentOf(spec, place, []));
    return await launchAt(call, options, claimed, place);
  }
  const { makeResctrlGroup, missingGroups, removeResctrlGroup } = await import("../../resctrl/group.ts");
  saveIntent(claimed.dir, intentOf(spec, place, missingGroups(rdt, options.id)));
  const group = makeResctrlGroup(rdt, options.id);
  try {
    return await launchAt(call, options, claimed, place, group);
  } catch (error) {
    removeResctrlGroup(group);
    throw error;
  }
}

function loadUserMap(path: string, dir: string): IdMap {
  const [uids = [], gids = []] = asList(runOps([host.usernsMaps(path)], dir).results[0])
    .map(asText)
    .map(parseIdMap);
  return { uids, gids };
}

async function launchAt(
  call: Invocation,
  options: CreateOptions,
  claimed: Claimed,
  { scope, cgroup: own }: Place,
  resctrl?: ResctrlGroup,
): Promise<Created> {
  const { dir, bundle, spec } = claimed;
  const cgroup = resctrl === undefined ? own : joiningToo(own, resctrl.join);
  const named = { id: options.id, bundle, spec };
  keepFilters();
  const planned = planBundle({
    id: options.id,
    bundle,
    spec,
    stateDir: dir.path,
    cgroup,
    hasNoPivot: options.hasNoPivot,
    hasNoKeyring: options.hasNoKeyring,
    loadUserMap: (path) => loadUserMap(path, dir.path),
    netDevices: findNetDevices(spec, { dir: dir.path, isRootless: isRootless(call.rootless) }),
    creating: stateText(named, "creating"),
    created: stateText(named, "created"),
  });
  for (const warning of planned.warnings) call.log.warn(warning);
  traceOps(call.log, "outside", planned.hostOps);
  traceOps(call.log, "inside", planned.plan.ops);
  for (const [code, , flags] of planned.plan.ops)
    if (code === OPCODES.seccomp || code === OPCODES.seccompNotify)
      call.log.debug(`seccomp filter flags: ${String(flags)}`); // compat: runc's words
  traceStage(call.log, "making");
  const { outcome, foreground } = await inScope(scope, () => runLaunch(options, claimed, planned));
  const [pid, startTicks, warnings, way] = asList(outcome.results.at(-1)) as [Reply, Reply, Reply, Reply];
  for (const warning of asList(warnings)) call.log.warn(asText(warning));
  traceSeal(call.log, asText(way));
  traceStage(call.log, "inside");
  traceStage(call.log, "waiting");
  call.log.debug(`process ${asNumber(pid)} waits to be started`);
  const { plan } = planned;
  const state: ContainerState = {
    ...named,
    created: formatNano(nowNano()),
    pid: asNumber(pid),
    startTicks: asNumber(startTicks),
    namespaces: plan.joins.reduce((flags, join) => flags + join.type, plan.cloneFlags),
    cgroup: {
      paths: cgroup.paths,
      ...own.join,
      ...(scope ? { unit: scope.unit.name } : {}),
      ...(resctrl ? { resctrl } : {}),
    },
    ...(hasCallersMounts(spec) ? { rootMount: mountIdOf(spec.root?.path ?? "") } : {}),
  };
  try {
    dir.save(state);
    dropIntent(dir);
    saveFrontPlan(dir, state);
    if (options.pidFile !== "") writePidFile(options.pidFile, state.pid);
  } catch (error) {
    killContainer(state);
    await destroyContainer(dir, state);
    throw error;
  }
  return { dir, state, ...(foreground ? { foreground } : {}) };
}

const joiningToo = (cgroup: CgroupPlan, dirs: readonly string[]): CgroupPlan => ({
  ...cgroup,
  join: { ...cgroup.join, cgroups: [...cgroup.join.cgroups, ...dirs] },
});

async function runLaunch(options: CreateOptions, claimed: Claimed, planned: BundlePlan) {
  const { dir, fds } = claimed;
  const op = launchContainer(
    {
      isForeground: !options.isDetached,
      isSubreaper: options.isSubreaper,
      consoleSocket: options.consoleSocket,
      pidfdSocket: options.pidfdSocket,
      preservedFds: fds.length,
    },
    { startFifo: dir.fifo, callerHooks: planned.callerHooks, state: stateTextOf(claimed, options.id) },
    planned.plan,
  );
  const ops = [...planned.hostOps, op];
  try {
    if (options.isDetached) return { outcome: runOps(ops, dir.path, fds), foreground: undefined };
    const foreground = await runForeground(ops, dir.path, fds);
    return { outcome: foreground.outcome, foreground };
  } catch (error) {
    const isOutside = error instanceof SysError && error.op === "netlink"; // the container's operations have no netlink
    throw startFault(error, isOutside ? planned.labels.get(ops[error.index] as Op) : undefined);
  }
}

const stateTextOf = ({ bundle, spec }: Claimed, id: string) => stateText({ id, bundle, spec }, "creating");

/** Says of a failure of keel's what it kept from starting, as engines look for it; `label`: what the operation was for. */
export function startFault(error: unknown, label?: string): unknown {
  if (!(error instanceof SysError)) return error;
  const isWhole = error.op === "exec" || error.op === "hook"; // their text says all
  const what = label === undefined ? "" : `${label}: `;
  return new Fault(
    "system",
    `unable to start container process: ${what}${isWhole ? error.text : inRuncsWords(error)}`,
    {
      code: "container.not-started",
      cause: error,
    },
  );
}

/** compat: how runc begins, and what Go calls an errno. */
function inRuncsWords({ op, path, text, message }: SysError): string {
  if (op === "cgroup") return `error adding pid to ${message}`;
  if (op !== "mount_setattr") return message;
  return `error during container init: error mounting ${path}: ${op}: ${text.charAt(0).toLowerCase()}${text.slice(1)}`;
}

/** The file appears whole: whoever waits for it reads a number. */
export function writePidFile(path: string, pid: number): void {
  const fresh = join(dirname(path), `.${basename(path)}.${process.pid}`);
  writeFileSync(fresh, String(pid), { mode: 0o644 });
  renameSync(fresh, path);
}
