// What is said of a list of measurements. Pure; the runner and the report use it.

/** Median and spread of one list, in the unit of its values. */
export interface Summary {
  readonly median: number;
  /** The 10 % and 90 % quantiles: one slow outlier of a busy machine is not the spread. */
  readonly low: number;
  readonly high: number;
}

/** Returns the q-quantile, 0 to 1, interpolated between neighbours; NaN of an empty list. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const at = q * (sorted.length - 1);
  const low = sorted[Math.floor(at)] ?? Number.NaN;
  const high = sorted[Math.ceil(at)] ?? Number.NaN;
  return low + (high - low) * (at - Math.floor(at));
}

export function summarise(values: readonly number[]): Summary {
  return { median: quantile(values, 0.5), low: quantile(values, 0.1), high: quantile(values, 0.9) };
}
