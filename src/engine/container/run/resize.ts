// ContainerResize: the size of a running container's terminal.
import { SysError } from "../../../lib/errors.ts";
import { type ContainerContext, publish } from "../context.ts";
import type { ContainerRecord } from "../record.ts";
import type { LiveContainer } from "../table.ts";
import { notRunning, requireProcess } from "./state.ts";

const ENOTTY = 25;

/** Sets the size in characters; fails with conflict when nothing runs. A container without a terminal does not mind. */
export async function resizeContainer(
  context: ContainerContext,
  live: LiveContainer,
  record: ContainerRecord,
  { height, width }: { height: number; width: number },
): Promise<void> {
  requireProcess(record);
  if (live.run === null) throw notRunning(live.id);
  try {
    await live.run.shim.resize(null, terminalSide(height), terminalSide(width));
  } catch (error) {
    if (!(error instanceof SysError && error.errno === ENOTTY)) throw error;
    // ignored: compat, sizes of what is no terminal are taken and forgotten
  }
  publish(context, record, "resize", { height: String(height), width: String(width) });
}

/** compat: the API's numbers have 32 bits, the kernel's 16; what is above is lost. */
export function terminalSide(characters: number): number {
  return characters & 0xffff;
}
