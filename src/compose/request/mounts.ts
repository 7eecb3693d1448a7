// Volumes, secrets and configs of a service as binds and mounts of a container. What a bind's text can say is said so, for
// that alone has the daemon create missing directories on the host; the rest are mounts.

import type { MountRequest } from "../../api/schemas/host-config.ts";
import type { MountPoint } from "../../api/schemas/container.ts";
import { Fault } from "../../lib/errors.ts";
import type { Mount, Project, Service } from "../model/project.ts";
import { table } from "../../lib/table.ts";

export interface Mounts {
  readonly binds: readonly string[];
  readonly mounts: readonly MountRequest[];
}

/** What a new container takes over from the one that it replaces. */
export interface Predecessor {
  readonly mounts: readonly MountPoint[];
  /** Where the image says that there are volumes. */
  readonly imageVolumes: readonly string[];
}

/** Returns the mounts of a service's container. Throws a Fault for what no engine has. */
export function mountsOf(project: Project, service: Service, predecessor: Predecessor | undefined): Mounts {
  const binds: string[] = [];
  const mounts: MountRequest[] = [];
  const taken = new Set<string>();
  const inherited = inheritedMounts(service, predecessor);
  for (const mount of inherited) taken.add(mount.Target as string);
  mounts.push(...inherited);
  for (const mount of service.volumes ?? []) {
    const { target = "" } = mount;
    if (taken.has(target)) continue;
    taken.add(target);
    const bind = bindText(project, mount);
    if (bind === undefined) mounts.push(mountRequest(project, mount));
    else binds.push(bind);
  }
  for (const mount of [...secretMounts(project, service), ...configMounts(project, service)]) {
    if (taken.has(mount.Target as string)) continue;
    taken.add(mount.Target as string);
    mounts.push(mount);
  }
  return { binds, mounts };
}

/** Anonymous volumes live on: those of the file and those of the image. */
function inheritedMounts(service: Service, predecessor: Predecessor | undefined): MountRequest[] {
  if (predecessor === undefined) return [];
  const { mounts, imageVolumes } = predecessor;
  const anonymous = new Set([
    ...imageVolumes,
    ...(service.volumes ?? []).filter(({ source }) => source === undefined).map(({ target = "" }) => target),
  ]);
  const named = new Set(
    (service.volumes ?? []).filter(({ source }) => source !== undefined).map(({ target = "" }) => target),
  );
  return mounts
    .filter(
      ({ Type, Destination }) => Type === "volume" && anonymous.has(Destination) && !named.has(Destination),
    )
    .map(({ Name = "", Destination, RW }) => ({
      Type: "volume",
      Source: Name,
      Target: Destination,
      ReadOnly: !RW,
    }));
}

function bindText(project: Project, mount: Mount): string | undefined {
  const { type, source, target = "" } = mount;
  const options = [mount.read_only === true ? "ro" : "rw"];
  if (type === "bind") {
    const { selinux, propagation, create_host_path: creates, recursive } = mount.bind ?? {};
    // compat: without `bind` the long form does not create what is missing on the host.
    if (mount.bind === undefined || creates === false || propagation !== undefined || recursive !== undefined)
      return undefined;
    if (selinux !== undefined) options.push(selinux);
    options.push(...idMapWord(mount.bind));
    return `${source}:${target}:${options.join(",")}`;
  }
  if (type !== "volume" || source === undefined || !Object.hasOwn(project.volumes, source)) return undefined;
  const { labels, subpath, nocopy } = mount.volume ?? {};
  if (labels !== undefined || subpath !== undefined || nocopy === true) return undefined;
  options.push(...idMapWord(mount.volume));
  return `${project.volumes[source]?.name}:${target}:${options.join(",")}`;
}

function idMapWord(options: Readonly<{ "x-idmap"?: string }> | undefined): string[] {
  const text = options?.["x-idmap"];
  return text === undefined ? [] : [`idmap=${text}`];
}

const recursive: Readonly<Record<string, object>> = table({
  disabled: { NonRecursive: true },
  writable: { ReadOnlyNonRecursive: true },
  readonly: { ReadOnlyForceRecursive: true },
});

function mountRequest(project: Project, mount: Mount): MountRequest {
  const { type = "volume", source, target = "", bind, volume, tmpfs, image } = mount;
  const name = type === "volume" && source !== undefined ? (project.volumes[source]?.name ?? source) : source;
  return {
    Type: type,
    ...(name === undefined ? {} : { Source: name }),
    Target: target,
    ...(mount.read_only === true ? { ReadOnly: true } : {}),
    ...(mount.consistency === undefined ? {} : { Consistency: mount.consistency }),
    ...(type === "bind" && bind !== undefined
      ? {
          BindOptions: {
            ...(bind.propagation === undefined ? {} : { Propagation: bind.propagation }),
            ...(bind.create_host_path === false ? {} : { CreateMountpoint: true }),
            ...recursive[bind.recursive ?? ""],
            ...(bind["x-idmap"] === undefined ? {} : { IDMap: bind["x-idmap"] }),
          },
        }
      : {}),
    ...(type === "volume" && volume !== undefined
      ? {
          VolumeOptions: {
            ...(volume.nocopy === true ? { NoCopy: true } : {}),
            ...(volume.subpath === undefined ? {} : { Subpath: volume.subpath }),
            ...(volume.labels === undefined ? {} : { Labels: volume.labels }),
            ...(volume["x-idmap"] === undefined ? {} : { IDMap: volume["x-idmap"] }),
          },
        }
      : {}),
    ...(type === "tmpfs" && tmpfs !== undefined
      ? { TmpfsOptions: { SizeBytes: tmpfs.size ?? 0, Mode: tmpfs.mode ?? 0 } }
      : {}),
    ...(type === "image" && image?.subpath !== undefined ? { ImageOptions: { Subpath: image.subpath } } : {}),
  };
}

function secretMounts(project: Project, service: Service): MountRequest[] {
  return (service.secrets ?? []).flatMap(({ source = "", target = source }) => {
    const secret = project.secrets[source];
    if (secret === undefined) return [];
    refuseForeign("secret", secret);
    if (secret.file === undefined) return [];
    return [readOnlyFile(secret.file, target.startsWith("/") ? target : `/run/secrets/${target}`)];
  });
}

function configMounts(project: Project, service: Service): MountRequest[] {
  return (service.configs ?? []).flatMap(({ source = "", target = source }) => {
    const config = project.configs[source];
    if (config === undefined) return [];
    refuseForeign("config", config);
    if (config.file === undefined) return [];
    return [readOnlyFile(config.file, target.startsWith("/") ? target : `/${target}`)];
  });
}

function readOnlyFile(source: string, target: string): MountRequest {
  return { Type: "bind", Source: source, Target: target, ReadOnly: true };
}

/** Secrets and configs that a cluster keeps are none of one host. */
function refuseForeign(
  what: "secret" | "config",
  spec: Readonly<{ name: string; external?: boolean; driver?: string; template_driver?: string }>,
): void {
  const refuse = (message: string): Fault =>
    new Fault("invalidParameter", message, { code: "compose.unsupported" });
  if (spec.external === true) throw refuse(`unsupported external ${what} ${spec.name}`);
  if (spec.driver !== undefined) throw refuse(`${what}s.*.driver is not supported: ${spec.name}`);
  if (spec.template_driver !== undefined)
    throw refuse(`${what}s.*.template_driver is not supported: ${spec.name}`);
}
