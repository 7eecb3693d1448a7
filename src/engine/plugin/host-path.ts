// Where a path that a plugin names is on the host: below what it propagates, or in its root. Both are the plugin's to write, so that a
// symlink on the way is refused: it would be followed from the host's root.
import { lstatSync } from "node:fs";
import { join, posix } from "node:path";
import { Fault } from "../../lib/errors.ts";
import type { PluginContext } from "./context.ts";
import type { PluginRecord } from "./record.ts";
import { LOGGING } from "./spec.ts";

/** Returns the host's path. Fails with system for one that is not a plain path below. */
export function hostPathOf(
  { paths }: Pick<PluginContext, "paths">,
  { id, name, config }: PluginRecord,
  path: string,
): string {
  const clean = posix.normalize(path).replace(/(?<=.)\/$/, "");
  if (clean === LOGGING) return paths.logging(id);
  const shared = posix.normalize(`${config.PropagatedMount}/`);
  const isShared = config.PropagatedMount !== "" && `${clean}/`.startsWith(shared);
  const base = isShared ? paths.propagated(id) : paths.rootfs(id);
  const rest = (isShared ? `${clean}/`.slice(shared.length) : clean).split("/").filter((part) => part !== "");
  let at = base;
  for (const part of rest) {
    at = join(at, part);
    if (lstatSync(at, { throwIfNoEntry: false })?.isSymbolicLink() === true)
      throw new Fault(
        "system",
        `plugin ${name} names ${JSON.stringify(path)}, in which there is a symbolic link`,
        {
          code: "plugin.failed",
        },
      );
  }
  return at;
}
