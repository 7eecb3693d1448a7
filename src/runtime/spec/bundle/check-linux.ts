// The rules of config.json's section `linux`.

import { propagationFlags } from "../../../linux/mount-flags.ts";
import { checkSysctls } from "../sysctl.ts";
import { parseIdList } from "../id-list.ts";
import { MEMORY_POLICIES, MEMORY_POLICY_FLAGS, wordsOf } from "../kernel-words.ts";
import type { OciDevice, OciLinux, OciNamespaceType } from "../oci.ts";
import { SECCOMP_ARCHES, SECCOMP_FLAGS } from "../../seccomp/words.ts";
import { checkResources } from "./check-resources.ts";
import type { BundleFacts } from "./facts.ts";
import { invalid } from "./shape.ts";

export function checkLinux(linux: OciLinux, facts: BundleFacts): void {
  checkNamespaces(linux, facts);
  const has = (type: OciNamespaceType) => linux.namespaces?.some((n) => n.type === type) === true;
  if (!has("mount") && (linux.maskedPaths?.length || linux.readonlyPaths?.length))
    throw invalid("linux.maskedPaths", "unable to restrict sys entries without a private MNT namespace");
  checkIdMappings(linux, has);
  checkTimeOffsets(linux);
  checkSysctls(linux.sysctl ?? {}, (type) => isHosts(linux, type, facts));
  if (linux.rootfsPropagation) checkPropagation(linux.rootfsPropagation, "linux.rootfsPropagation");
  for (const [i, device] of (linux.devices ?? []).entries()) checkDevice(device, `linux.devices[${i}]`);
  if (linux.resources) checkResources(linux.resources, "linux.resources");
  checkNetDevices(linux, has, facts);
  checkSeccomp(linux);
  checkMemoryPolicy(linux);
  checkRdt(linux, facts);
  if (linux.mountLabel && !facts.hasSelinux())
    throw invalid(
      "linux.mountLabel",
      "selinux label is specified in config, but selinux is disabled or not supported",
    );
}

function checkNamespaces(linux: OciLinux, facts: BundleFacts): void {
  const seen = new Set<OciNamespaceType>();
  for (const [i, { type, path }] of (linux.namespaces ?? []).entries()) {
    const at = `linux.namespaces[${i}]`;
    if (seen.has(type))
      throw invalid(at, `malformed spec file: duplicated ns ${JSON.stringify(type)}`, "each type once");
    seen.add(type);
    if (path !== undefined && path !== "" && !path.startsWith("/"))
      throw invalid(`${at}.path`, `${JSON.stringify(path)} is not absolute`, "an absolute path");
    if (!facts.hasNamespaceType(type))
      throw invalid(`${at}.type`, `${type} namespaces aren't enabled in the kernel`);
  }
}

/** Whether a namespace of the host's is what the container would change. */
function isHosts(linux: OciLinux, type: OciNamespaceType, facts: BundleFacts): boolean {
  const own = linux.namespaces?.find((n) => n.type === type);
  if (own === undefined) return true;
  return own.path ? facts.isOwnNamespace(type, own.path) : false;
}

function checkIdMappings(linux: OciLinux, has: (type: OciNamespaceType) => boolean): void {
  const { uidMappings, gidMappings } = linux;
  const hasMappings = Boolean(uidMappings?.length || gidMappings?.length);
  if (!has("user")) {
    if (hasMappings)
      throw invalid(
        "linux.uidMappings",
        "user namespace mappings specified, but user namespace isn't enabled in the config",
      );
    return;
  }
  if (!hasMappings && !linux.namespaces?.some((n) => n.type === "user" && n.path))
    throw invalid(
      "linux.uidMappings",
      "user namespaces enabled, but no namespace path to join nor mappings to apply specified",
    );
  for (const name of ["uidMappings", "gidMappings"] as const)
    for (const [i, { containerID, hostID, size }] of (linux[name] ?? []).entries())
      if (size === 0 || containerID + size > 2 ** 32 || hostID + size > 2 ** 32)
        throw invalid(`linux.${name}[${i}]`, "the range is empty or leaves the 32 bits of an id");
}

function checkTimeOffsets(linux: OciLinux): void {
  const time = linux.namespaces?.find((n) => n.type === "time");
  if (Object.keys(linux.timeOffsets ?? {}).length === 0) return;
  if (!time)
    throw invalid(
      "linux.timeOffsets",
      "time namespace offsets specified, but time namespace isn't enabled in the config",
    );
  if (time.path)
    throw invalid(
      "linux.timeOffsets",
      "time namespace enabled, but both namespace path and time offsets specified -- you may only provide one",
    );
}

function checkDevice(device: OciDevice, at: string): void {
  if (!device.path.startsWith("/"))
    throw invalid(`${at}.path`, `${device.path} is not absolute`, "an absolute path");
  if (device.type === "p") return;
  for (const name of ["major", "minor"] as const) {
    const number = device[name];
    if (number === undefined)
      throw invalid(`${at}.${name}`, "it is missing", "required unless the type is p");
    if (number < 0 || number >= 2 ** 32) throw invalid(`${at}.${name}`, `${number} is no device number`);
  }
}

function checkPropagation(word: string, at: string): void {
  if (propagationFlags(word) !== undefined) return;
  const allowed = ["shared", "slave", "private", "unbindable"].map((name) => `[r]${name}`).join(", ");
  throw invalid(at, `rootfsPropagation=${word} is not supported`, allowed);
}

