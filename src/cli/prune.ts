// Removing what is not used: each kind's request and report, for the kinds' own prune commands and for `system prune`.

import type { Client } from "../api/client.ts";
import type { Filters } from "../api/contract.ts";
import { buildPrune } from "../api/operations/build.ts";
import { containerPrune } from "../api/operations/container.ts";
import { imagePrune } from "../api/operations/image.ts";
import { keptPrune } from "../api/operations/kept.ts";
import { networkPrune } from "../api/operations/network.ts";
import { volumePrune } from "../api/operations/volume.ts";
import { humanSize } from "../lib/units/size.ts";
import { ifKnown } from "./explain/explanation.ts";
import { print } from "./output.ts";

export interface PruneReport {
  readonly spaceBytes: number;
  /** Ends with a newline, empty when nothing was removed. */
  readonly text: string;
}

function report(title: string, lines: readonly string[], spaceBytes: number): PruneReport {
  if (lines.length === 0) return { spaceBytes: 0, text: "" };
  return { spaceBytes, text: `${title}:\n${lines.map((line) => `${line}\n`).join("")}` };
}

export async function pruneContainers(client: Client, filters: Filters): Promise<PruneReport> {
  const { ContainersDeleted, SpaceReclaimed } = await client.call(containerPrune, { filters });
  return report("Deleted Containers", ContainersDeleted ?? [], SpaceReclaimed);
}

export async function pruneNetworks(client: Client, filters: Filters): Promise<PruneReport> {
  const { NetworksDeleted } = await client.call(networkPrune, { filters });
  return report("Deleted Networks", NetworksDeleted ?? [], 0);
}

export async function pruneVolumes(client: Client, filters: Filters): Promise<PruneReport> {
  const { VolumesDeleted, SpaceReclaimed } = await client.call(volumePrune, { filters });
  return report("Deleted Volumes", VolumesDeleted ?? [], SpaceReclaimed);
}

export async function pruneImages(
  client: Client,
  filters: Filters,
  options: { readonly all: boolean },
): Promise<PruneReport> {
  const dangling = { ...filters, dangling: [String(!options.all)] };
  const { ImagesDeleted, SpaceReclaimed } = await client.call(imagePrune, { filters: dangling });
  const lines = (ImagesDeleted ?? []).map(({ Deleted, Untagged }) =>
    Untagged !== undefined && Untagged !== "" ? `untagged: ${Untagged}` : `deleted: ${Deleted ?? ""}`,
  );
  return report("Deleted Images", lines, SpaceReclaimed);
}

/** What of the build cache goes. Bytes, 0 for no such limit. */
export interface BuildPruneOptions {
  readonly all: boolean;
  readonly keepStorage?: number;
  readonly maxUsedSpace?: number;
  readonly minFreeSpace?: number;
  readonly reservedSpace?: number;
}

export async function pruneBuildCache(
  client: Client,
  filters: Filters,
  options: BuildPruneOptions,
): Promise<PruneReport> {
  const { all, keepStorage, maxUsedSpace, minFreeSpace, reservedSpace } = options;
  const { CachesDeleted, SpaceReclaimed } = await client.call(buildPrune, {
    filters,
    all,
    keepStorage: keepStorage || undefined,
    maxUsedSpace: maxUsedSpace || undefined,
    minFreeSpace: minFreeSpace || undefined,
    reservedSpace: reservedSpace || undefined,
  });
  return report("Deleted build cache objects", CachesDeleted ?? [], SpaceReclaimed);
}

/** Gives up what was removed and could be brought back; nothing on a Docker Engine, which keeps nothing. */
export async function pruneKept(client: Client): Promise<PruneReport> {
  const { Deleted, SpaceReclaimed } = (await ifKnown(client.call(keptPrune, {}))) ?? {
    Deleted: [],
    SpaceReclaimed: 0,
  };
  return report("Given up for good", Deleted, SpaceReclaimed);
}

/** Prints a report as the prune commands of one kind do. */
export function printReport({ text, spaceBytes }: PruneReport): void {
  if (text !== "") print(`${text}\n`);
  print(`Total reclaimed space: ${humanSize(spaceBytes)}\n`);
}
