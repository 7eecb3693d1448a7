// Removes a container that does not run: record first, so that a crash leaves files that the next start sweeps, never
// a record without files.
import { rm } from "node:fs/promises";
import { type ContainerContext, publish } from "./context.ts";
import type { ContainerRecord } from "./record.ts";
import type { LiveContainer } from "./table.ts";

/** Removes record and files, tells those who wait, publishes `destroy`. The files go in the background. */
export async function removeStopped(
  context: ContainerContext,
  live: LiveContainer,
  record: ContainerRecord,
): Promise<void> {
  clearTimeout(live.restartTimer);
  await context.table.remove(record);
  publish(context, record, "destroy");
  for (const tell of [...live.removeWaiters, ...live.exitWaiters]) tell(record.state.exitCode);
  live.removeWaiters.clear();
  live.exitWaiters.clear();
  await context.layers.removeUpper(live.id);
  await rm(context.paths.dir(live.id), { recursive: true, force: true });
  context.inBackground(`remove the files of container ${live.id.slice(0, 12)}`, async () => {
    await rm(context.paths.stateDir(live.id), { recursive: true, force: true });
    if (record.layer !== null) await context.images.removeUnneededLayers(record.layer);
  });
}
