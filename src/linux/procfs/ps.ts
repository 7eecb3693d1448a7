// `docker top` without a fork: what ps on the host would say about a container's processes, as Docker passes it on.
// Docker runs ps and cuts its lines at blanks; so are the texts here, because clients see the difference: a title or text
// with a blank in it is several fields, and whatever is left over belongs to the last title.

import { readdirSync } from "node:fs";
import { Fault } from "../../lib/errors.ts";
import { groupNameOf, userNameOf } from "./accounts.ts";
import { readMemoryTotalKib, readProcessStat, readUptime, ttyName } from "./process.ts";
import { type PsColumn, type PsContext, psRow, type PsRow } from "./ps-columns.ts";
import { missingPid } from "./ps-layout.ts";
import { parsePsOptions, type PsOptions, type PsSelection } from "./ps-options.ts";

export interface PsTable {
  titles: string[];
  processes: string[][];
}

/**
 * Returns the table for the given host process ids. `psArgs` are ps's arguments as one text, "" for `-ef`. Throws Fault
 * invalidParameter for arguments that are not understood and for formats without a PID.
 */
export function psTable(pids: readonly number[], psArgs: string): PsTable {
  refuseDisguisedPid(psArgs);
  const options = parsePsOptions(psArgs.split(/[ \t\n\r\f]+/).filter(Boolean));
  const context: PsContext = {
    nowSec: Date.now() / 1000,
    uptimeSec: readUptime(),
    memoryKib: readMemoryTotalKib(),
  };
  const rows = ordered(selected(readRows(pids, options, context), options), options);
  const titles = options.columns.flatMap((column) => fields(column.title));
  if (!titles.includes("PID")) throw missingPid();
  return { titles, processes: rows.map((row) => cells(row, options.columns, titles.length)) };
}

/** `-o pid=PID2 -o ppid=PID` would show foreign numbers as process ids (Docker's rule and text). */
function refuseDisguisedPid(psArgs: string): void {
  for (const [, name, title] of psArgs.matchAll(/\s+([^\s]*)=\s*(PID[^\s]*)/g)) {
    if (name !== "pid") {
      throw new Fault("invalidParameter", `specifying "${name}=${title}" is not allowed`, {
        code: "container.top-args",
      });
    }
  }
}

function readRows(pids: readonly number[], options: PsOptions, context: PsContext): PsRow[] {
  const rows: PsRow[] = [];
  for (const pid of pids) {
    if (!options.hasThreads) {
      const stat = readProcessStat(`/proc/${pid}`);
      if (stat) rows.push(psRow(pid, stat, context));
      continue;
    }
    for (const tid of threadsOf(pid)) {
      // compat: procps shows the whole process's times on the row of its first thread
      const stat = readProcessStat(tid === pid ? `/proc/${pid}` : `/proc/${pid}/task/${tid}`);
      if (stat) rows.push(psRow(pid, { ...stat, pid }, context, tid));
    }
  }
  return rows;
}

function threadsOf(pid: number): number[] {
  try {
    // In the kernel's order, which is that of their creation and not of their numbers.
    return readdirSync(`/proc/${pid}/task`).map(Number);
  } catch {
    return []; // ignored: the process is gone
  }
}

function selected(rows: PsRow[], options: PsOptions): PsRow[] {
  const { select } = options;
  return rows
    .filter((row) => !options.isRunningOnly || ["R", "D"].includes(row.stat.state))
    .filter((row) => (select === undefined || isSelected(row, select)) !== options.isNegated);
}

function isSelected(row: PsRow, select: PsSelection): boolean {
  const id = (key: "Uid" | "Gid", at: number): number => Number(row.status().get(key)?.split(/\s+/)[at] ?? 0);
  const names = (list: readonly string[], number: number, name: string | undefined): boolean =>
    list.includes(String(number)) || (name !== undefined && list.includes(name));
  const tty = ttyName(row.stat.ttyNumber);
  return (
    select.pids.includes(row.pid) ||
    select.parents.includes(row.stat.ppid) ||
    select.sessions.includes(row.stat.session) ||
    select.commands.includes(row.stat.comm) ||
    names(select.users, id("Uid", 1), userNameOf(id("Uid", 1))) ||
    names(select.groups, id("Gid", 1), groupNameOf(id("Gid", 1))) ||
    names(select.realGroups, id("Gid", 0), groupNameOf(id("Gid", 0))) ||
    select.ttys.some((t) => t === tty || t === `/dev/${tty}` || (t === "-" && tty === "?"))
  );
}

function ordered(rows: PsRow[], options: PsOptions): PsRow[] {
  for (const { column, isDescending } of options.sort.toReversed()) {
    const sign = isDescending ? -1 : 1;
    rows.sort((a, b) => sign * compare(column, a, b));
  }
  return options.forest ? forest(rows, options.forest) : rows;
}

function compare(column: PsColumn, a: PsRow, b: PsRow): number {
  const [x, y] = [column.text(a), column.text(b)];
  return column.sortsAsNumber ? Number(x) - Number(y) : x < y ? -1 : x > y ? 1 : 0;
}

/**
 * Children below their parents. Docker's ps sees the whole machine, where a container's first process hangs below its
 * shim: so a root with a parent of its own carries the mark of a branch.
 */
function forest(rows: PsRow[], kind: "drawn" | "indented"): PsRow[] {
  const listed = new Set(rows.map((row) => row.pid));
  const children = new Map<number, PsRow[]>();
  for (const row of rows) {
    // the machine's first process adopts orphans: its children are roots of trees, not its branches
    const isBranch = row.stat.ppid > 1 && listed.has(row.stat.ppid) && row.stat.ppid !== row.pid;
    const parent = isBranch ? row.stat.ppid : 0;
    children.set(parent, [...(children.get(parent) ?? []), row]);
  }
  const result: PsRow[] = [];
  const visit = (parent: number, before: string, depth: number): void => {
    const list = children.get(parent) ?? [];
    list.forEach((row, i) => {
      const isTop = parent === 0 && row.stat.ppid <= 1;
      const mark = isTop ? "" : kind === "drawn" ? " \\_ " : "  ";
      const hasNext = parent !== 0 && i < list.length - 1;
      const bar = isTop ? "" : kind === "drawn" && hasNext ? " |  " : "    ";
      result.push({ ...row, indent: before + mark });
      if (depth < 200) visit(row.pid, before + bar, depth + 1);
    });
  };
  visit(0, "", 0);
  return result;
}

function cells(row: PsRow, columns: readonly PsColumn[], titleCount: number): string[] {
  const all = columns.flatMap((column, i) => {
    const text = column.text(row);
    const isCut = column.isUnlimited === true && i < columns.length - 1;
    return fields(isCut ? text.slice(0, Math.max(column.width, column.title.length)) : text);
  });
  return [...all.slice(0, titleCount - 1), all.slice(titleCount - 1).join(" ")];
}

function fields(text: string): string[] {
  return text.split(/[ \t\n\r\f]+/).filter(Boolean);
}
