// A removed container is kept for a while: its directory moves to <data root>/kept/<id>, its record to the table of what is kept,
// and its layers stay. The directory moves first: a removal that a crash cuts short has a record without one, and either is
// finished, or gets it back (recoverKept).
import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { Fault } from "../../lib/errors.ts";
import { host } from "../../linux/ops.ts";
import { treeBytes } from "../../storage/tree-size.ts";
import type { KeptStore } from "../kept/store.ts";
import type { KeptOwner, KeptRecord, Restored, RestoreOptions } from "../kept/record.ts";
import { type ContainerContext, publish } from "./context.ts";
import { parseName } from "./names.ts";
import { type ContainerRecord, NEVER_RAN } from "./record.ts";
import { layersOf } from "./table.ts";

const keptDir = (context: ContainerContext, id: string): string => join(context.paths.dataRoot, "kept", id);

const recordOf = (kept: KeptRecord): ContainerRecord => kept.content as ContainerRecord;

/** Removed containers: their files are on the disk, and count for the project that they are in. */
export function keptContainers(kept: Pick<KeptStore, "of">): ContainerRecord[] {
  return kept.of("container").map(recordOf);
}

/** Moves a container's files out of the way, and says whether it did: not to another disk. They may have been moved already. */
export async function keepFiles(context: ContainerContext, id: string): Promise<boolean> {
  if (!(await context.kept.accepts())) return false;
  await context.disk.makeDir(join(context.paths.dataRoot, "kept"));
  try {
    await renameIfThere(context, context.paths.dir(id), keptDir(context, id));
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EXDEV") throw error;
    return false;
  }
}

async function renameIfThere({ disk }: ContainerContext, from: string, to: string): Promise<void> {
  try {
    await disk.rename(from, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
}

/** Keeps the layers that a kept container stands on. */
function hold(context: ContainerContext, record: ContainerRecord): void {
  for (const layer of layersOf(record)) context.layers.holds.retain(layer, `kept:${record.id}`);
}

/** Returns what is kept of a container, to be committed with its removal. */
export function keepContainer(
  context: ContainerContext,
  record: ContainerRecord,
  group?: string,
): KeptRecord {
  hold(context, record);
  return context.kept.record({
    id: record.id,
    kind: "container",
    name: record.name,
    content: record,
    ...(group === undefined ? {} : { group }),
  });
}

/** Puts right what a crash has left between the files and the records, and holds the layers; before anybody looks for unneeded ones. */
export async function recoverKept(context: ContainerContext): Promise<void> {
  const { table, kept, paths, keel } = context;
  for (const record of keptContainers(kept)) {
    hold(context, record);
    if (!existsSync(keptDir(context, record.id)))
      await renameIfThere(context, paths.dir(record.id), keptDir(context, record.id));
  }
  for (const id of await readdir(join(paths.dataRoot, "kept")).catch(() => [])) {
    // ignored: nothing was ever kept
    if (kept.has(id)) continue;
    if (table.get(id) !== undefined && !existsSync(paths.dir(id)))
      await context.disk.rename(keptDir(context, id), paths.dir(id));
    else await keel.run([host.remove(keptDir(context, id))]);
  }
}

/** What the shelf asks of containers. */
export function containerKeeper(context: ContainerContext): KeptOwner {
  return {
    restore: (kept, options) => restoreContainer(context, kept, options),
    async dispose(kept) {
      const record = recordOf(kept);
      for (const layer of layersOf(record)) context.layers.holds.release(layer, `kept:${record.id}`);
      await context.keel.run([host.remove(keptDir(context, record.id))]);
      for (const layer of layersOf(record)) await context.images.removeUnneededLayers(layer);
    },
    async measure(kept) {
      const upper = join(keptDir(context, kept.id), "upper");
      const dirs = { ...context.layers.upperOf(kept.id, recordOf(kept).idMap), upper };
      await using session = await context.layers.openUpper(dirs);
      return await treeBytes(session);
    },
  };
}

async function restoreContainer(
  context: ContainerContext,
  kept: KeptRecord,
  { name }: RestoreOptions,
): Promise<Restored> {
  const { table, paths } = context;
  const before = recordOf(kept);
  const wanted = parseName(name ?? before.name);
  if (table.isNameTaken(wanted))
    throw new Fault(
      "conflict",
      `the container name "${wanted}" is in use meanwhile by container ${table.idOfName(wanted)?.slice(0, 12) ?? ""}: rename that one, or bring this one back under another name (--name)`,
      { code: "container.name-taken" },
    );
  using _ = table.reserveName(wanted);
  using _ids = before.hasOwnRange && before.idMap ? context.idRanges.reserveAgain(before.idMap) : undefined;
  const volumes = await restoreVolumes(context, before);
  const warnings = [...volumes, ...lost(context, before)];
  await context.disk.rename(keptDir(context, before.id), paths.dir(before.id));
  const record: ContainerRecord = { ...before, name: wanted, state: restedState(before) };
  try {
    await table.add(record, [context.kept.removeChange(kept)]);
  } catch (error) {
    await context.disk.rename(paths.dir(before.id), keptDir(context, before.id));
    throw error;
  }
  for (const layer of layersOf(record)) context.layers.holds.release(layer, `kept:${record.id}`);
  publish(context, record, "undo");
  return { name: wanted, warnings };
}

/** It does not run, whatever it did when it was removed. */
function restedState({ state }: ContainerRecord): ContainerRecord["state"] {
  const status = state.startedAt === "" ? NEVER_RAN.status : "exited";
  return { ...state, status, pid: 0, error: "", isStoppedByUser: true };
}

/** Its volumes come back with it as far as they were removed, too. Returns what is missing. */
async function restoreVolumes(context: ContainerContext, record: ContainerRecord): Promise<string[]> {
  const names = (record.mounts ?? []).flatMap((m) => (m.type === "volume" && m.name ? [m.name] : []));
  const missing: string[] = [];
  for (const name of new Set(names)) {
    if (context.volumes.get(name) !== undefined) continue;
    const kept = context.kept.of("volume").find((v) => v.name === name);
    if (kept === undefined) missing.push(`its volume ${name} is gone`);
    else await context.volumes.restoreKept(kept, {});
  }
  return missing;
}

/** What the container needs for its next start and will not find. */
function lost({ networks, images }: ContainerContext, record: ContainerRecord): string[] {
  const isThere = (name: string): boolean => {
    try {
      return networks.findPlace(name) !== undefined;
    } catch {
      return false; // ignored: that is the answer
    }
  };
  const gone = record.endpoints.map((e) => e.networkName).filter((name) => !isThere(name));
  return [
    ...gone.map(
      (name) =>
        `its network ${name} is gone: make it again, or disconnect the container, before it is started`,
    ),
    ...(images.has(record.imageId) ? [] : ["its image is gone: it runs all the same"]),
  ];
}
