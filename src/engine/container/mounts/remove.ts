// What becomes of a container's volumes when it goes: with `rm -v` and `--rm` those that nobody named go, too. That they are
// nobody's is committed with the container's end, so a crash in between leaves none behind.
import { Fault, messageOf } from "../../../lib/errors.ts";
import type { ContainerContext } from "../context.ts";
import type { ContainerRecord } from "../record.ts";

/** Returns the names of a container's anonymous volumes, each once. */
export function anonymousVolumes(record: Pick<ContainerRecord, "mounts">): string[] {
  const anonymous = (record.mounts ?? []).filter((m) => m.type === "volume" && m.isAnonymous);
  return [...new Set(anonymous.map((m) => m.name ?? ""))];
}

/** Removes volumes of a container that is gone; one that another container has stays, and what fails is logged. */
export async function removeVolumes(
  context: Pick<ContainerContext, "volumes" | "log">,
  names: readonly string[],
  options: { readonly isKept?: boolean; readonly group?: string } = {},
): Promise<void> {
  for (const name of names) {
    try {
      await context.volumes.remove(name, options);
    } catch (error) {
      if (error instanceof Fault && ["volume.in-use", "volume.not-found"].includes(error.code)) continue; // ignored: it is needed, or gone
      context.log("error", `cannot remove volume ${name}: ${messageOf(error)}`);
    }
  }
}
