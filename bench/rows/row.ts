// The one interface of everything that is measured. A group is a module in this folder: it opens its contenders, prepares them,
// and lists its rows. The runner (bench/runner.ts) takes the contenders in turn, round after round, so that whatever else
// the machine does meets all of them alike.

/** Who takes part: an engine or an OCI runtime. */
export interface Contender {
  /** With its version, as the table shows it. */
  readonly name: string;
  /** What it is called in rows and raw data: "berth", "docker", "podman", "crun"... */
  readonly kind: string;
}

export type Unit = "ms" | "µs" | "MB" | "kB" | "MB/s" | "Gbit/s" | "1/s" | "%" | "% of direct";

/** What has to hold of a row. `faster`: that many times better than Docker; below one, as good as it within the rest. `growth`: at most that many times the value of another row of the same contender. */
export type Goal =
  | { readonly faster: number }
  | { readonly atMost: number }
  | { readonly atLeast: number }
  | { readonly growth: number; readonly from: string };

/** How often a row is measured in a full and in a quick run; 0 leaves it out. */
export interface Rounds {
  readonly full: number;
  readonly quick: number;
}

export interface Row<C extends Contender = Contender> {
  /** Stable name in the raw data, such as "run.bridge". */
  readonly name: string;
  /** As the table has it, in Markdown. */
  readonly what: string;
  readonly unit: Unit;
  readonly goal?: Goal;
  readonly rounds: Rounds;
  /** Kinds of contenders; all of the group's when absent. */
  readonly only?: readonly string[];
  /** One measurement before the others does not count, unless this is false: where one takes seconds, or happens only once. */
  readonly hasWarmUp?: boolean;
  /** Draws the row as a point of a curve at this x. */
  readonly curve?: { readonly title: string; readonly x: number };
  /** Not measured, before every sample. */
  prepare?(contender: C, round: number): void | Promise<void>;
  /** Returns one measurement in the row's unit; the round that does not count is -1. */
  sample(contender: C, round: number): number | Promise<number>;
  /** Not measured, after every sample. */
  after?(contender: C, round: number): void | Promise<void>;
}

/** Contenders that live as long as their group is measured. */
export interface Field<C extends Contender> extends AsyncDisposable {
  readonly contenders: readonly C[];
}

export interface Group<C extends Contender = Contender> {
  /** Under which ROWS= names it. */
  readonly name: string;
  /** A quick run leaves out contenders that need long. */
  open(options: { readonly isQuick: boolean }): Promise<Field<C>>;
  /** Not measured, once for every contender. */
  setUp?(contender: C): void | Promise<void>;
  readonly rows: readonly Row<C>[];
}

/** Returns the milliseconds that `body` takes. */
export async function timed(body: () => unknown): Promise<number> {
  const start = performance.now();
  await body();
  return performance.now() - start;
}

/** True for units of which more is better. */
export function isMoreBetter(unit: Unit): boolean {
  return unit === "MB/s" || unit === "Gbit/s" || unit === "1/s" || unit === "% of direct";
}
