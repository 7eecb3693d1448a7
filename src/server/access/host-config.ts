// What a container on a socket with a scope of labels may ask of the host. A list of what is harmless: everything else, and every
// field that is new, is refused where it is set.

import { Fault } from "../../lib/errors.ts";
import type { Allowance } from "./policy.ts";

export interface HostConfigScope {
  allows(what: Allowance): boolean;
  container(reference: string): string;
  network(reference: string): string;
  volume(name: string): void;
  image(reference: string): void;
}

type Check = (value: unknown, scope: HostConfigScope) => boolean;

const anything: Check = () => true;
const oneOf =
  (...values: readonly unknown[]): Check =>
  (value) =>
    values.includes(value);

/** A path of the host begins with a slash, in Docker's client and in the API. */
const isHostPath = (source: string): boolean => /^[./~]/.test(source);

const binds: Check = (value, scope) =>
  (value as readonly string[]).every((bind) => {
    const [source = "", target] = bind.split(":");
    if (target === undefined) return true; // an anonymous volume
    return isHostPath(source) ? scope.allows("binds") : named(source, scope);
  });

/** A volume that is not there yet would be made without the labels. */
function named(name: string, scope: HostConfigScope): boolean {
  scope.volume(name);
  return true;
}

interface MountInput {
  readonly Type?: string | null;
  readonly Source?: string | null;
  readonly VolumeOptions?: {
    readonly DriverConfig?: { readonly Name?: string; readonly Options?: object } | null;
  } | null;
}

const mounts: Check = (value, scope) =>
  (value as readonly MountInput[]).every(({ Type, Source, VolumeOptions }) => {
    switch (Type) {
      case "tmpfs":
        return true;
      case "bind":
        return scope.allows("binds");
      case "image":
        scope.image(Source ?? "");
        return true;
      case "volume": {
        const { Name = "", Options = {} } = VolumeOptions?.DriverConfig ?? {};
        const isPlain = (Name === "" || Name === "local") && Object.keys(Options).length === 0;
        return (isPlain || scope.allows("binds")) && (!Source || named(Source, scope));
      }
      default:
        return false;
    }
  });

const networkMode: Check = (value, scope) => {
  const mode = String(value);
  if (mode === "host") return false;
  const joined = /^container:(.*)$/.exec(mode)?.[1];
  if (joined !== undefined) scope.container(joined);
  else scope.network(mode);
  return true;
};

const logConfig: Check = (value) =>
  ["", "json-file", "local", "none"].includes((value as { Type?: string | null }).Type ?? "");

const containersOf =
  (separator: RegExp): Check =>
  (value, scope) => {
    for (const entry of value as readonly string[]) scope.container(entry.split(separator)[0] ?? "");
    return true;
  };

const SAFE: ReadonlyMap<string, Check> = new Map<string, Check>([
  ["Binds", binds],
  ["Mounts", mounts],
  ["NetworkMode", networkMode],
  ["LogConfig", logConfig],
  ["VolumesFrom", containersOf(/:/)],
  ["Links", containersOf(/:/)],
  [
    "SecurityOpt",
    (value) => (value as readonly string[]).every((o) => /^no-new-privileges(:true)?$/.test(o)),
  ],
  ["IpcMode", oneOf("private", "shareable", "none")],
  ["CgroupnsMode", oneOf("private")],
  ["VolumeDriver", oneOf("local")],
  ["Isolation", oneOf("default")],
  ...[
    "AutoRemove",
    "Annotations",
    "BlkioWeight",
    "CapDrop",
    "ConsoleSize",
    "CpuCount",
    "CpuPercent",
    "CpuPeriod",
    "CpuQuota",
    "CpuShares",
    "CpusetCpus",
    "CpusetMems",
    "Dns",
    "DnsOptions",
    "DnsSearch",
    "ExtraHosts",
    "GroupAdd",
    "Init",
    "KernelMemory",
    "Memory",
    "MemoryReservation",
    "MemorySwap",
    "MemorySwappiness",
    "NanoCpus",
    "PidsLimit",
    "PortBindings",
    "PublishAllPorts",
    "ReadonlyRootfs",
    "RestartPolicy",
    "ShmSize",
    "Tmpfs",
    "Ulimits",
  ].map((name): [string, Check] => [name, anything]),
]);

/** Empty lists there switch protection off. */
const NEVER_EMPTY = ["MaskedPaths", "ReadonlyPaths"];

function isUnset(name: string, value: unknown): boolean {
  if (value === null || value === undefined || value === "" || value === 0 || value === false) return true;
  if (typeof value !== "object") return false;
  return Object.keys(value).length === 0 && !NEVER_EMPTY.includes(name);
}

/** Throws Fault forbidden for what is not harmless, notFound for what is outside of the scope. */
export function checkHostConfig(config: Readonly<Record<string, unknown>>, scope: HostConfigScope): void {
  for (const [name, value] of Object.entries(config)) {
    if (isUnset(name, value)) continue;
    const check = SAFE.get(name);
    const isAllowed =
      check === undefined ? scope.allows("privileged") : check(value, scope) || scope.allows("privileged");
    if (isAllowed) continue;
    const what = name === "Binds" || name === "Mounts" ? "allow: binds" : "allow: privileged";
    throw new Fault(
      "forbidden",
      `HostConfig.${name} is not allowed on a socket with a scope of labels (${what})`,
      {
        code: "access.denied",
      },
    );
  }
}
