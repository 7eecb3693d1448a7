// From the engine's description of a container to an OCI specification, by Docker's rules (moby's createSpec).
// The story of the whole is generateSpec; each part of it is a function here or a file beside this one.
// Decides only: facts of the machine come in through SpecHost, kernel operations are plan/'s matter.

import { posix } from "node:path";
import { cleanCgroupPath } from "../../linux/cgroupfs/hierarchy.ts";
import { chooseProfile } from "../apparmor/choose.ts";
import { DEFAULT_CAPABILITIES } from "../caps/names.ts";
import { containerCapabilities } from "../caps/sets.ts";
import { DEFAULT_PROFILE } from "../seccomp/default-profile.ts";
import { cachedResolve } from "../seccomp/cache.ts";
import {
  DEFAULT_NET_SYSCTLS,
  DEFAULT_PATH,
  INIT_DESTINATION,
  MASKED_PATHS,
  OCI_VERSION,
  READONLY_PATHS,
} from "./defaults.ts";
import { generateDevices } from "./devices.ts";
import { loadSpecHost, type SpecHost } from "./host.ts";
import { idMappings } from "./id-mappings.ts";
import type { NamespaceMode, SpecInput, SpecResources } from "./input.ts";
import { generateMounts, hasOwnInit } from "./mounts.ts";
import type {
  OciCapabilities,
  OciLinux,
  OciNamespace,
  OciNamespaceType,
  OciProcess,
  OciSeccomp,
  OciSpec,
} from "./oci.ts";
import { generateResources } from "./resources.ts";
import { rlimitOf } from "./rlimits.ts";
import { parseSecurityOpts, type SecurityOptions } from "./security-opts.ts";
import { dottedSysctl } from "./sysctl.ts";
import { validateSpecInput } from "./validate.ts";

export interface GeneratedSpec {
  spec: OciSpec;
  /** For the user, such as limits that this machine cannot enforce and that were left out. */
  warnings: string[];
}

/**
 * Returns the specification of a container. Throws Fault invalidParameter, with Docker's text, for anything that
 * contradicts itself or that this machine refuses.
 */
export function generateSpec(input: SpecInput, host: SpecHost = loadSpecHost()): GeneratedSpec {
  const { limits, warnings } = validateSpecInput(input, host);
  const warn = (text: string) => void warnings.push(text);
  const security = parseSecurityOpts(input.securityOpts ?? []);
  const capabilities = containerCapabilities(
    DEFAULT_CAPABILITIES,
    { add: input.capAdd ?? [], drop: input.capDrop ?? [], isPrivileged: input.privileged === true },
    host.boundingMask,
  );
  const seccomp = generateSeccomp(input, security, capabilities, host);
  const spec: OciSpec = {
    ociVersion: OCI_VERSION,
    process: generateProcess(input, security, capabilities, host),
    root: { path: input.rootPath ?? "rootfs", ...(input.readonlyRootfs ? { readonly: true } : {}) },
    ...(hasOwnUts(input) && input.hostname ? { hostname: input.hostname } : {}),
    ...(hasOwnUts(input) && input.domainname ? { domainname: input.domainname } : {}),
    ...generateLinux(input, { security, seccomp, limits }, host, warn),
    ...(input.annotations && Object.keys(input.annotations).length > 0
      ? { annotations: { ...input.annotations } }
      : {}),
  };
  return { spec, warnings };
}

const hasOwnUts = (input: SpecInput) => (input.namespaces?.uts?.kind ?? "private") === "private";

function generateProcess(
  input: SpecInput,
  security: SecurityOptions,
  capabilities: string[],
  host: SpecHost,
): OciProcess {
  const isPrivileged = input.privileged === true;
  const apparmorProfile = chooseProfile(security.apparmorProfile, { isPrivileged }, host);
  const args = hasOwnInit(input) ? [INIT_DESTINATION, "--", ...input.args] : [...input.args];
  return {
    ...(input.tty ? { terminal: true } : {}),
    ...(input.tty && input.consoleSize
      ? { consoleSize: { height: input.consoleSize.rows, width: input.consoleSize.columns } }
      : {}),
    user: generateUser(input),
    args,
    env: containerEnv(input),
    cwd: posix.normalize(input.cwd || "/").replace(/(?<=.)\/$/, ""),
    capabilities: capabilitySets(capabilities),
    ...(input.ulimits && input.ulimits.length > 0 ? { rlimits: input.ulimits.map(rlimitOf) } : {}),
    ...((security.noNewPrivileges ?? input.noNewPrivileges) ? { noNewPrivileges: true } : {}),
    ...(apparmorProfile === "" ? {} : { apparmorProfile }),
    oomScoreAdj: input.oomScoreAdj ?? 0,
  };
}

/** Inheritable and ambient stay empty: a user other than root shall not carry capabilities over exec (CVE-2022-24769). */
function capabilitySets(names: string[]): OciCapabilities {
  return { bounding: [...names], effective: [...names], permitted: [...names] };
}

function generateUser(input: SpecInput): OciProcess["user"] {
  const username = input.user ?? "";
  const numbers = /^(\d{1,10})(?::(\d{1,10}))?$/.exec(username);
  return {
    uid: numbers ? Number(numbers[1]) : 0,
    gid: numbers?.[2] ? Number(numbers[2]) : 0,
    username,
    ...(input.groups && input.groups.length > 0 ? { additionalGroups: [...input.groups] } : {}),
  };
}

/**
 * Returns the environment of a container's processes: PATH, HOSTNAME and (with a terminal) TERM, unless the given
 * one has them; a name without `=` removes that variable. The order is Docker's.
 */
