// Memory of the executable itself. It is laid out for pages of 2 MB (tools/align-segments.ts), so that a command is over a
// millisecond sooner; a daemon lives for months and uses a quarter of what is in such pages, and after its start still less.
// Source: proc_pid_smaps(5), madvise(2).
import { readFileSync } from "node:fs";
import { type Area, adviseMemory, MADV } from "../../lib/libc.ts";

const HUGE_PAGE = 2 << 20;

/**
 * Returns where a file of 2 MB and more is mapped that is not written and was not (what is linked is written before it is
 * protected): the kernel can drop such pages from the process at any time.
 */
export function areasOnlyRead(smaps: string): Area[] {
  return smaps.split(/^(?=[\da-f]+-[\da-f]+ )/m).flatMap((area) => {
    const head = /^([\da-f]+)-([\da-f]+) r-.p \S+ \S+ (\d+)/.exec(area);
    if (head === null || head[3] === "0" || !/^Anonymous: +0 kB$/m.test(area)) return [];
    const start = Number.parseInt(head[1] ?? "", 16);
    const length = Number.parseInt(head[2] ?? "", 16) - start;
    return length < HUGE_PAGE ? [] : [{ start, length }];
  });
}

/**
 * Has the process map its executable anew, in small pages and as far as it is used from now on. A border between two areas in
 * the middle of each huge page keeps the kernel from mapping all of it at the first touch (Linux 6.18 does).
 */
export function remapExecutable(): void {
  const areas = areasOnlyRead(readFileSync("/proc/self/smaps", "utf8"));
  adviseMemory(areas.flatMap(firstHalves), MADV.noHugePage);
  adviseMemory(areas, MADV.dontNeed);
}

/** The first half of each huge page, as far as it lies in the area. */
function firstHalves({ start, length }: Area): Area[] {
  const first = Math.floor(start / HUGE_PAGE);
  const count = Math.ceil((start + length) / HUGE_PAGE) - first;
  return Array.from({ length: count }, (_, i) => {
    const from = Math.max((first + i) * HUGE_PAGE, start);
    const to = Math.min((first + i + 0.5) * HUGE_PAGE, start + length);
    return { start: from, length: to - from };
  }).filter((half) => half.length > 0);
}
