// `list`: the containers below --root.

import { existsSync, writeSync } from "node:fs";
import { Fault, messageOf } from "../../../lib/errors.ts";
import { bool, string } from "../../../lib/flags/spec.ts";
import { goJson } from "../../../lib/json/go-json.ts";
import { layoutTabs } from "../../../lib/term/tabwriter.ts";
import { command } from "../invocation.ts";
import { print } from "../print.ts";
import { listed, type ListedContainer } from "../life/listed.ts";
import { ContainerDir, listIds } from "../life/store.ts";

const STDERR = 2;

export const list = command({
  operands: "",
  flags: {
    format: string("select one of: table or json", { short: "f", initial: "table" }),
    quiet: bool("display only container IDs", { short: "q" }),
  },
  least: 0,
  most: 0,
  interspersed: true,
  run(call, { format, quiet }) {
    if (!quiet && format !== "table" && format !== "json")
      throw new Fault("invalidParameter", "invalid format option", { code: "runtime.format" });
    // nothing was ever created in the default place; one that was named has to be there
    const ids = call.isRootGiven || existsSync(call.root) ? listIds(call.root) : [];
    const entries = ids.flatMap((id) => entryOf(call.root, id));
    print(textOf(entries, quiet ? "quiet" : format));
    return 0;
  },
});

/** One that cannot be read does not hide the others. */
function entryOf(root: string, id: string): ListedContainer[] {
  try {
    const dir = new ContainerDir(root, id);
    return [listed(dir, dir.load())];
  } catch (error) {
    if (existsSync(`${root}/${id}`)) writeSync(STDERR, `load container ${id}: ${messageOf(error)}\n`);
    return [];
  }
}

function textOf(entries: readonly ListedContainer[], format: string): string {
  if (format === "quiet") return entries.map((e) => `${e.id}\n`).join("");
  if (format === "json") return `${entries.length === 0 ? "null" : goJson(entries)}\n`; // compat: Go's nil slice
  const rows = entries.map((e) => [e.id, e.pid, e.status, e.bundle, e.created, e.owner].join("\t"));
  const lines = ["ID\tPID\tSTATUS\tBUNDLE\tCREATED\tOWNER", ...rows];
  return layoutTabs(`${lines.join("\n")}\n`, { minWidth: 12, padding: 3 });
}