/** dev_valid_name of the kernel (net/core/dev.c). */
function isInterfaceName(name: string): boolean {
  return name !== "." && name !== ".." && /^[^/:\s]{1,15}$/.test(name) && Buffer.byteLength(name) <= 15;
}

function checkNetDevices(
  linux: OciLinux,
  has: (type: OciNamespaceType) => boolean,
  facts: BundleFacts,
): void {
  const at = "linux.netDevices";
  const devices = Object.entries(linux.netDevices ?? {});
  if (devices.length === 0) return;
  if (!has("network")) throw invalid(at, "unable to move network devices without a NET namespace");
  if (isHosts(linux, "network", facts))
    throw invalid(at, "unable to move network devices: the NET namespace to be joined is the host's");
  const taken = new Set<string>();
  for (const [name, { name: inside }] of devices) {
    for (const text of [name, inside || name])
      if (!isInterfaceName(text)) throw invalid(at, `invalid network device name ${JSON.stringify(text)}`);
    if (taken.has(inside || name))
      throw invalid(at, `two network devices are to be called ${inside || name}`);
    taken.add(inside || name);
  }
}

function checkSeccomp(linux: OciLinux): void {
  const { seccomp } = linux;
  if (!seccomp) return;
  for (const [i, arch] of (seccomp.architectures ?? []).entries())
    if (!SECCOMP_ARCHES.includes(arch))
      throw invalid(
        `linux.seccomp.architectures[${i}]`,
        `string ${arch} is not a valid arch for seccomp`,
        SECCOMP_ARCHES.join(", "),
      );
  for (const [i, flag] of (seccomp.flags ?? []).entries())
    if (!Object.hasOwn(SECCOMP_FLAGS, flag))
      throw invalid(
        `linux.seccomp.flags[${i}]`,
        `seccomp flag ${JSON.stringify(flag)} is not known`,
        Object.keys(SECCOMP_FLAGS).join(", "),
      );
  if (seccomp.defaultAction === "SCMP_ACT_NOTIFY")
    throw invalid("linux.seccomp.defaultAction", "SCMP_ACT_NOTIFY cannot be used as default action");
  const notified = (seccomp.syscalls ?? []).filter((rule) => rule.action === "SCMP_ACT_NOTIFY");
  if (notified.some((rule) => rule.names.includes("write")))
    throw invalid("linux.seccomp.syscalls", "SCMP_ACT_NOTIFY cannot be used for the write syscall");
  if (notified.length > 0 && !seccomp.listenerPath)
    throw invalid("linux.seccomp.listenerPath", "it is missing", "required with SCMP_ACT_NOTIFY");
  if (seccomp.listenerMetadata && !seccomp.listenerPath)
    throw invalid("linux.seccomp.listenerMetadata", "listenerPath is not set", "only beside a listenerPath");
}

/** set_mempolicy(2): which policies take nodes. */
function checkMemoryPolicy(linux: OciLinux): void {
  const policy = linux.memoryPolicy;
  if (!policy) return;
  const what = "linux.memoryPolicy";
  if (!Object.hasOwn(MEMORY_POLICIES, policy.mode))
    throw invalid(
      `${what}.mode`,
      `invalid memory policy mode ${JSON.stringify(policy.mode)}`,
      wordsOf(MEMORY_POLICIES).join(", "),
    );
  for (const flag of policy.flags ?? [])
    if (!Object.hasOwn(MEMORY_POLICY_FLAGS, flag))
      throw invalid(
        `${what}.flags`,
        `invalid memory policy flag ${JSON.stringify(flag)}`,
        wordsOf(MEMORY_POLICY_FLAGS).join(", "),
      );
  const at = `${what}.nodes`;
  const nodes = parseIdList(policy.nodes ?? "", `${at}: invalid memory policy nodes`).length;
  if (policy.mode === "MPOL_DEFAULT" || policy.mode === "MPOL_LOCAL") {
    if (nodes > 0) throw invalid(at, `memory policy mode requires 0 nodes but got ${nodes}`);
  } else if (policy.mode !== "MPOL_PREFERRED" && nodes === 0) {
    throw invalid(at, "memory policy mode requires at least one node but got 0");
  }
}

function checkRdt(linux: OciLinux, facts: BundleFacts): void {
  const rdt = linux.intelRdt;
  if (!rdt) return;
  const { closID = "" } = rdt;
  if (closID === "." || closID === ".." || (closID.length > 1 && closID.includes("/")))
    throw invalid("linux.intelRdt.closID", `invalid intelRdt.ClosID ${JSON.stringify(closID)}`);
  for (const [name, lines] of Object.entries({
    l3CacheSchema: [rdt.l3CacheSchema ?? ""],
    memBwSchema: [rdt.memBwSchema ?? ""],
    schemata: rdt.schemata ?? [],
  }))
    if (lines.some((line) => line.includes("\n")))
      throw invalid(`linux.intelRdt.${name}`, "it contains a newline", "one line");
  if (rdt.memBwSchema && !rdt.memBwSchema.startsWith("MB:"))
    throw invalid("linux.intelRdt.memBwSchema", `${rdt.memBwSchema} does not start with MB:`);
  if (!facts.hasResctrl())
    throw invalid(
      "linux.intelRdt",
      "intelRdt is specified in config, but Intel RDT is not enabled: resctrl is not mounted",
    );
}
