// Limits as properties of a systemd unit (org.freedesktop.systemd1(5), systemd.resource-control(5)). systemd writes them into the unit's cgroups
// again whenever it likes, so that what it is not told would be lost; the files are written by us as well, since it knows only a part.

import { type DbusValue, Variant } from "../../lib/dbus/value.ts";
import { cpuWeightOfShares, swapMaxOf } from "../cgroup/convert.ts";
import { devicePolicyOf, type DeviceException } from "../cgroup/devices.ts";
import { maskOfIds, parseIdList } from "../spec/id-list.ts";
import type { OciCpu, OciDeviceRule, OciResources } from "../spec/oci.ts";
import { table } from "../../lib/table.ts";
import type { Property } from "./annotations.ts";

export interface Manager {
  /** 252 */
  version: number;
  isUnified: boolean;
}

const property = (name: string, signature: string, value: DbusValue): Property => [
  name,
  new Variant(signature, value),
];

const INFINITY = 2n ** 64n - 1n;
const wide = (name: string, value: number | bigint): Property => property(name, "t", BigInt(value));
/** -1 is no limit. */
const limit = (name: string, value: number): Property => wide(name, value < 0 ? INFINITY : value);

/** Returns what does not depend on limits: the scope of a container that makes cgroups below its own. */
export function scopeProperties(
  slice: string,
  description: string,
  pid: number,
  isUnified: boolean,
): Property[] {
  const on = (name: string) => property(name, "b", true);
  return [
    property("Description", "s", description),
    property("Slice", "s", slice),
    on("Delegate"),
    property("PIDs", "au", [pid]),
    on("MemoryAccounting"),
    on("CPUAccounting"),
    on(isUnified ? "IOAccounting" : "BlockIOAccounting"),
    on("TasksAccounting"),
    property("DefaultDependencies", "b", false),
  ];
}

/** Returns the properties for limits; what systemd has no word for is left to the files. */
export function limitProperties(r: OciResources, manager: Manager): Property[] {
  return [
    ...(r.devices === undefined ? [] : deviceProperties(r.devices)),
    ...memoryProperties(r, manager),
    ...cpuProperties(r.cpu ?? {}, manager),
    ...(r.blockIO?.weight && !manager.isUnified ? [wide("BlockIOWeight", r.blockIO.weight)] : []),
    ...(r.pids?.limit === undefined ? [] : [limit("TasksMax", r.pids.limit === 0 ? 1 : r.pids.limit)]),
    ...cpusetProperties(r.cpu ?? {}, manager),
    ...(manager.isUnified ? unifiedProperties(r.unified ?? {}, manager) : []),
  ];
}

function memoryProperties({ memory = {} }: OciResources, { isUnified }: Manager): Property[] {
  const max = memory.limit ? [limit(isUnified ? "MemoryMax" : "MemoryLimit", memory.limit)] : [];
  if (!isUnified) return max;
  const swap = swapMaxOf(memory.limit, memory.swap);
  return [
    ...max,
    ...(memory.reservation ? [limit("MemoryLow", memory.reservation)] : []),
    ...(swap === undefined ? [] : [wide("MemorySwapMax", swap === "max" ? INFINITY : BigInt(swap))]),
  ];
}

function cpuProperties(cpu: OciCpu, manager: Manager): Property[] {
  const isIdle = cpu.idle === 1 && manager.version >= 252 && manager.isUnified;
  const weight = manager.isUnified
    ? [wide("CPUWeight", cpuWeightOfShares(cpu.shares ?? 0))]
    : [wide("CPUShares", cpu.shares ?? 0)];
  return [
    ...(isIdle ? [wide("CPUWeight", 0)] : cpu.shares ? weight : []),
    ...quotaProperties(cpu.quota ?? 0, cpu.period ?? 0, manager),
  ];
}

const DEFAULT_PERIOD_US = 100_000;

/** systemd counts in hundredths of a CPU: rounded up, so that children can have what was asked for. In microseconds per second. */
function perSecond(quota: number, period: number): number {
  return Math.ceil((quota * 1_000_000) / (period || DEFAULT_PERIOD_US) / 10_000) * 10_000;
}

