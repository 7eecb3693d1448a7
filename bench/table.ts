// What the benchmarks share: measuring the engines interleaved, and a row of the Markdown table.
import type { Engine } from "./engines.ts";

export interface Measurement {
  what: string;
  /** Milliseconds of each round, one list per engine. */
  times: number[][];
}

/** Times `body` once on every engine, round after round, after one round that does not count; `prepare` is not timed. */
export async function measure(
  engines: Engine[],
  what: string,
  rounds: number,
  body: (e: Engine, round: number) => void,
  prepare: (e: Engine) => void = () => {},
): Promise<Measurement> {
  const times: number[][] = engines.map(() => []);
  for (let round = -1; round < rounds; round++)
    for (const [i, engine] of engines.entries()) {
      prepare(engine);
      const start = process.hrtime.bigint();
      body(engine, round);
      if (round >= 0) (times[i] as number[]).push(Number(process.hrtime.bigint() - start) / 1e6);
    }
  process.stderr.write(`${what}\n`);
  return { what, times };
}

function quantile(values: number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] as number;
}

export function row(m: Measurement): string {
  const cells = m.times.map(
    (t) => `${quantile(t, 0.5).toFixed(1)} (${quantile(t, 0.1).toFixed(1)}–${quantile(t, 0.9).toFixed(1)})`,
  );
  const ratio = quantile(m.times[1] as number[], 0.5) / quantile(m.times[0] as number[], 0.5);
  return `| ${m.what} | ${cells.join(" | ")} | ${ratio.toFixed(1)} × |`;
}
