// From an OCI specification to the kernel operations that make the container, one by one and in order.
// Decides everything and touches nothing; keel executes. The order is the story of a container's birth:
//
//   host:   state directory, cgroups (each with its removal on failure), then the shim
//   (in a user namespace what comes before the console is done from outside of it: userns.ts)
//   inside: propagation → root → mounts → /dev → masks → console → pivot → names, sysctls → limits →
//           working directory → read-only root → privileges → barrier → program
//
// Masks come before the working directory is entered, so that a directory below a mask cannot be kept open;
// the root becomes read-only after the working directory had its chance to be made.

import { Fault } from "../../lib/errors.ts";
import { MS, propagationFlags } from "../../linux/mount-flags.ts";
import { host as hostOp, inner, type Op, type ShimPlan } from "../../linux/ops.ts";
import { DEFAULT_DEVICES, DEV_SYMLINKS } from "../spec/defaults.ts";
import { goArch, loadSpecHost } from "../spec/host.ts";
import type { OciDevice, OciProcess, OciSpec } from "../spec/oci.ts";
import { sysctlPath } from "../spec/sysctl.ts";
import { ALL_CPUS, planAttributes, planTimeOffsets } from "./attributes.ts";
import { launched } from "../../linux/launch.ts";
import { checkCallersMounts, hasCallersMounts, mountCallersRoot } from "./caller-mounts.ts";
import { bundleForHooks, refuseCallerHooks, withInnerHooks } from "./hooks.ts";
import type { ContainerPlan, PlanInput } from "./input.ts";
import { type MountPlan, planMounts, planTreePropagation } from "./mounts.ts";
import { type NamespacePlan, planNamespaces } from "./namespaces.ts";
import { makeUserns, planOutside, planUserns, type UsernsPlan, withOutsideOwners } from "./userns.ts";
import { capabilityWarnings, planPrivileges, planProgram, planRlimits } from "./process.ts";

/**
 * How far an attached client may lag behind a container. A reader that has stopped is cut off when it lags by more, one that
 * is only slower than the container then slows it down: nobody who reads loses a byte, and nobody who does not holds a container up.
 */
const SPILL_LIMIT_BYTES = 256 << 20;

/** Plans a container. Throws Fault invalidParameter or notImplemented for a specification that cannot be carried out. */
export function planContainer(input: PlanInput): ContainerPlan {
  const { spec, cgroup } = input;
  const process = spec.process;
  if (!process) throw invalid("the specification has no process");
  refuseUnsupported(spec);
  refuseCallerHooks(spec.hooks ?? {});
  const namespaces = planNamespaces(spec, input.netns, input.mayShareMounts);
  if (hasCallersMounts(spec)) checkCallersMounts(spec);
  const userns = planUserns(spec);
  const hasOutside = userns !== undefined && input.hasRightsOutside !== false;
  const warnings = [
    ...unsupportedIn(spec).map((name) => `${name} is not supported: ignored`),
    ...capabilityWarnings(process),
  ];
  const limits = planLimits(process);
  const tree = hasOutside
    ? planTree({ ...input, spec: withOutsideOwners(spec, userns.map) }, namespaces, userns)
    : planTree(input, namespaces, userns);
  warnings.push(...tree.warnings);
  const { bundle = "" } = input;
  const ops = [
    ...(hasOutside ? limits : tree.ops), // limits first: in the user namespace none can be raised
    ...planTimeOffsets(spec.linux ?? {}),
    ...planEntry(input, tree.later),
    ...planIdentity(spec, namespaces),
    ...(hasOutside ? [] : limits),
    ...planSetting(input, process),
    ...planPrivileges(process, {
      seccomp: spec.linux?.seccomp,
      arch: goArch(globalThis.process.arch),
      container: { id: input.id, bundle, annotations: spec.annotations ?? {} },
    }),
    ...(input.hasBarrier ? [inner.barrier()] : []),
    planProgram(process.args ?? [], process.env ?? []),
  ];
  const made =
    userns?.join.reg === undefined || input.isUsernsMade ? [] : [makeUserns(userns.map, input.idTools)];
  return {
    hostOps: [
      ...made,
      ...stateDirOps(input),
      ...bundleForHooks(input),
      ...(cgroup?.create ?? []),
      ...(hasCallersMounts(spec) ? mountCallersRoot(input.rootTarget) : []),
    ],
    shim: {
      ...shimOf(input, namespaces, withInnerHooks(ops, input)),
      joins: userns === undefined ? namespaces.joins : [userns.join, ...namespaces.joins],
      outside: hasOutside ? planOutside(userns.map, tree.ops) : null,
    },
    warnings,
  };
}

