// The devices that RUN gets: names of a Dockerfile to devices that the host has and the build may use, as BuildKit chooses them.

import { Fault } from "../../lib/errors.ts";
import type { CdiCatalogue, CdiDevice } from "../../runtime/cdi/load.ts";
import { problemOfKind } from "../../runtime/cdi/names.ts";
import type { RunDevice } from "../dockerfile/devices.ts";

/** Annotations of CDI files that BuildKit gives a meaning. */
const CLASS = "org.mobyproject.buildkit.device.class";
const AUTO_ALLOW = "org.mobyproject.buildkit.device.autoallow";

/** Returns whether every build may use a device, since its file says so. */
export function isAlwaysAllowed({ annotations }: CdiDevice): boolean {
  return /^(?:1|t|T|TRUE|true|True)$/.test(annotations[AUTO_ALLOW] ?? "");
}

/**
 * Returns the ids of the devices that are asked for. `allowed` are the rights of the build: `device` for all, `device=NAME`.
 * Throws Fault invalidParameter for a required one that is not there, forbidden for one that the build may not use.
 */
export function chooseDevices(
  wanted: readonly RunDevice[],
  { devices }: Pick<CdiCatalogue, "devices">,
  allowed: readonly string[],
): string[] {
  const ids = new Set<string>();
  for (const { name, isRequired } of wanted) {
    const found = matching(name, devices);
    if (found.length === 0 && isRequired)
      throw new Fault("invalidParameter", `required device ${JSON.stringify(name)} is not registered`, {
        code: "build.device-missing",
      });
    for (const id of found) ids.add(id);
  }
  refuseForbidden([...ids], devices, allowed);
  return [...ids];
}

function matching(name: string, devices: CdiCatalogue["devices"]): string[] {
  const at = name.indexOf("=");
  const kind = at < 0 ? name : name.slice(0, at);
  const wanted = at < 0 ? "" : name.slice(at + 1);
  const why = problemOfKind(kind);
  if (why !== undefined)
    throw new Fault("invalidParameter", `invalid device ${JSON.stringify(name)}: ${why}`, {
      code: "build.device-name",
    });
  const ofKind = [...devices.values()].filter(({ id }) => id.startsWith(`${kind}=`));
  if (wanted === "") return ofKind.slice(0, 1).map(({ id }) => id);
  if (wanted === "*") return ofKind.map(({ id }) => id);
  if (devices.has(name)) return [name];
  return ofKind.filter(({ annotations }) => annotations[CLASS] === wanted).map(({ id }) => id);
}

function refuseForbidden(
  ids: readonly string[],
  devices: CdiCatalogue["devices"],
  allowed: readonly string[],
): void {
  if (allowed.includes("device")) return;
  const rights = allowed.filter((right) => right.startsWith("device=")).map((right) => right.slice(7));
  const granted = new Set(rights.flatMap((name) => matching(name, devices)));
  const forbidden = ids.filter((id) => {
    const device = devices.get(id);
    return !granted.has(id) && device !== undefined && !isAlwaysAllowed(device);
  });
  if (forbidden.length === 0) return;
  const which = forbidden.length === 1 ? `device ${forbidden[0]} is` : `devices ${forbidden.join(", ")} are`;
  throw new Fault(
    "forbidden",
    `${which} requested by the build but not allowed: build with --allow device=${forbidden[0]}`,
    { code: "build.entitlement" },
  );
}
