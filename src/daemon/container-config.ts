// The part of the daemon's configuration that says what containers get when they ask for nothing else.
import type { ContainerDefaults } from "../engine/container/host-config/complete.ts";
import { Fault } from "../lib/errors.ts";
import { bool, type FlagValues, int, string } from "../lib/flags/spec.ts";
import { bytesFlag, type Ulimit, ulimitFlag } from "../cli/options/values.ts";
import { parseBinarySize } from "../lib/units/size.ts";
import { rlimitOf } from "../runtime/spec/rlimits.ts";

export interface ContainerConfigDefaults {
  readonly ulimits: readonly Ulimit[];
  readonly shmSizeBytes: number;
  readonly ipcMode: "private" | "shareable";
  /** undefined: private on cgroup v2, the host's on v1. */
  readonly cgroupnsMode: "private" | "host" | undefined;
  /** Whether an init program runs in every container. */
  readonly hasInit: boolean;
  /** How long a stop waits before it kills. */
  readonly stopTimeoutSec: number;
}

export const CONTAINER_FLAGS = {
  "default-ulimit": ulimitFlag("Default ulimits for containers"),
  "default-shm-size": bytesFlag("Default shm size for containers", { defaultText: "64MiB" }),
  "default-ipc-mode": string('Default mode for containers ipc ("shareable" | "private")', {
    initial: "private",
  }),
  "default-cgroupns-mode": string('Default mode for containers cgroup namespace ("host" | "private")'),
  "default-stop-timeout": int(
    "Set the default container stop timeout in seconds (0 to terminate immediately)",
    { initial: 10 },
  ),
  init: bool("Run an init in the container to forward signals and reap processes"),
} as const;

/** daemon.json keys and the flag that each has. */
export const CONTAINER_KEYS = {
  "default-ulimits": "default-ulimit",
  "default-shm-size": "default-shm-size",
  "default-ipc-mode": "default-ipc-mode",
  "default-cgroupns-mode": "default-cgroupns-mode",
  "default-stop-timeout": "default-stop-timeout",
  init: "init",
} as const satisfies Readonly<Record<string, keyof typeof CONTAINER_FLAGS>>;

const DEFAULT_SHM_BYTES = 64 << 20;

/** Reads the defaults from the file where it has them, else from the flags. Throws Fault invalidParameter. */
export function containerDefaultsOf(
  file: Readonly<Record<string, unknown>>,
  flags: FlagValues<typeof CONTAINER_FLAGS>,
): ContainerConfigDefaults {
  const ipcMode = file["default-ipc-mode"] ?? flags["default-ipc-mode"];
  if (ipcMode !== "private" && ipcMode !== "shareable")
    throw invalid(`default-ipc-mode ${JSON.stringify(ipcMode)}: use "private" or "shareable"`);
  const cgroupnsMode = file["default-cgroupns-mode"] ?? flags["default-cgroupns-mode"];
  if (cgroupnsMode !== "" && cgroupnsMode !== "private" && cgroupnsMode !== "host")
    throw invalid(`default-cgroupns-mode ${JSON.stringify(cgroupnsMode)}: use "private" or "host"`);
  const hasInit = file["init"] ?? flags.init;
  if (typeof hasInit !== "boolean") throw invalid('"init" in the configuration file must be true or false');
  const stopTimeoutSec = file["default-stop-timeout"] ?? flags["default-stop-timeout"];
  if (typeof stopTimeoutSec !== "number" || !Number.isInteger(stopTimeoutSec) || stopTimeoutSec < 0)
    throw invalid(`default-stop-timeout ${JSON.stringify(stopTimeoutSec)}: seconds are needed, 0 or more`);
  return {
    ulimits: ulimitsOf(file["default-ulimits"]) ?? flags["default-ulimit"],
    shmSizeBytes: shmSizeOf(file["default-shm-size"] ?? flags["default-shm-size"]) || DEFAULT_SHM_BYTES,
    ipcMode,
    cgroupnsMode: cgroupnsMode === "" ? undefined : cgroupnsMode,
    hasInit,
    stopTimeoutSec,
  };
}

/** On v1 a privileged container sees the host's cgroups, whatever the default, as with Docker. */
export function engineDefaultsOf(
  { hasInit, ipcMode, shmSizeBytes, ulimits, stopTimeoutSec, ...c }: ContainerConfigDefaults,
  isUnified: boolean,
): Omit<ContainerDefaults, "logType" | "logOptions" | "maskedPaths" | "readonlyPaths" | "runtimes"> {
  const cgroupnsMode = c.cgroupnsMode ?? (isUnified ? "private" : "host");
  const privilegedCgroupnsMode = isUnified ? cgroupnsMode : "host";
  return { cgroupnsMode, privilegedCgroupnsMode, ipcMode, shmSizeBytes, ulimits, hasInit, stopTimeoutSec };
}

function shmSizeOf(value: unknown): number {
  if (typeof value === "number" && Number.isInteger(value) && value >= 0) return value;
  if (typeof value === "string") return parseBinarySize(value);
  throw invalid('"default-shm-size" in the configuration file must be a size, such as "64M"');
}

/** `{"nofile": {"Name": "nofile", "Hard": 64000, "Soft": 64000}}`, as dockerd has it. */
function ulimitsOf(value: unknown): Ulimit[] | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw invalid('"default-ulimits" in the configuration file must be an object');
  return Object.entries(value).map(([name, limit]) => {
    const { Name = name, Soft, Hard } = (limit ?? {}) as Partial<Ulimit>;
    if (typeof Name !== "string" || !Number.isInteger(Soft) || !Number.isInteger(Hard))
      throw invalid(`"default-ulimits" in the configuration file: ${name} needs Name, Soft and Hard`);
    const ulimit = { Name, Soft: Soft as number, Hard: Hard as number };
    rlimitOf({ name: ulimit.Name, soft: ulimit.Soft, hard: ulimit.Hard });
    return ulimit;
  });
}

function invalid(message: string): Fault {
  return new Fault("invalidParameter", message, { code: "daemon.config" });
}