/** Returns the limits with the quota that systemd makes of it, so that the file has the same. */
export function withSystemdQuota(r: OciResources): OciResources {
  const { quota = 0, period = 0 } = r.cpu ?? {};
  if (quota <= 0) return r;
  return {
    ...r,
    cpu: { ...r.cpu, quota: (perSecond(quota, period) * (period || DEFAULT_PERIOD_US)) / 1_000_000 },
  };
}

/** Times are microseconds; 0 is not given. */
function quotaProperties(quota: number, period: number, { version }: Manager): Property[] {
  return [
    ...(period > 0 && version >= 242 ? [wide("CPUQuotaPeriodUSec", period)] : []),
    ...(quota !== 0 || period > 0
      ? [wide("CPUQuotaPerSecUSec", quota > 0 ? perSecond(quota, period) : INFINITY)]
      : []),
  ];
}

function cpusetProperties({ cpus, mems }: OciCpu, { version }: Manager): Property[] {
  if (version < 244) return [];
  return [
    ...(cpus ? [property("AllowedCPUs", "ay", bitsOf(cpus, "resources.cpu.cpus"))] : []),
    ...(mems ? [property("AllowedMemoryNodes", "ay", bitsOf(mems, "resources.cpu.mems"))] : []),
  ];
}

const bitsOf = (list: string, what: string): number[] => [...maskOfIds(parseIdList(list, what))];

/** Of cgroup v2's files those that have a property. */
function unifiedProperties(files: Readonly<Record<string, string>>, manager: Manager): Property[] {
  return Object.entries(files).flatMap(([file, text]): Property[] => {
    const value = text.trim();
    const name = UNIFIED[file];
    if (name !== undefined) return [wide(name, value === "max" ? INFINITY : BigInt(value))];
    if (file === "cpuset.cpus") return cpusetProperties({ cpus: value }, manager);
    if (file === "cpuset.mems") return cpusetProperties({ mems: value }, manager);
    if (file !== "cpu.max") return [];
    const [quota = "max", period = "0"] = value.split(/\s+/);
    return quotaProperties(quota === "max" ? -1 : Number(quota), Number(period), manager);
  });
}

const UNIFIED = table<string | undefined>({
  "cpu.weight": "CPUWeight",
  "memory.high": "MemoryHigh",
  "memory.low": "MemoryLow",
  "memory.min": "MemoryMin",
  "memory.max": "MemoryMax",
  "memory.swap.max": "MemorySwapMax",
  "pids.max": "TasksMax",
});

/** What can only be said when the unit is made. */
export function oomProperties({ unified = {} }: OciResources, { version, isUnified }: Manager): Property[] {
  const group = isUnified && version >= 253 ? unified["memory.oom.group"]?.trim() : undefined;
  if (group !== "0" && group !== "1") return [];
  return [property("OOMPolicy", "s", group === "1" ? "kill" : "continue")];
}

/** systemd knows lists of what is allowed; everything else it is told to stay out of. */
function deviceProperties(rules: readonly OciDeviceRule[]): Property[] {
  const policy = devicePolicyOf(rules);
  const none = property("DeviceAllow", "a(ss)", []); // takes away what the unit had
  if (policy.default === "allow") return [none, property("DevicePolicy", "s", "auto")];
  const allowed = policy.exceptions.flatMap((e) => {
    const path = devicePath(e);
    return path === undefined ? [] : [[path, e.access]];
  });
  return [none, property("DevicePolicy", "s", "strict"), property("DeviceAllow", "a(ss)", allowed)];
}

/** systemd's words for numbers; undefined for a minor number of every driver, for which it has none. */
function devicePath({ type, major, minor }: DeviceException): string | undefined {
  const group = type === "b" ? "block" : "char";
  if (major < 0) return minor < 0 ? `${group}-*` : undefined;
  return minor < 0 ? `${group}-${major}` : `/dev/${group}/${major}:${minor}`;
}