/** Returns the operations that make the shim's directory. */
export function stateDirOps({ stateDir }: Pick<PlanInput, "stateDir">): Op[] {
  return [hostOp.onFailure(hostOp.remove(stateDir)), hostOp.mkdir(stateDir, 0o700)];
}

/** Returns a shim that performs `ops`. */
export function shimOf(input: PlanInput, namespaces: NamespacePlan, ops: readonly Op[]): ShimPlan {
  const { cgroup } = input;
  const process = input.spec.process;
  return {
    id: input.id,
    stateDir: input.stateDir,
    isTty: process?.terminal === true,
    hasStdin: input.stdin?.isOpen === true,
    stdinOnce: input.stdin?.isOnce === true,
    rows: terminalSide(input.terminal?.rows || process?.consoleSize?.height),
    columns: terminalSide(input.terminal?.columns || process?.consoleSize?.width),
    cloneFlags: namespaces.cloneFlags,
    joins: namespaces.joins,
    cgroups: cgroup?.join.cgroups ?? [],
    cgroup2: cgroup?.join.cgroup2 ?? "",
    oomFile: cgroup?.oomFile ?? "",
    log: input.log,
    spill: { dir: input.spillDir ?? "", limitBytes: input.spillDir === undefined ? 0 : SPILL_LIMIT_BYTES },
    ops,
    outside: null,
    exitOps: [...(cgroup?.remove ?? []), ...(input.exitOps ?? [])],
    health: input.health ?? null,
  };
}

/** TIOCSWINSZ has 16 bits for each side; what is beyond them is no size that a terminal has. */
const terminalSide = (n: number | undefined) => (n === undefined || n > 0xffff ? 0 : n);

/** The root and what is in it. */
function planTree(input: PlanInput, namespaces: NamespacePlan, userns: UsernsPlan | undefined): MountPlan {
  const { spec, cgroup } = input;
  const linux = spec.linux ?? {};
  const mounts = planMounts(spec, {
    views: cgroup?.views ?? [],
    hasOwnCgroupNamespace: namespaces.hasOwnCgroup,
    isCallersTree: hasCallersMounts(spec),
    hasExactBinds: input.bundle !== undefined, // compat: runc's
    stageTarget: hasCallersMounts(spec) ? undefined : input.stageTarget,
    idMap: userns?.map,
    mayMountKernelFiles: userns === undefined || input.hasRightsOutside !== false,
    isProcfs: (path) => loadSpecHost().mountOf(path)?.fstype === "proc",
  });
  const ops = [
    ...planRoot(input),
    ...mounts.ops,
    ...planSharedShm(input),
    ...planDev(spec),
    ...[...new Set(linux.readonlyPaths ?? [])].map((path) => inner.readonly(path)),
    ...[...new Set(linux.maskedPaths ?? [])].map((path) => inner.mask(path)),
  ];
  return { ops, later: mounts.later, warnings: mounts.warnings };
}

function planRoot({ spec, root, rootTarget }: PlanInput): Op[] {
  if (hasCallersMounts(spec)) return [launched.rootHere(rootTarget)];
  return [
    inner.rootPropagation(planTreePropagation(spec)),
    ...(root.idMapped ?? []).map((dir) => inner.idMapped(dir)),
    inner.root(root, rootTarget),
  ];
}

/** From here on the host is out of sight. `later`: what becomes read-only when everything is in it, the console, too. */
function planEntry({ spec, hasNoPivot }: PlanInput, later: readonly Op[]): Op[] {
  return [
    ...(spec.process?.terminal ? [inner.console()] : []),
    ...later,
    hasCallersMounts(spec) ? launched.chroot() : hasNoPivot ? inner.moveRoot() : inner.pivot(),
    ...planRootPropagation(spec.linux?.rootfsPropagation),
  ];
}

