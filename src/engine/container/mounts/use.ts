// The mounts of a container while it runs: volumes are mounted before its start and given back after its end, missing sources
// of `-v` are made, and the runtime is told what to mount where.
import { messageOf } from "../../../lib/errors.ts";
import type { IdMap } from "../../../linux/idmap.ts";
import type { SpecImage, SpecInput } from "../../../runtime/spec/input.ts";
import type { ContainerContext } from "../context.ts";
import type { ContainerRecord } from "../record.ts";
import { parseTmpfs } from "./parse.ts";
import { volumeNames } from "./points.ts";
import type { MountRecord } from "./record.ts";
import { prepareSource } from "./resolve.ts";

type Context = Pick<ContainerContext, "keel" | "volumes" | "layers" | "events" | "log">;

/** Where each volume of a run is on the host, by name. */
export type VolumePlaces = ReadonlyMap<string, string>;

/** Prepares all mounts of a run and publishes `mount`. What fails gives back what was mounted. */
export async function acquireMounts(context: Context, record: ContainerRecord): Promise<VolumePlaces> {
  const places = new Map<string, string>();
  try {
    for (const mount of record.mounts ?? [])
      if (mount.type === "bind") await prepareSource(context, mount, record.idMap);
    for (const name of volumeNames(record)) places.set(name, await context.volumes.mount(name, record.id));
  } catch (error) {
    for (const name of places.keys()) await giveBack(context, record.id, name);
    throw error;
  }
  for (const mount of record.mounts ?? [])
    if (mount.type === "volume") publish(context, record.id, mount, true);
  return places;
}

/** Gives the volumes of a run that has ended, or never began, back and publishes `unmount`. */
export async function releaseMounts(context: Context, record: ContainerRecord): Promise<void> {
  for (const name of volumeNames(record)) await giveBack(context, record.id, name);
  for (const mount of record.mounts ?? [])
    if (mount.type === "volume") publish(context, record.id, mount, false);
}

/** What fails is logged: the process is gone whatever happens. */
async function giveBack(context: Context, containerId: string, name: string): Promise<void> {
  try {
    await context.volumes.unmount(name, containerId);
  } catch (error) {
    context.log(
      "error",
      `container ${containerId.slice(0, 12)}: cannot unmount volume ${name}: ${messageOf(error)}`,
    );
  }
}

function publish(context: Context, containerId: string, mount: MountRecord, isMounted: boolean): void {
  const common = { driver: mount.driver ?? "", container: containerId };
  context.events.publish({
    type: "volume",
    action: isMounted ? "mount" : "unmount",
    actorId: mount.name ?? "",
    attributes: isMounted
      ? {
          ...common,
          destination: mount.destination,
          "read/write": String(!mount.isReadonly),
          propagation: mount.propagation,
        }
      : common,
  });
}

/**
 * Returns the mounts in the runtime's words; `places` where volumes are now, their usual places without it; `idMaps` by destination.
 */
export function specMounts(
  record: ContainerRecord,
  overlayOf: (mount: MountRecord) => Pick<SpecImage, "layers" | "options">,
  places: VolumePlaces = new Map(),
  idMaps: ReadonlyMap<string, IdMap> = new Map(),
): Pick<SpecInput, "binds" | "tmpfs" | "images"> {
  const tmpfs = parseTmpfs(record.hostConfig.Tmpfs);
  // compat: a tmpfs of `--tmpfs` wins over a mount at the same place.
  const mounts = (record.mounts ?? []).filter((m) => !tmpfs.has(m.destination));
  const of = (...types: MountRecord["type"][]): MountRecord[] => mounts.filter((m) => types.includes(m.type));
  return {
    binds: of("bind", "volume").map((m) => ({
      source: (m.type === "volume" ? places.get(m.name ?? "") : undefined) ?? m.source,
      destination: m.destination,
      readonly: m.isReadonly,
      ...(m.propagation === "" ? {} : { propagation: m.propagation }),
      ...(m.isPropagationOptional ? { isPropagationOptional: true } : {}),
      ...(m.isNonRecursive ? { nonRecursive: true } : {}),
      ...(m.isReadonlyNonRecursive ? { readonlyNonRecursive: true } : {}),
      ...(m.subpath === undefined ? {} : { subpath: m.subpath }),
      ...(m.type === "volume" && record.hasOwnRange ? { isIdMapped: true } : {}),
      ...idMapOf(idMaps.get(m.destination)),
    })),
    tmpfs: [
      ...of("tmpfs").map((m) => ({ destination: m.destination, options: m.tmpfsOptions ?? "" })),
      ...[...tmpfs].map(([destination, options]) => ({ destination, options })),
    ],
    images: of("image").map((m) => ({
      destination: m.destination,
      ...overlayOf(m),
      ...(m.subpath === undefined ? {} : { subpath: m.subpath }),
    })),
  };
}

const idMapOf = (idMap: IdMap | undefined): { idMap?: IdMap } => (idMap === undefined ? {} : { idMap });
