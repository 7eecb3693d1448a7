// `ps`: the container's processes, as ps(1) would show them or as a list of ids.

import { Fault } from "../../../lib/errors.ts";
import { string } from "../../../lib/flags/spec.ts";
import { psTable } from "../../../linux/procfs/ps.ts";
import { pidsIn } from "../life/cgroup-end.ts";
import { command } from "../invocation.ts";
import { print } from "../print.ts";
import { ContainerDir } from "../life/store.ts";

export const ps = command({
  operands: "<container-id> [ps options]",
  flags: { format: string("select one of: table or json", { short: "f", initial: "table" }) },
  least: 1,
  most: Number.POSITIVE_INFINITY,
  interspersed: false,
  run(call, { format }, [id = "", ...options]) {
    const pids = pidsIn(new ContainerDir(call.root, id).load().cgroup.paths);
    if (format === "json") print(`${JSON.stringify(pids)}\n`);
    else if (format === "table") print(tableOf(pids, options.length > 0 ? options : ["-ef"]));
    else throw new Fault("invalidParameter", "invalid format option", { code: "runtime.format" });
    return 0;
  },
});

function tableOf(pids: readonly number[], options: readonly string[]): string {
  const { titles, processes: rows } = psTable(pids, options.join(" "));
  const widths = titles.map((title, i) =>
    Math.max(title.length, ...rows.map((row) => (row[i] ?? "").length)),
  );
  // compat: as procps has them, numbers to the right, process ids seven wide
  const isNumber = titles.map((_, i) => rows.length > 0 && rows.every((row) => /^\d+$/.test(row[i] ?? "")));
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, i) => {
        const width = Math.max(widths[i] ?? 0, titles[i] === "PID" || titles[i] === "PPID" ? 7 : 0);
        if (isNumber[i] || titles[i] === "PID") return cell.padStart(width);
        return i === cells.length - 1 ? cell : cell.padEnd(width);
      })
      .join(" ");
  return [titles, ...rows].map((row) => `${line(row)}\n`).join("");
}
