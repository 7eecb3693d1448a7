// Docker's limits in OCI's words. Expects limits that validateResources has let through.

import { Fault } from "../../lib/errors.ts";
import type { SpecHost } from "./host.ts";
import type { SpecResources } from "./input.ts";
import type {
  OciBlockIo,
  OciCpu,
  OciDeviceRule,
  OciMemory,
  OciResources,
  OciThrottleDevice,
  OciWeightDevice,
} from "./oci.ts";

/** Returns the resources object. Throws Fault invalidParameter for a blkio path that is no device. */
export function generateResources(
  r: SpecResources,
  devices: OciDeviceRule[],
  host: Pick<SpecHost, "deviceAt">,
): OciResources {
  const memory = memoryOf(r);
  const cpu = cpuOf(r);
  const blockIO = blockIoOf(r, host);
  return {
    devices,
    ...present("memory", memory),
    ...present("cpu", cpu),
    // pids.max takes no 0: Docker's 0 and -1 both lift the limit
    ...(r.pidsLimit === undefined ? {} : { pids: { limit: r.pidsLimit > 0 ? r.pidsLimit : -1 } }),
    ...present("blockIO", blockIO),
    ...(r.hugepageLimits?.length ? { hugepageLimits: [...r.hugepageLimits] } : {}),
  };
}

function present<K extends string, V extends object>(key: K, value: V): { [P in K]?: V } {
  return (Object.keys(value).length > 0 ? { [key]: value } : {}) as { [P in K]?: V };
}

/** `--memory` alone allows as much swap as memory (API MemorySwap). */
function memoryOf(r: SpecResources): OciMemory {
  const swap = r.memory && !r.memorySwap ? r.memory * 2 : r.memorySwap;
  return {
    ...(r.memory && r.memory > 0 ? { limit: r.memory } : {}),
    ...(r.memoryReservation && r.memoryReservation > 0 ? { reservation: r.memoryReservation } : {}),
    ...(swap && swap > 0 ? { swap } : {}),
    ...(r.swappiness === undefined ? {} : { swappiness: r.swappiness }),
    ...(r.oomKillDisable ? { disableOOMKiller: true } : {}),
  };
}

/** `--cpus` is a quota per period of 100 ms. */
function cpuOf(r: SpecResources): OciCpu {
  const period = 100_000;
  return {
    ...(r.cpuShares ? { shares: r.cpuShares } : {}),
    ...(r.nanoCpus && r.nanoCpus > 0 ? { period, quota: Math.floor((r.nanoCpus * period) / 1e9) } : {}),
    ...(r.cpuPeriod ? { period: r.cpuPeriod } : {}),
    ...(r.cpuQuota ? { quota: r.cpuQuota } : {}),
    ...(r.cpuRealtimePeriod ? { realtimePeriod: r.cpuRealtimePeriod } : {}),
    ...(r.cpuRealtimeRuntime ? { realtimeRuntime: r.cpuRealtimeRuntime } : {}),
    ...(r.cpusetCpus ? { cpus: r.cpusetCpus } : {}),
    ...(r.cpusetMems ? { mems: r.cpusetMems } : {}),
  };
}

type Throttles = { path: string; rate: number }[] | undefined;

function blockIoOf(r: SpecResources, host: Pick<SpecHost, "deviceAt">): OciBlockIo {
  const number = (path: string) => deviceNumber(path, host);
  const throttle = (list: Throttles): OciThrottleDevice[] =>
    (list ?? []).map(({ path, rate }) => ({ ...number(path), rate }));
  const weightDevice: OciWeightDevice[] = (r.blkioWeightDevice ?? []).map(({ path, weight }) => ({
    ...number(path),
    weight,
  }));
  return {
    ...(r.blkioWeight ? { weight: r.blkioWeight } : {}),
    ...(weightDevice.length > 0 ? { weightDevice } : {}),
    ...(r.blkioDeviceReadBps?.length ? { throttleReadBpsDevice: throttle(r.blkioDeviceReadBps) } : {}),
    ...(r.blkioDeviceWriteBps?.length ? { throttleWriteBpsDevice: throttle(r.blkioDeviceWriteBps) } : {}),
    ...(r.blkioDeviceReadIops?.length ? { throttleReadIOPSDevice: throttle(r.blkioDeviceReadIops) } : {}),
    ...(r.blkioDeviceWriteIops?.length ? { throttleWriteIOPSDevice: throttle(r.blkioDeviceWriteIops) } : {}),
  };
}

function deviceNumber(path: string, host: Pick<SpecHost, "deviceAt">): { major: number; minor: number } {
  const device = host.deviceAt(path);
  if (device === undefined || device === "directory") {
    throw new Fault(
      "invalidParameter",
      `stat ${path}: ${device === undefined ? "no such file or directory" : "not a device node"}`,
      { code: "container.invalid-device" },
    );
  }
  return { major: device.major, minor: device.minor };
}
