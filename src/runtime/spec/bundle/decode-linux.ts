// The shapes of config.json's section `linux`, see decode.ts.

import { SECCOMP_ACTIONS, SECCOMP_OPERATORS } from "../../seccomp/words.ts";
import { NAMESPACE_CLOCKS, PERSONALITIES, wordsOf } from "../kernel-words.ts";
import type {
  OciBlockIo,
  OciCpu,
  OciDevice,
  OciDeviceRule,
  OciIdMapping,
  OciIntelRdt,
  OciLinux,
  OciMemory,
  OciNamespace,
  OciResources,
  OciSeccomp,
  OciSeccompArg,
  OciSyscall,
  OciThrottleDevice,
  OciWeightDevice,
} from "../oci.ts";
import {
  anyText,
  bool,
  defaulted,
  exactUint64,
  int64,
  integer,
  list,
  object,
  oneOf,
  record,
  required,
  type Shape,
  text,
  uint16,
  uint32,
  uint64,
} from "./shape.ts";

export const NAMESPACE_TYPES = ["pid", "network", "mount", "ipc", "uts", "user", "cgroup", "time"] as const;

export const idMapping: Shape<OciIdMapping> = object<OciIdMapping>({
  containerID: required(uint32),
  hostID: required(uint32),
  size: required(uint32),
});

const deviceRule = object<OciDeviceRule>({
  allow: defaulted(bool, () => false),
  type: oneOf(["a", "b", "c"]),
  major: int64,
  minor: int64,
  access: text,
});

const memory = object<OciMemory>({
  limit: int64,
  reservation: int64,
  swap: int64,
  kernel: int64,
  kernelTCP: int64,
  swappiness: uint64,
  disableOOMKiller: bool,
  useHierarchy: bool,
  checkBeforeUpdate: bool,
});

const cpu = object<OciCpu>({
  shares: uint64,
  quota: int64,
  burst: uint64,
  period: uint64,
  realtimeRuntime: int64,
  realtimePeriod: uint64,
  cpus: text,
  mems: text,
  idle: int64,
});

const weightDevice = object<OciWeightDevice>({
  major: required(uint32),
  minor: required(uint32),
  weight: uint16,
  leafWeight: uint16,
});

const throttleDevice = object<OciThrottleDevice>({
  major: required(uint32),
  minor: required(uint32),
  rate: required(uint64),
});

const blockIO = object<OciBlockIo>({
  weight: uint16,
  leafWeight: uint16,
  weightDevice: list(weightDevice),
  throttleReadBpsDevice: list(throttleDevice),
  throttleWriteBpsDevice: list(throttleDevice),
  throttleReadIOPSDevice: list(throttleDevice),
  throttleWriteIOPSDevice: list(throttleDevice),
});

type Part<T, K extends keyof T> = NonNullable<T[K]>;

export const resourcesShape: Shape<OciResources> = object<OciResources>({
  devices: list(deviceRule),
  memory,
  cpu,
  pids: object<{ limit?: number }>({ limit: int64 }),
  blockIO,
  hugepageLimits: list(
    object<{ pageSize: string; limit: number }>({ pageSize: required(text), limit: required(uint64) }),
  ),
  network: object<Part<OciResources, "network">>({
    classID: uint32,
    priorities: list(
      object<{ name: string; priority: number }>({ name: required(text), priority: required(uint32) }),
    ),
  }),
  rdma: record(
    object<{ hcaHandles?: number; hcaObjects?: number }>({ hcaHandles: uint32, hcaObjects: uint32 }),
  ),
  unified: record(text),
});

const namespace = object<OciNamespace>({ type: required(oneOf(NAMESPACE_TYPES)), path: text });

const device = object<OciDevice>({
  path: required(text),
  type: required(oneOf(["c", "u", "b", "p"])),
  major: int64,
  minor: int64,
  fileMode: uint32,
  uid: uint32,
  gid: uint32,
});

const seccompArg: Shape<OciSeccompArg> = object<Omit<OciSeccompArg, "bits">>({
  index: required(integer(0, 5)),
  value: required(exactUint64),
  valueTwo: exactUint64,
  op: required(oneOf(SECCOMP_OPERATORS)),
});

const syscall = object<OciSyscall>({
  names: required(list(text)),
  action: required(oneOf(SECCOMP_ACTIONS)),
  errnoRet: uint16,
  args: list(seccompArg),
});

const seccomp = object<OciSeccomp>({
  defaultAction: required(oneOf(SECCOMP_ACTIONS)),
  defaultErrnoRet: uint16,
  architectures: list(text),
  flags: list(text),
  listenerPath: text,
  listenerMetadata: anyText,
  syscalls: list(syscall),
});

/** A profile that says nothing at all is none (runc has it so, and Docker writes such). */
const seccompIfAny: Shape<OciSeccomp> = (value, at) => {
  const { defaultAction, syscalls } = (value ?? {}) as { defaultAction?: unknown; syscalls?: unknown };
  const isEmpty = !defaultAction && (!syscalls || (Array.isArray(syscalls) && syscalls.length === 0));
  return isEmpty && typeof value === "object" ? (undefined as never) : seccomp(value, at);
};

const intelRdt = object<OciIntelRdt>({
  closID: text,
  schemata: list(text),
  l3CacheSchema: text,
  memBwSchema: text,
  enableMonitoring: bool,
});

export const linux: Shape<OciLinux> = object<OciLinux>({
  uidMappings: list(idMapping),
  gidMappings: list(idMapping),
  sysctl: record(text),
  resources: resourcesShape,
  cgroupsPath: text,
  namespaces: list(namespace),
  devices: list(device),
  netDevices: record(object<{ name?: string }>({ name: text })),
  seccomp: seccompIfAny,
  rootfsPropagation: text,
  maskedPaths: list(text),
  readonlyPaths: list(text),
  mountLabel: text,
  intelRdt,
  memoryPolicy: object<Part<OciLinux, "memoryPolicy">>({
    mode: defaulted(text, () => ""),
    nodes: text,
    flags: list(text),
  }),
  personality: object<Part<OciLinux, "personality">>({
    domain: required(oneOf(wordsOf(PERSONALITIES))),
    flags: list(text),
  }),
  timeOffsets: record(
    object<{ secs?: number; nanosecs?: number }>({ secs: int64, nanosecs: integer(0, 999_999_999) }),
    oneOf(wordsOf(NAMESPACE_CLOCKS)),
  ),
});
