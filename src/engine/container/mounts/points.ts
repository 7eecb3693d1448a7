// The mounts of a container as ContainerInspect and ContainerList show them.
import type { MountPoint } from "../../../api/schemas/container.ts";
import type { ContainerRecord } from "../record.ts";

/** Returns the mount points, by destination; compat: what `--tmpfs` made is not among them, what `--mount` made is. */
export function mountPoints(record: Pick<ContainerRecord, "mounts">): MountPoint[] {
  return (record.mounts ?? []).map((m) => ({
    Type: m.type,
    ...(m.name === undefined ? {} : { Name: m.name }),
    Source: m.source,
    Destination: m.destination,
    ...(m.driver === undefined ? {} : { Driver: m.driver }),
    Mode: m.mode,
    RW: !m.isReadonly,
    Propagation: m.propagation,
  }));
}

/** Names of the volumes that the container has, each once. */
export function volumeNames(record: Pick<ContainerRecord, "mounts">): string[] {
  const names = (record.mounts ?? []).flatMap((m) => (m.type === "volume" ? [m.name ?? ""] : []));
  return [...new Set(names)];
}

/** Whether a container has a mount of that volume, of that source, or at that place: the `volume` filter of ContainerList. */
export function hasMount(record: Pick<ContainerRecord, "mounts">, wanted: string): boolean {
  return (record.mounts ?? []).some((m) => m.destination === wanted || (m.name ?? m.source) === wanted);
}

/** Whether a container is made of an image or has it mounted. */
export function usesImage(record: Pick<ContainerRecord, "imageId" | "mounts">, imageId: string): boolean {
  return (
    record.imageId === imageId ||
    (record.mounts ?? []).some((m) => m.type === "image" && m.source === imageId)
  );
}

/** Returns the ids of the containers that have a volume, by its name. */
export function volumeUsers(records: readonly ContainerRecord[]): Map<string, string[]> {
  const users = new Map<string, string[]>();
  for (const record of records)
    for (const name of volumeNames(record)) users.set(name, [...(users.get(name) ?? []), record.id]);
  return users;
}
