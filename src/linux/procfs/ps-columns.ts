// The columns that ps can show (ps(1), STANDARD FORMAT SPECIFIERS): title, width and text of each. Texts are procps's,
// character for character, since people and scripts parse them. No alignment: Docker passes on fields, not lines.

import { groupNameOf, userNameOf } from "./accounts.ts";
import {
  type ProcessStat,
  readCommandLine,
  readProcessLink,
  readProcessStatus,
  TICKS_PER_SECOND,
  ttyName,
} from "./process.ts";
import { readProcTextIfPresent } from "./read.ts";
import { table } from "../../lib/table.ts";

/** Facts that are the same for all rows of one listing. */
export interface PsContext {
  nowSec: number;
  uptimeSec: number;
  memoryKib: number;
}

/** One row: a process or, with `tid`, one of its threads. */
export interface PsRow {
  pid: number;
  tid: number;
  stat: ProcessStat;
  context: PsContext;
  /** What comes before the command in a forest. */
  indent: string;
  /** Read at the first use. */
  status(): ReadonlyMap<string, string>;
}

export interface PsColumn {
  title: string;
  width: number;
  text(row: PsRow): string;
  /** Cut to its width unless it is the last column. */
  isUnlimited?: boolean;
  /** For --sort. */
  sortsAsNumber?: boolean;
}

const directoryOf = ({ pid, tid }: Pick<PsRow, "pid" | "tid">): string =>
  tid === pid ? `/proc/${pid}` : `/proc/${pid}/task/${tid}`;

/** Makes a row. */
export function psRow(pid: number, stat: ProcessStat, context: PsContext, tid = pid): PsRow {
  let status: ReadonlyMap<string, string> | undefined;
  return {
    pid,
    tid,
    stat,
    context,
    indent: "",
    status: () => {
      status ??= readProcessStatus(directoryOf({ pid, tid })) ?? new Map();
      return status;
    },
  };
}

type Text = (row: PsRow) => string;

const number = (title: string, width: number, value: (row: PsRow) => number): PsColumn => ({
  title,
  width,
  text: (row) => String(value(row)),
  sortsAsNumber: true,
});

const words = (title: string, width: number, text: Text): PsColumn => ({ title, width, text });

const last = (title: string, width: number, text: Text): PsColumn => ({
  title,
  width,
  text,
  isUnlimited: true,
});

/** `which`: 0 real, 1 effective, 2 saved, 3 file system. */
const idOf = (row: PsRow, key: "Uid" | "Gid", which: number): number =>
  Number(row.status().get(key)?.split(/\s+/)[which] ?? 0);

const idColumn = (title: string, key: "Uid" | "Gid", which: number) =>
  number(title, 5, (row) => idOf(row, key, which));

/** A name that is too long keeps what fits and a plus sign (procps 4). */
const nameColumn = (title: string, key: "Uid" | "Gid", which: number): PsColumn => ({
  title,
  width: 8,
  text(row) {
    const id = idOf(row, key, which);
    const name = (key === "Uid" ? userNameOf(id) : groupNameOf(id)) ?? String(id);
    return name.length > this.width ? `${name.slice(0, this.width - 1)}+` : name;
  },
});

const elapsed = (row: PsRow): number =>
  Math.max(0, Math.floor(row.context.uptimeSec - row.stat.startTicks / TICKS_PER_SECOND));

const startedAt = (row: PsRow): Date =>
  new Date(
    (Math.floor(row.context.nowSec - row.context.uptimeSec) +
      Math.floor(row.stat.startTicks / TICKS_PER_SECOND)) *
      1000,
  );

const cpuSeconds = (row: PsRow): number =>
  Math.floor((row.stat.userTicks + row.stat.systemTicks) / TICKS_PER_SECOND);

/** Hundredths of a CPU over the whole life of the process. */
function utilization(row: PsRow): number {
  const seconds = row.context.uptimeSec - row.stat.startTicks / TICKS_PER_SECOND;
  return seconds <= 0 ? 0 : ((row.stat.userTicks + row.stat.systemTicks) / TICKS_PER_SECOND / seconds) * 100;
}

function percent(permille: number): string {
  return permille > 999 ? String(Math.floor(permille / 10)) : `${Math.floor(permille / 10)}.${permille % 10}`;
}

const pad = (n: number): string => String(n).padStart(2, "0");

/** [DD-]HH:MM:SS. */
function clockTime(seconds: number): string {
  const days = Math.floor(seconds / 86_400);
  const rest = `${pad(Math.floor(seconds / 3600) % 24)}:${pad(Math.floor(seconds / 60) % 60)}:${pad(seconds % 60)}`;
  return days > 0 ? `${days}-${rest}` : rest;
}

