// Device nodes and device rules of a specification: `--device`, `--device-cgroup-rule`, and all of them for
// `--privileged`.

import { Fault } from "../../lib/errors.ts";
import { defaultDeviceRules } from "./defaults.ts";
import type { HostDevice, SpecHost } from "./host.ts";
import type { SpecDevice, SpecInput } from "./input.ts";
import type { OciDevice, OciDeviceRule } from "./oci.ts";

export interface DeviceSet {
  devices: OciDevice[];
  rules: OciDeviceRule[];
}

/** Decides on nodes and rules. Throws Fault invalidParameter for a path that is no device and for malformed rules. */
export function generateDevices(input: SpecInput, host: SpecHost, warn: (text: string) => void): DeviceSet {
  if (input.privileged) return privilegedDevices(input, host, warn);
  const devices: OciDevice[] = [];
  const rules = defaultDeviceRules();
  for (const request of input.devices ?? []) {
    const access = accessOf(request.permissions);
    for (const device of devicesOf(request, host)) {
      devices.push(ociDevice(device));
      rules.push({ allow: true, type: device.type, major: device.major, minor: device.minor, access });
    }
  }
  for (const text of input.resources?.deviceCgroupRules ?? []) rules.push(parseDeviceCgroupRule(text));
  return { devices, rules };
}

function privilegedDevices(input: SpecInput, host: SpecHost, warn: (text: string) => void): DeviceSet {
  const devices = host.devicesBelow("/dev").map(ociDevice);
  for (const request of input.devices ?? []) {
    if ((request.permissions || "rwm") !== "rwm") {
      warn(
        `custom ${request.permissions} permissions for device ${request.pathOnHost} are ignored in privileged mode`,
      );
    }
    if (request.pathOnHost === request.pathInContainer) continue; // there already
    devices.push(...devicesOf(request, host).map(ociDevice));
  }
  return { devices, rules: [{ allow: true, access: "rwm" }] };
}

function devicesOf(request: SpecDevice, host: SpecHost): HostDevice[] {
  const inContainer = request.pathInContainer || request.pathOnHost;
  const found = host.deviceAt(request.pathOnHost);
  if (found !== undefined && found !== "directory") return [{ ...found, path: inContainer }];
  const below = found === "directory" ? host.devicesBelow(request.pathOnHost) : [];
  if (below.length > 0) {
    return below.map((d) => ({ ...d, path: inContainer + d.path.slice(request.pathOnHost.length) }));
  }
  const isThere = found === "directory" || host.exists(request.pathOnHost);
  const why = isThere ? "not a device node" : "no such file or directory";
  throw new Fault(
    "invalidParameter",
    `error gathering device information while adding custom device "${request.pathOnHost}": ${why}`,
    { code: "container.invalid-device" },
  );
}

function ociDevice(d: HostDevice): OciDevice {
  return {
    path: d.path,
    type: d.type,
    major: d.major,
    minor: d.minor,
    fileMode: d.fileMode,
    uid: d.uid,
    gid: d.gid,
  };
}

/** Returns the rule of a text such as `c 1:3 rwm` or `b 8:* r`. Throws Fault invalidParameter with Docker's text. */
export function parseDeviceCgroupRule(text: string): OciDeviceRule {
  const match = /^([acb]) ([0-9]{1,10}|\*):([0-9]{1,10}|\*) ([rwm]{1,3})$/.exec(text);
  if (!match) throw invalid(`invalid device cgroup rule format: '${text}'`);
  const number = (digits: string | undefined) => (digits === "*" ? -1 : Number(digits));
  return {
    allow: true,
    type: match[1] as string,
    major: number(match[2]),
    minor: number(match[3]),
    access: match[4] as string,
  };
}

function accessOf(permissions: string | undefined): string {
  const access = permissions || "rwm";
  if (!/^[rwm]{1,3}$/.test(access)) throw invalid(`invalid device mode: ${access}`);
  return access;
}

function invalid(message: string): Fault {
  return new Fault("invalidParameter", message, { code: "container.invalid-device" });
}
