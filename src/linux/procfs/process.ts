// One process as /proc tells it: stat, status, command line. Reads only, and only what is asked for: a process can end
// between two reads, so every function answers undefined for one that is gone.

import { readlinkSync } from "node:fs";
import { readProcBytes, readProcText, readProcTextIfPresent } from "./read.ts";
import { Fault } from "../../lib/errors.ts";

/** Fields of /proc/PID/stat (proc_pid_stat(5)). Times are clock ticks of 1/100 s, sizes as the kernel gives them. */
export interface ProcessStat {
  pid: number;
  comm: string;
  /** R, S, D, Z, T, t, I, X… */
  state: string;
  ppid: number;
  pgrp: number;
  session: number;
  /** Device number of the controlling terminal, 0 for none. */
  ttyNumber: number;
  /** Foreground process group of that terminal, -1 for none. */
  tpgid: number;
  flags: number;
  minorFaults: number;
  majorFaults: number;
  userTicks: number;
  systemTicks: number;
  priority: number;
  nice: number;
  threads: number;
  /** Since boot. */
  startTicks: number;
  sizeBytes: number;
  residentPages: number;
  startCode: number;
  endCode: number;
  startStack: number;
  processor: number;
  realtimePriority: number;
  /** SCHED_OTHER 0, FIFO 1, RR 2, BATCH 3, IDLE 5, DEADLINE 6, EXT 7. */
  policy: number;
}

/** Clock ticks per second of the kernel's interfaces; the same on every machine (sysconf(_SC_CLK_TCK)). */
export const TICKS_PER_SECOND = 100;

/** Reads /proc/PID/stat; `directory` may also be a thread's, such as `/proc/7/task/9`. */
export function readProcessStat(directory: string): ProcessStat | undefined {
  const text = readProcTextIfPresent(`${directory}/stat`);
  return text === undefined ? undefined : parseProcessStat(text);
}

/** Parses a stat line. The name is in parentheses and may hold anything, parentheses and blanks too. */
export function parseProcessStat(text: string): ProcessStat | undefined {
  const open = text.indexOf("(");
  const close = text.lastIndexOf(")");
  if (open < 0 || close < open) return undefined;
  const rest = text
    .slice(close + 2)
    .trim()
    .split(" ");
  // rest[0] is field 3 of the manual page
  const field = (number: number) => Number(rest[number - 3] ?? 0);
  return {
    pid: Number.parseInt(text, 10),
    comm: text.slice(open + 1, close),
    state: rest[0] ?? "?",
    ppid: field(4),
    pgrp: field(5),
    session: field(6),
    ttyNumber: field(7),
    tpgid: field(8),
    flags: field(9),
    minorFaults: field(10),
    majorFaults: field(12),
    userTicks: field(14),
    systemTicks: field(15),
    priority: field(18),
    nice: field(19),
    threads: field(20),
    startTicks: field(22),
    sizeBytes: field(23),
    residentPages: field(24),
    startCode: field(26),
    endCode: field(27),
    startStack: field(28),
    processor: field(39),
    realtimePriority: field(40),
    policy: field(41),
  };
}

/** Reads /proc/PID/status as key → text; "Uid" is four numbers: real, effective, saved, file system. */
export function readProcessStatus(directory: string): Map<string, string> | undefined {
  const text = readProcTextIfPresent(`${directory}/status`);
  if (text === undefined) return undefined;
  const map = new Map<string, string>();
  for (const line of text.split("\n")) {
    const colon = line.indexOf(":");
    if (colon > 0) map.set(line.slice(0, colon), line.slice(colon + 1).trim());
  }
  return map;
}

/** Reads the arguments of a process; [] for a kernel thread, a zombie, and a process that is gone. */
export function readCommandLine(pid: number): string[] {
  try {
    const bytes = readProcBytes(`/proc/${pid}/cmdline`);
    if (bytes.length === 0) return [];
    return bytes.toString("utf8").replace(/\0+$/, "").split("\0");
  } catch (error) {
    if (error instanceof Fault) return []; // ignored: gone, or not ours to read
    throw error;
  }
}

/** Reads a link such as `exe`, `cwd` or `ns/pid`; undefined when it cannot be read. */
export function readProcessLink(pid: number, name: string): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/${name}`);
  } catch {
    return undefined; // the caller shows a dash for it
  }
}

/** Seconds since boot. */
export function readUptime(): number {
  return Number.parseFloat(readProcText("/proc/uptime"));
}

/** Usable memory of the machine in KiB. */
export function readMemoryTotalKib(): number {
  return Number(/^MemTotal:\s+(\d+)/m.exec(readProcText("/proc/meminfo"))?.[1] ?? 0);
}

/** Returns `pts/3`, `tty1`, `ttyS0`, `console` or `?` for the terminal's device number of a stat line. */
export function ttyName(ttyNumber: number): string {
  const major = (ttyNumber >>> 8) & 0xfff;
  const minor = (ttyNumber & 0xff) | ((ttyNumber >>> 12) & 0xfff00);
  if (major >= 136 && major <= 143) return `pts/${(major - 136) * 256 + minor}`;
  if (major === 4) return minor < 64 ? `tty${minor}` : `ttyS${minor - 64}`;
  if (major === 5 && minor === 1) return "console";
  return "?";
}