/** [[DD-]HH:]MM:SS. */
function elapsedTime(seconds: number): string {
  const days = Math.floor(seconds / 86_400);
  const hours = Math.floor(seconds / 3600) % 24;
  const head = days > 0 ? `${days}-${pad(hours)}:` : hours > 0 ? `${pad(hours)}:` : "";
  return `${head}${pad(Math.floor(seconds / 60) % 60)}:${pad(seconds % 60)}`;
}

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const DAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const DAY_SEC = 86_400;

/** The hour today, the day this year, else the year. */
function startTime(row: PsRow): string {
  const date = startedAt(row);
  const now = new Date(row.context.nowSec * 1000);
  if (date.getFullYear() !== now.getFullYear()) return String(date.getFullYear());
  if (date.getMonth() !== now.getMonth() || date.getDate() !== now.getDate()) {
    return `${MONTHS[date.getMonth()]}${pad(date.getDate())}`;
  }
  return `${pad(date.getHours())}:${pad(date.getMinutes())}`;
}

function start(row: PsRow, options: { hasSeconds: boolean }): string {
  const date = startedAt(row);
  if (row.context.nowSec - date.getTime() / 1000 > DAY_SEC) {
    return `${MONTHS[date.getMonth()]} ${String(date.getDate()).padStart(2, options.hasSeconds ? "0" : " ")}`;
  }
  const minutes = `${pad(date.getHours())}:${pad(date.getMinutes())}`;
  return options.hasSeconds ? `${minutes}:${pad(date.getSeconds())}` : minutes;
}

function longStart(row: PsRow): string {
  const d = startedAt(row);
  const clock = `${pad(d.getHours())}:${pad(d.getMinutes())}:${pad(d.getSeconds())}`;
  return `${DAYS[d.getDay()]} ${MONTHS[d.getMonth()]} ${String(d.getDate()).padStart(2)} ${clock} ${d.getFullYear()}`;
}

/** Control characters would break the table. */
function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, "?");
}

const commandName = (row: PsRow): string => row.indent + printable(row.stat.comm);

function commandLine(row: PsRow): string {
  const argv = row.stat.state === "Z" ? [] : readCommandLine(row.pid);
  if (argv.length > 0) return row.indent + printable(argv.join(" "));
  return `${row.indent}[${printable(row.stat.comm)}]${row.stat.state === "Z" ? " <defunct>" : ""}`;
}

/** State and its marks: priority, locked pages, session leader, threads, foreground. */
function stateText(row: PsRow): string {
  const s = row.stat;
  const nice = s.nice < 0 ? "<" : s.nice > 0 ? "N" : "";
  const locked = (row.status().get("VmLck") ?? "0 kB") === "0 kB" ? "" : "L";
  const leader = s.session === s.pid ? "s" : "";
  const threads = s.threads > 1 ? "l" : "";
  return s.state + nice + locked + leader + threads + (s.tpgid > 0 && s.tpgid === s.pgrp ? "+" : "");
}

const CLASSES = ["TS", "FF", "RR", "B", "ISO", "IDL", "DLN", "EXT"];

const isRealtime = (row: PsRow): boolean => row.stat.policy === 1 || row.stat.policy === 2;

function kibOf(row: PsRow, key: string): number {
  return Number.parseInt(row.status().get(key) ?? "0", 10);
}

function waitChannel(row: PsRow): string {
  const text = readProcTextIfPresent(`${directoryOf(row)}/wchan`)?.trim() ?? "";
  return text === "" || text === "0" ? "-" : text;
}

const namespaceColumn = (title: string, name: string) =>
  words(title, 10, (row) => /\[(\d+)\]/.exec(readProcessLink(row.pid, `ns/${name}`) ?? "")?.[1] ?? "-");

const cgroupText: Text = (row) =>
  (readProcTextIfPresent(`/proc/${row.pid}/cgroup`) ?? "").trim().split("\n").filter(Boolean).join(",") ||
  "-";

const signals = (title: string, key: string) =>
  words(title, 16, (row) => row.status().get(key) ?? "0".repeat(16));

