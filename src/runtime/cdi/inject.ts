// CDI devices into a specification, as the CDI library does it for Docker: what files say for all of their devices comes once, and
// before what they say of each.

import { Fault } from "../../lib/errors.ts";
import type { SpecHost } from "../spec/host.ts";
import type { OciDevice, OciHook, OciHooks, OciMount, OciSpec } from "../spec/oci.ts";
import type { CdiCatalogue } from "./load.ts";
import type { CdiDeviceNode, CdiEdits, CdiMount } from "./spec.ts";

/**
 * Returns the specification of a container that has the devices. Throws a Fault for those that are not there, in
 * the words of Docker, and for a node without a device on this host.
 */
export function withCdiDevices(
  spec: OciSpec,
  ids: readonly string[],
  catalogue: CdiCatalogue,
  host: Pick<SpecHost, "deviceAt">,
): OciSpec {
  const missing = ids.filter((id) => !catalogue.devices.has(id));
  if (missing.length > 0) throw unresolvable(missing, catalogue);
  const edits = new Set<CdiEdits>();
  for (const id of ids) {
    const device = catalogue.devices.get(id);
    if (device?.shared !== undefined) edits.add(device.shared);
    if (device !== undefined) edits.add(device.edits);
  }
  return [...edits].reduce((edited, e) => withEdits(edited, e, host), spec);
}

function unresolvable(missing: readonly string[], { problems }: CdiCatalogue): Fault {
  const seen = problems.map(({ path, why }) => `${path}: ${why}`);
  const because = seen.length === 0 ? "" : ` (${seen.join("; ")})`;
  return new Fault(
    "system",
    `CDI device injection failed: unresolvable CDI devices ${missing.join(", ")}${because}`,
    { code: "cdi.unresolvable", detail: { missing: [...missing] } },
  );
}

function withEdits(spec: OciSpec, edits: CdiEdits, host: Pick<SpecHost, "deviceAt">): OciSpec {
  const process = spec.process;
  const linux = spec.linux ?? {};
  const nodes = (edits.deviceNodes ?? []).map((node) => ({ node, device: deviceOf(node, spec, host) }));
  const rules = nodes.flatMap(({ node, device: { type, major = 0, minor = 0 } }) => {
    const access = node.permissions === "none" ? "" : node.permissions || "rwm";
    return type === "p" || access === "" ? [] : [{ allow: true, type, major, minor, access }];
  });
  const paths = new Set(nodes.map(({ device }) => device.path));
  const targets = new Set((edits.mounts ?? []).map((m) => m.containerPath));
  const mounts = (spec.mounts ?? []).filter((m) => !targets.has(m.destination));
  const gids = (edits.additionalGids ?? []).filter((gid) => gid !== 0);
  return {
    ...spec,
    ...(process === undefined
      ? {}
      : {
          process: {
            ...process,
            env: withVariables(process.env ?? [], edits.env ?? []),
            user: {
              ...process.user,
              ...(gids.length === 0
                ? {}
                : { additionalGids: [...(process.user.additionalGids ?? []), ...gids] }),
            },
          },
        }),
    mounts: targets.size === 0 ? mounts : byDepth([...mounts, ...(edits.mounts ?? []).map(mountOf)]),
    ...(edits.hooks === undefined ? {} : { hooks: withHooks(spec.hooks ?? {}, edits.hooks) }),
    linux: {
      ...linux,
      devices: [...(linux.devices ?? []).filter((d) => !paths.has(d.path)), ...nodes.map((n) => n.device)],
      resources: { ...linux.resources, devices: [...(linux.resources?.devices ?? []), ...rules] },
      ...(edits.netDevices === undefined
        ? {}
        : { netDevices: netDevicesOf(edits.netDevices, linux.netDevices) }),
      ...(edits.intelRdt === undefined ? {} : { intelRdt: edits.intelRdt }),
    },
  };
}

/** Variables of the same name are replaced where they are. */
function withVariables(env: readonly string[], added: readonly string[]): string[] {
  const nameOf = (entry: string) => entry.slice(0, entry.indexOf("="));
  const result = [...env];
  for (const entry of added) {
    const at = result.findIndex((other) => nameOf(other) === nameOf(entry));
    if (at < 0) result.push(entry);
    else result[at] = entry;
  }
  return result;
}

/** What the file leaves open is as on the host. */
function deviceOf(node: CdiDeviceNode, { process }: OciSpec, host: Pick<SpecHost, "deviceAt">): OciDevice {
  const { path, hostPath = path, type, major = 0, minor = 0, fileMode } = node;
  const uid = node.uid ?? process?.user.uid;
  const gid = node.gid ?? process?.user.gid;
  const rest = {
    ...(fileMode === undefined ? {} : { fileMode }),
    ...(uid ? { uid } : {}),
    ...(gid ? { gid } : {}),
  };
  if (type === "p") return { path, type, ...rest };
  if (type !== undefined && major !== 0) return { path, type, major, minor, ...rest };
  const found = host.deviceAt(hostPath);
  if (found === undefined || found === "directory") throw invalid(`${hostPath} is not a device of this host`);
  const wanted = type === "u" ? "c" : type;
  if (wanted !== undefined && wanted !== found.type)
    throw invalid(`${hostPath} is of type ${found.type} on this host, not ${type}`);
  return { path, type: found.type, major: found.major, minor: found.minor, ...rest };
}

const mountOf = ({ hostPath, containerPath, options = [], type }: CdiMount): OciMount => ({
  source: hostPath,
  destination: containerPath,
  options,
  ...(type ? { type } : {}),
});

/** What lies deeper is mounted later; otherwise as it was. */
function byDepth(mounts: readonly OciMount[]): OciMount[] {
  const depth = (m: OciMount) => m.destination.split("/").filter(Boolean).length;
  return [...mounts].sort((a, b) => depth(a) - depth(b));
}

function withHooks(hooks: OciHooks, added: NonNullable<CdiEdits["hooks"]>): OciHooks {
  const result: OciHooks = { ...hooks };
  for (const { hookName, path, args, env, timeout } of added) {
    const hook: OciHook = {
      path,
      ...(args === undefined ? {} : { args }),
      ...(env === undefined ? {} : { env }),
      ...(timeout ? { timeout } : {}),
    };
    result[hookName] = [...(result[hookName] ?? []), hook];
  }
  return result;
}

function netDevicesOf(
  added: NonNullable<CdiEdits["netDevices"]>,
  present: Record<string, { name?: string }> | undefined,
): Record<string, { name?: string }> {
  return { ...present, ...Object.fromEntries(added.map((d) => [d.hostInterfaceName, { name: d.name }])) };
}

function invalid(why: string): Fault {
  return new Fault("system", `CDI device injection failed: ${why}`, { code: "cdi.device" });
}
