// ContainerPrune: removes the containers that do not run and fit the filters, and says how much their own files took.
import type { Filters } from "../../api/contract.ts";
import type { ContainersPrune } from "../../api/schemas/container.ts";
import { messageOf } from "../../lib/errors.ts";
import { parseNano } from "../../lib/time.ts";
import type { FsSession } from "../../linux/keel.ts";
import { fs } from "../../linux/ops.ts";
import { pruneMatcher } from "../prune-filter.ts";
import type { ContainerContext } from "./context.ts";
import type { ContainerRecord } from "./record.ts";
import type { LiveContainer } from "./table.ts";

const PRUNABLE = ["created", "exited", "dead"];
const S_IFMT = 0o170000;
const S_IFDIR = 0o040000;

/** Removes the containers; one that is in use by then stays. Fails with invalidParameter for wrong filters. */
export async function pruneContainers(
  context: ContainerContext,
  filters: Filters,
  remove: (live: LiveContainer) => Promise<void>,
): Promise<ContainersPrune> {
  const fits = pruneMatcher(filters);
  const ContainersDeleted: string[] = [];
  let SpaceReclaimed = 0;
  for (const record of context.table.all()) {
    const createdNano = parseNano(record.createdAt) ?? 0n;
    if (!PRUNABLE.includes(record.state.status) || !fits({ createdNano, labels: record.config.Labels }))
      continue;
    const live = context.table.live(record.id);
    const sizeBytes = await live.lane.run(async () => {
      const { status } = context.table.get(record.id)?.state ?? {};
      if (live.run !== null || live.isRemoving || !PRUNABLE.includes(status ?? "")) return undefined;
      const size = await writtenBytes(context, record);
      await remove(live);
      return size;
    });
    if (sizeBytes === undefined) continue;
    SpaceReclaimed += sizeBytes;
    ContainersDeleted.push(record.id);
  }
  const attributes = { reclaimed: String(SpaceReclaimed) };
  context.events.publish({ type: "container", action: "prune", actorId: "", attributes });
  return { ContainersDeleted: ContainersDeleted.length === 0 ? null : ContainersDeleted, SpaceReclaimed };
}

/** Returns the bytes that a container has written into its own layer. */
async function writtenBytes(context: ContainerContext, record: ContainerRecord): Promise<number> {
  try {
    const path = context.layers.upperOf(record.id).upper;
    await using session = await context.layers.openFs({ kind: "dir", path });
    return await bytesIn(session, ".");
  } catch (error) {
    context.log("warn", `cannot measure container ${record.id.slice(0, 12)}: ${messageOf(error)}`);
    return 0; // ignored: a number for the user must not keep anything from being removed
  }
}

async function bytesIn(session: FsSession, dir: string | Uint8Array): Promise<number> {
  const [names] = (await session.sync([fs.list(dir)])) as unknown as [Buffer[]];
  const paths = names.map((name) => (dir === "." ? name : Buffer.concat([Buffer.from(dir), SLASH, name])));
  const stats = await session.sync(paths.map((path) => fs.stat(path)));
  let sum = 0;
  for (const [i, stat] of (stats as unknown as number[][]).entries()) {
    const [mode = 0, , , size = 0] = stat;
    if ((mode & S_IFMT) === S_IFDIR) sum += await bytesIn(session, paths[i] as Buffer);
    else sum += size;
  }
  return sum;
}

const SLASH = Buffer.from("/");