const columns: [names: string, column: PsColumn][] = [
  ["pid tgid", number("PID", 5, (row) => row.pid)],
  ["lwp spid tid", number("LWP", 5, (row) => row.tid)],
  ["ppid", number("PPID", 5, (row) => row.stat.ppid)],
  ["pgid pgrp", number("PGID", 5, (row) => row.stat.pgrp)],
  ["sid sess session", number("SID", 5, (row) => row.stat.session)],
  ["tpgid", number("TPGID", 5, (row) => row.stat.tpgid)],
  ["user uname euser", nameColumn("USER", "Uid", 1)],
  ["ruser", nameColumn("RUSER", "Uid", 0)],
  ["suser svuser", nameColumn("SUSER", "Uid", 2)],
  ["fuser fsuser", nameColumn("FUSER", "Uid", 3)],
  ["group egroup", nameColumn("GROUP", "Gid", 1)],
  ["rgroup", nameColumn("RGROUP", "Gid", 0)],
  ["sgroup svgroup", nameColumn("SGROUP", "Gid", 2)],
  ["fgroup fsgroup", nameColumn("FGROUP", "Gid", 3)],
  ["uid euid", idColumn("UID", "Uid", 1)],
  ["ruid", idColumn("RUID", "Uid", 0)],
  ["suid svuid", idColumn("SUID", "Uid", 2)],
  ["fuid fsuid", idColumn("FUID", "Uid", 3)],
  ["gid egid", idColumn("GID", "Gid", 1)],
  ["rgid", idColumn("RGID", "Gid", 0)],
  ["sgid svgid", idColumn("SGID", "Gid", 2)],
  ["fgid fsgid", idColumn("FGID", "Gid", 3)],
  ["args command", last("COMMAND", 27, commandLine)],
  ["cmd", last("CMD", 27, commandLine)],
  ["comm ucomm", last("COMMAND", 15, commandName)],
  ["ucmd", last("CMD", 15, commandName)],
  ["fname", words("COMMAND", 8, (row) => printable(row.stat.comm).slice(0, 8))],
  ["exe", last("EXE", 27, (row) => readProcessLink(row.pid, "exe") ?? "-")],
  ["cwd", last("CWD", 27, (row) => readProcessLink(row.pid, "cwd") ?? "-")],
  ["s state", words("S", 1, (row) => row.stat.state)],
  ["stat", words("STAT", 4, stateText)],
  ["f flag flags", number("F", 1, (row) => Number((Math.floor(row.stat.flags / 64) & 7).toString(8)))],
  ["c", number("C", 2, (row) => Math.min(99, Math.floor(utilization(row))))],
  ["cp", number("CP", 3, (row) => Math.min(999, Math.floor(utilization(row) * 10)))],
  [
    "pcpu %cpu",
    { ...words("%CPU", 4, (row) => percent(Math.floor(utilization(row) * 10))), sortsAsNumber: true },
  ],
  ["pmem %mem", { ...words("%MEM", 4, memoryShare), sortsAsNumber: true }],
  ["ni nice", words("NI", 3, (row) => (isRealtime(row) ? "-" : String(row.stat.nice)))],
  ["pri", number("PRI", 3, (row) => 39 - row.stat.priority)],
  ["opri intpri", number("PRI", 3, (row) => 60 + row.stat.priority)],
  ["priority", number("PRI", 3, (row) => row.stat.priority)],
  ["psr cpu", number("PSR", 3, (row) => row.stat.processor)],
  ["rtprio", words("RTPRIO", 6, (row) => (isRealtime(row) ? String(row.stat.realtimePriority) : "-"))],
  ["class cls", words("CLS", 3, (row) => CLASSES[row.stat.policy] ?? "?")],
  ["policy", words("POL", 3, (row) => CLASSES[row.stat.policy] ?? "?")],
  ["sched", number("SCH", 3, (row) => row.stat.policy)],
  ["nlwp", number("NLWP", 4, (row) => row.stat.threads)],
  ["thcount", number("THCNT", 5, (row) => row.stat.threads)],
  ["vsz vsize", number("VSZ", 6, (row) => Math.floor(row.stat.sizeBytes / 1024))],
  ["rss rssize", number("RSS", 5, (row) => kibOf(row, "VmRSS"))],
  ["rsz", number("RSZ", 5, (row) => kibOf(row, "VmRSS"))],
  ["sz", number("SZ", 5, (row) => Math.floor(row.stat.sizeBytes / 4096))],
  ["size", number("SIZE", 5, (row) => kibOf(row, "VmData") + kibOf(row, "VmStk"))],
  ["maj_flt majflt", number("MAJFLT", 6, (row) => row.stat.majorFaults)],
  ["min_flt minflt", number("MINFLT", 6, (row) => row.stat.minorFaults)],
  ["tname", words("TTY", 8, (row) => ttyName(row.stat.ttyNumber))],
  ["tt tty", words("TT", 8, (row) => ttyName(row.stat.ttyNumber))],
  ["wchan wname", last("WCHAN", 6, waitChannel)],
  ["addr_1", words("ADDR", 4, () => "-")],
  ["time cputime atime", words("TIME", 8, (row) => clockTime(cpuSeconds(row)))],
  ["times cputimes", number("TIME", 8, cpuSeconds)],
  ["bsdtime", words("TIME", 6, (row) => `${Math.floor(cpuSeconds(row) / 60)}:${pad(cpuSeconds(row) % 60)}`)],
  ["etime", words("ELAPSED", 11, (row) => elapsedTime(elapsed(row)))],
  ["etimes", number("ELAPSED", 7, elapsed)],
  ["stime", words("STIME", 5, startTime)],
  ["start_time", words("START", 5, startTime)],
  ["bsdstart", words("START", 6, (row) => start(row, { hasSeconds: false }))],
  ["start", words("STARTED", 8, (row) => start(row, { hasSeconds: true }))],
  ["lstart", words("STARTED", 24, longStart)],
  ["cgroup", last("CGROUP", 27, cgroupText)],
  ["label context", last("LABEL", 31, securityLabel)],
  ["oom", number("OOM", 4, (row) => numberIn(row, "oom_score"))],
  ["oomadj", number("OOMADJ", 5, (row) => numberIn(row, "oom_score_adj"))],
  ["trs", number("TRS", 4, (row) => Math.floor((row.stat.endCode - row.stat.startCode) / 1024))],
  ["drs", number("DRS", 5, dataKib)],
  ["pidns", namespaceColumn("PIDNS", "pid")],
  ["timens", namespaceColumn("TIMENS", "time")],
  ["netns", namespaceColumn("NETNS", "net")],
  ["mntns", namespaceColumn("MNTNS", "mnt")],
  ["ipcns", namespaceColumn("IPCNS", "ipc")],
  ["utsns", namespaceColumn("UTSNS", "uts")],
  ["userns", namespaceColumn("USERNS", "user")],
  ["cgroupns", namespaceColumn("CGROUPNS", "cgroup")],
  ["pending sig_pend", signals("PENDING", "ShdPnd")],
  ["blocked sig_block", signals("BLOCKED", "SigBlk")],
  ["ignored sig_ignore", signals("IGNORED", "SigIgn")],
  ["caught sig_catch", signals("CAUGHT", "SigCgt")],
];