/** What the specification mounts at /dev/shm itself counts instead. */
function planSharedShm({ spec, sharedShm }: PlanInput): Op[] {
  const isTaken = spec.mounts?.some((m) => m.destination === "/dev/shm") === true;
  return sharedShm === undefined || isTaken ? [] : [inner.bindFrom(sharedShm, "/dev/shm", "/dev/shm")];
}

/** Private and slave came with the tree; what shares must be said of the root itself, too. */
function planRootPropagation(name: string | undefined): Op[] {
  const flags = propagationFlags(name ?? "") ?? 0;
  return flags & (MS.SHARED | MS.UNBINDABLE) ? [inner.rootPropagation(flags)] : [];
}

/** /dev: unless the user brought one of his own, the nodes and links that every container has, then the extra nodes. */
function planDev(spec: OciSpec): Op[] {
  const isForeign = spec.mounts?.some((m) => m.destination === "/dev" && m.type === "bind") === true;
  if (isForeign) return [];
  const links = new Set<string>(DEV_SYMLINKS.map(([, path]) => path));
  // A privileged container would bring the host's /dev/ptmx: it has its own, behind the link.
  const extra = (spec.linux?.devices ?? []).filter((d) => !links.has(d.path));
  const overridden = new Set(extra.map((d) => d.path));
  return [
    ...DEFAULT_DEVICES.filter((d) => !overridden.has(d.path)).map((d) =>
      inner.device(d.path, "c", d.major, d.minor, 0o666),
    ),
    ...extra.map(deviceOp),
    ...DEV_SYMLINKS.map(([target, path]) => inner.symlink(target, path)),
  ];
}

function deviceOp(d: OciDevice): Op {
  const type = d.type === "u" ? "c" : d.type;
  if (type !== "c" && type !== "b" && type !== "p")
    throw invalid(`device ${d.path} has the unknown type "${d.type}"`);
  if (!d.path.startsWith("/")) throw invalid(`device path ${d.path} is not absolute`);
  return inner.device(
    d.path,
    type,
    d.major ?? 0,
    d.minor ?? 0,
    (d.fileMode ?? 0o666) & 0o7777,
    d.uid ?? 0,
    d.gid ?? 0,
  );
}

function planIdentity(spec: OciSpec, namespaces: NamespacePlan): Op[] {
  const sysctls = Object.entries(spec.linux?.sysctl ?? {});
  return [
    ...(namespaces.hasEmptyNetwork ? [inner.loopbackUp()] : []),
    ...(spec.hostname ? [inner.hostname(spec.hostname)] : []),
    ...(spec.domainname ? [inner.domainname(spec.domainname)] : []),
    ...sysctls.map(([name, value]) => inner.sysctl(sysctlPath(name), value)),
  ];
}

/** What a process keeps whatever user namespace it enters. */
function planLimits(process: OciProcess): Op[] {
  return [
    ...planRlimits(process),
    ...(process.oomScoreAdj === undefined ? [] : [inner.oomScoreAdj(process.oomScoreAdj)]),
  ];
}

function planSetting(input: PlanInput, process: OciProcess): Op[] {
  return [
    ALL_CPUS,
    ...planAttributes(process, input.spec.linux ?? {}),
    inner.keyring(`_ses.${input.id}`),
    inner.umask(process.user.umask ?? 0o022),
    inner.chdir(process.cwd, { create: true }),
    ...(input.spec.root?.readonly ? [inner.rootReadonly()] : []),
  ];
}

/** What would be less than was asked for is refused; what only adds is left out with a warning. */
function refuseUnsupported({ linux = {} }: OciSpec): void {
  const asked = {
    "linux.intelRdt": linux.intelRdt !== undefined,
    "linux.netDevices": Object.keys(linux.netDevices ?? {}).length > 0,
  };
  for (const [name, isAsked] of Object.entries(asked))
    if (isAsked)
      throw new Fault("notImplemented", `${name} is not supported by this version`, {
        code: "container.unsupported-field",
      });
}

function unsupportedIn(spec: OciSpec): string[] {
  const { linux = {} } = spec;
  const names: string[] = [];
  if (linux.personality?.flags?.length) names.push("linux.personality.flags");
  return names;
}

function invalid(message: string): Fault {
  return new Fault("invalidParameter", message, { code: "container.invalid-spec" });
}
