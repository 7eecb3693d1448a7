// ContainerRename: another name for a container, be it running or not; the old one is free at once.
import { Fault } from "../../lib/errors.ts";
import { type ContainerContext, publish } from "./context.ts";
import { checkNameIsFree, parseName } from "./names.ts";
import type { LiveContainer } from "./table.ts";

/** Renames; fails with invalidParameter or conflict in Docker's words. In the container's lane. */
export async function renameContainer(
  context: ContainerContext,
  live: LiveContainer,
  wanted: string,
): Promise<void> {
  const record = context.table.find(live.id);
  const plain = wanted.trim().replace(/^\//, "");
  if (plain === "") throw refusal("Neither old nor new names may be empty");
  if (plain === record.name) throw refusal("Renaming a container with the same name as its current name");
  try {
    checkNameIsFree(context.table, parseName(`/${plain}`));
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    const { kind, code } = error;
    throw new Fault(kind, `Error when allocating new name: ${error.message}`, { code, cause: error });
  }
  const renamed = await context.table.put({ ...record, name: plain });
  publish(context, renamed, "rename", { oldName: `/${record.name}` });
}

function refusal(message: string): Fault {
  return new Fault("invalidParameter", message, { code: "container.name-invalid" });
}