export function containerEnv(input: { env: readonly string[]; hostname?: string; tty?: boolean }): string[] {
  const defaults = [`PATH=${DEFAULT_PATH}`];
  if (input.hostname) defaults.push(`HOSTNAME=${input.hostname}`);
  if (input.tty) defaults.push("TERM=xterm");
  return mergeEnv(defaults, input.env);
}

/** Returns `base` with the variables of `overrides` replaced in place, appended, or (without `=`) removed. */
export function mergeEnv(base: readonly string[], overrides: readonly string[]): string[] {
  const merged = [...base];
  const nameOf = (entry: string) => entry.split("=", 1)[0];
  const indexes = new Map(merged.map((entry, i) => [nameOf(entry), i]));
  const removed = new Set<number>();
  for (const entry of overrides) {
    const at = indexes.get(nameOf(entry));
    if (!entry.includes("=")) {
      if (at !== undefined) removed.add(at);
    } else if (at === undefined) {
      indexes.set(nameOf(entry), merged.push(entry) - 1);
    } else {
      merged[at] = entry;
      removed.delete(at);
    }
  }
  return merged.filter((_, i) => !removed.has(i));
}

/** A privileged container has no filter unless one is asked for by name or content. */
function generateSeccomp(
  input: SpecInput,
  security: SecurityOptions,
  capabilities: readonly string[],
  host: SpecHost,
): OciSeccomp | undefined {
  const asked = security.seccomp;
  if (asked === "unconfined" || (input.privileged && typeof asked !== "object")) return undefined;
  const fallback = input.seccompProfile ?? DEFAULT_PROFILE;
  const profile = asked === "builtin" ? DEFAULT_PROFILE : (asked ?? fallback);
  if (profile === "unconfined") return undefined;
  return cachedResolve(profile, { arch: host.arch, capabilities, kernel: host.kernelRelease });
}

function generateLinux(
  input: SpecInput,
  checked: { security: SecurityOptions; seccomp: OciSeccomp | undefined; limits: SpecResources },
  host: SpecHost,
  warn: (text: string) => void,
): Pick<OciSpec, "mounts" | "linux"> {
  const { security, seccomp, limits } = checked;
  const hasWritableCgroups = security.hasWritableCgroups ?? input.privileged === true;
  const { mounts, rootfsPropagation } = generateMounts(input, { hasWritableCgroups }, host);
  const { devices, rules } = generateDevices(input, host, warn);
  const linux: OciLinux = {
    ...optionalMap("sysctl", generateSysctls(input, host)),
    resources: generateResources(limits, rules, host),
    cgroupsPath: `${cleanCgroupPath(input.cgroupParent || "/docker")}/${input.id}`,
    namespaces: generateNamespaces(input, host),
    ...(input.idMap === undefined ? {} : idMappings(input.idMap)),
    devices,
    ...(seccomp ? { seccomp } : {}),
    ...(rootfsPropagation === "" ? {} : { rootfsPropagation }),
    maskedPaths: [...(input.maskedPaths ?? (input.privileged ? [] : defaultMaskedPaths(host)))],
    readonlyPaths: [...(input.readonlyPaths ?? (input.privileged ? [] : READONLY_PATHS))],
  };
  return { mounts, linux };
}

/** What is masked on this machine when nothing else is said (API HostConfig.MaskedPaths shows it). */
export function defaultMaskedPaths(host: Pick<SpecHost, "thermalPaths">): string[] {
  return [...MASKED_PATHS, ...host.thermalPaths];
}

function optionalMap<K extends string, V extends object>(key: K, map: V): { [P in K]?: V } {
  return (Object.keys(map).length > 0 ? { [key]: map } : {}) as { [P in K]?: V };
}

/** Takes groups, of which a user namespace has not all: the kernel refuses the range there. */
const UNMAPPED_SYSCTLS: ReadonlySet<string> = new Set(["net.ipv4.ping_group_range"]);

/** A sysctl that the kernel lacks is left out of the defaults, never out of what the user asked for. */
function generateSysctls(input: SpecInput, host: SpecHost): Record<string, string> {
  const sysctls: Record<string, string> = {};
  const net = input.namespaces?.net?.kind ?? "private";
  const isMappedContainer = input.idMap !== undefined || host.isMapped;
  if (net === "private" || net === "none") {
    for (const [name, value] of Object.entries(DEFAULT_NET_SYSCTLS)) {
      if (host.hasSysctl(name) && !(isMappedContainer && UNMAPPED_SYSCTLS.has(name))) sysctls[name] = value;
    }
  }
  for (const [name, value] of Object.entries(input.sysctls ?? {})) sysctls[dottedSysctl(name)] = value;
  return sysctls;
}

/** In Docker's order. The network namespace of mode `none` is an own one with nothing in it. */
function generateNamespaces(input: SpecInput, host: SpecHost): OciNamespace[] {
  const modes = input.namespaces ?? {};
  const namespaces: OciNamespace[] = [{ type: "mount" }];
  const add = (type: OciNamespaceType, mode: NamespaceMode | undefined) => {
    if (mode?.kind === "host") return;
    namespaces.push(mode?.kind === "path" ? { type, path: mode.path } : { type });
  };
  add("network", modes.net);
  add("uts", modes.uts);
  add("pid", modes.pid);
  add("ipc", modes.ipc);
  const cgroup = modes.cgroup ?? { kind: host.cgroups.mode === "unified" ? "private" : "host" };
  if (host.features.cgroupNamespaces) add("cgroup", cgroup);
  if (input.idMap !== undefined) add("user", modes.user?.kind === "path" ? modes.user : { kind: "private" });
  return namespaces;
}
