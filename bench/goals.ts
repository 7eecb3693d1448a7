// Whether a goal is met, and how it is written. Pure.
import { isMoreBetter } from "./rows/row.ts";
import type { Result } from "./runner.ts";
import { quantile } from "./stats.ts";

const median = (result: Result | undefined, kind: string): number =>
  quantile(result?.samples[kind] ?? [], 0.5);

/** How many times better than Docker Berth is by the medians; NaN where one of them was not measured. */
export function timesBetter(result: Result): number {
  const [berth, docker] = [median(result, ownKind(result)), median(result, peerKind(result))];
  return isMoreBetter(result.unit) ? berth / docker : docker / berth;
}

/** The contender that stands for Berth in a row. */
export function ownKind({ samples }: Result): string {
  return "berth" in samples ? "berth" : "berth-runtime";
}

/** The contender that Berth is compared with in a row: Docker Engine, or the runtime that it uses. */
export function peerKind({ samples }: Result): string {
  return "docker" in samples ? "docker" : "runc";
}

export interface Verdict {
  /** The goal in words. */
  readonly goal: string;
  /** What was reached, in the goal's terms. */
  readonly reached: number;
  readonly isMet: boolean;
}

function comparison(faster: number, peer: string): string {
  if (faster < 1) return `as good as ${peer}, within ${Math.round(100 * (1 - faster))} %`;
  return faster === 1 ? `better than ${peer}` : `${faster} × better than ${peer}`;
}

/** Judges a row; undefined when it has no goal. `all` holds the rows that goals refer to. */
export function judge(result: Result, all: readonly Result[]): Verdict | undefined {
  const { goal, unit } = result;
  if (goal === undefined) return undefined;
  const own = median(result, ownKind(result));
  if ("faster" in goal) {
    const reached = timesBetter(result);
    const peer = peerKind(result) === "docker" ? "Docker" : "runc";
    return { goal: comparison(goal.faster, peer), reached, isMet: reached >= goal.faster };
  }
  if ("atMost" in goal) return { goal: `≤ ${goal.atMost} ${unit}`, reached: own, isMet: own <= goal.atMost };
  if ("atLeast" in goal)
    return { goal: `≥ ${goal.atLeast} ${unit}`, reached: own, isMet: own >= goal.atLeast };
  const start = all.find(({ row }) => row === goal.from);
  const reached = own / median(start, ownKind(result));
  return { goal: `≤ ${goal.growth} × the cost with one`, reached, isMet: reached <= goal.growth };
}
