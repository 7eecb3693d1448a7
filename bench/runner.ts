// Measures groups of rows: opens a group's contenders, takes them in turn round after round, and gives back every single measurement.
import type { Contender, Goal, Group, Row, Unit } from "./rows/row.ts";

/** What was measured of one row. */
export interface Result {
  readonly group: string;
  readonly row: string;
  readonly what: string;
  readonly unit: Unit;
  readonly goal?: Goal;
  readonly curve?: { readonly title: string; readonly x: number };
  /** Every measurement, by the contender's kind, in the order in which they were made. */
  readonly samples: Readonly<Record<string, readonly number[]>>;
}

export interface GroupOutcome {
  readonly results: readonly Result[];
  /** Names with versions, by kind. */
  readonly contenders: Readonly<Record<string, string>>;
  /** Rows that could not be measured, with the reason. */
  readonly failures: readonly string[];
}

export interface RunnerOptions {
  readonly isQuick: boolean;
  /** Called before each row. */
  settle?(): Promise<unknown>;
  /** Hears of progress, one line at a time. */
  say(line: string): void;
}

/** Measures all rows of a group. A row that fails is named and the others go on. */
export async function runGroup(group: Group, options: RunnerOptions): Promise<GroupOutcome> {
  const rows = group.rows.filter((row) => roundsOf(row, options) > 0);
  const results: Result[] = [];
  const failures: string[] = [];
  if (rows.length === 0) return { results, contenders: {}, failures };
  await using field = await group.open(options);
  for (const contender of field.contenders) await group.setUp?.(contender);
  for (const row of rows) {
    const started = performance.now();
    try {
      await options.settle?.();
      results.push({ group: group.name, ...(await measure(row, field.contenders, options)) });
      options.say(`${row.name} (${((performance.now() - started) / 1000).toFixed(1)} s)`);
    } catch (error) {
      const reason = `${row.name}: ${error instanceof Error ? error.message : String(error)}`;
      failures.push(reason);
      options.say(`failed: ${reason}`);
    }
  }
  return {
    results,
    failures,
    contenders: Object.fromEntries(field.contenders.map(({ kind, name }) => [kind, name])),
  };
}

const roundsOf = (row: Row, { isQuick }: RunnerOptions): number =>
  isQuick ? row.rounds.quick : row.rounds.full;

async function measure(
  row: Row,
  all: readonly Contender[],
  options: RunnerOptions,
): Promise<Omit<Result, "group">> {
  const contenders = all.filter(({ kind }) => row.only?.includes(kind) ?? true);
  const samples: Record<string, number[]> = Object.fromEntries(contenders.map(({ kind }) => [kind, []]));
  for (let round = row.hasWarmUp === false ? 0 : -1; round < roundsOf(row, options); round++)
    for (const contender of contenders) {
      await row.prepare?.(contender, round);
      const value = await row.sample(contender, round);
      if (round >= 0) samples[contender.kind]?.push(value);
      await row.after?.(contender, round);
    }
  const { name, what, unit, goal, curve } = row;
  return {
    row: name,
    what,
    unit,
    samples,
    ...(goal === undefined ? {} : { goal }),
    ...(curve === undefined ? {} : { curve }),
  };
}