/** What a security module calls the process; "-" without one. */
function securityLabel(row: PsRow): string {
  const text = labelOf(row.pid)
    .replace(/[\0\n]/g, "")
    .trim();
  return text === "" ? "-" : printable(text);
}

function labelOf(pid: number): string {
  try {
    return readProcTextIfPresent(`/proc/${pid}/attr/current`) ?? "";
  } catch {
    return ""; // ignored: without a security module the file cannot be read
  }
}

function numberIn(row: PsRow, file: string): number {
  return Number(readProcTextIfPresent(`/proc/${row.pid}/${file}`)?.trim() ?? 0);
}

/** Virtual memory that is not the program's text. */
function dataKib(row: PsRow): number {
  const { sizeBytes, startCode, endCode } = row.stat;
  return Math.floor((sizeBytes - (endCode - startCode)) / 1024);
}

function memoryShare(row: PsRow): string {
  const kib = kibOf(row, "VmRSS");
  return percent(Math.min(999, Math.floor((kib * 1000) / Math.max(1, row.context.memoryKib))));
}

/** Names whose title is their own although they show what another name shows. */
const OWN_TITLES: Readonly<Record<string, string>> = table({
  tgid: "TGID",
  spid: "SPID",
  tid: "TID",
  pgrp: "PGRP",
  sess: "SESS",
  session: "SESS",
  euser: "EUSER",
  euid: "EUID",
  egid: "EGID",
  egroup: "EGROUP",
  svuser: "SVUSER",
  svgroup: "SVGROUP",
  svuid: "SVUID",
  svgid: "SVGID",
  fsuser: "FSUSER",
  fsgroup: "FSGROUP",
  fsuid: "FSUID",
  fsgid: "FSGID",
  cpu: "CPU",
  maj_flt: "MAJFL",
  min_flt: "MINFL",
});

const BY_NAME: ReadonlyMap<string, PsColumn> = new Map(
  columns.flatMap(([names, column]) =>
    names
      .split(" ")
      .map((name): [string, PsColumn] => [name, { ...column, title: OWN_TITLES[name] ?? column.title }]),
  ),
);

/** Returns the column of a format specifier, undefined when ps (or this ps) has none of that name. */
export function psColumn(name: string): PsColumn | undefined {
  return BY_NAME.get(name);
}
