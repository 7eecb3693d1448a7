// The Markdown table of a run. Pure.
import { judge, timesBetter } from "../goals.ts";
import { isMoreBetter } from "../rows/row.ts";
import type { Result } from "../runner.ts";
import { summarise } from "../stats.ts";

const ENGINES = ["berth", "docker", "podman"];

/** Writes a number with three significant digits, and thousands in full. */
export function short(value: number): string {
  if (!Number.isFinite(value)) return "–";
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return value.toFixed(digits).replace(/\B(?=(\d{3})+$)/g, "\u202f");
}

/** "median (10 %–90 %)", or the one measurement. */
export function cell(values: readonly number[] | undefined): string {
  if (values === undefined || values.length === 0) return "";
  const { median, low, high } = summarise(values);
  return values.length === 1 ? short(median) : `${short(median)} (${short(low)}–${short(high)})`;
}

const times = (value: number): string => (Number.isFinite(value) ? `${short(value)} ×` : "");

const met = (isMet: boolean): string => (isMet ? "yes" : "**no**");

const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;

/** One table of engines, then one of OCI runtimes, then what grows and what does not; empty ones are left out. */
export function markdownTables(results: readonly Result[], names: Readonly<Record<string, string>>): string {
  const isCurve = ({ curve }: Result): boolean => curve !== undefined;
  const isOfRuntimes = ({ samples }: Result): boolean => "berth-runtime" in samples;
  const plain = results.filter((r) => !isCurve(r));
  const runtimes = ["berth-runtime", "berth runtime", "crun", "runc"];
  const sections: [string, Result[], string[]][] = [
    ["Engines", plain.filter((r) => !isOfRuntimes(r)), ENGINES],
    ["OCI runtimes", plain.filter(isOfRuntimes), runtimes],
    ["Cost beside what exists", results.filter(isCurve), ENGINES],
  ];
  return sections
    .filter(([, rows]) => rows.length > 0)
    .map(([title, rows, kinds]) => {
      const taking = kinds.filter((kind) => rows.some(({ samples }) => kind in samples));
      return `## ${title}\n\n${tableOf(rows, taking, names, results)}\n`;
    })
    .join("\n");
}

function tableOf(
  rows: readonly Result[],
  kinds: readonly string[],
  names: Readonly<Record<string, string>>,
  all: readonly Result[],
): string {
  const peer = kinds.includes("runc") ? "than runc" : "than Docker";
  const head = ["what", "unit", ...kinds.map((kind) => names[kind] ?? kind), `better ${peer}`, "goal", "met"];
  const body = rows.map((result) => {
    const verdict = judge(result, all);
    const unit = isMoreBetter(result.unit) ? `${result.unit} ↑` : result.unit;
    const cells = kinds.map((kind) => cell(result.samples[kind]));
    const isGrowth = result.goal !== undefined && "growth" in result.goal;
    const goal = isGrowth ? `${verdict?.goal}: ${times(verdict?.reached ?? Number.NaN)}` : verdict?.goal;
    return [
      result.what,
      unit,
      ...cells,
      times(timesBetter(result)),
      goal ?? "",
      verdict ? met(verdict.isMet) : "",
    ];
  });
  return [head, head.map(() => "---"), ...body].map(line).join("\n");
}

/** Says how many goals are met and which are not. */
export function goalSummary(results: readonly Result[]): string {
  const judged = results.flatMap((result) => {
    const verdict = judge(result, results);
    return verdict === undefined ? [] : [{ result, verdict }];
  });
  const missed = judged.filter(({ verdict }) => !verdict.isMet);
  const list = missed.map(
    ({ result, verdict }) => `- ${result.what}: ${verdict.goal}, reached ${short(verdict.reached)}`,
  );
  return [`${judged.length - missed.length} of ${judged.length} goals are met.`, ...list].join("\n");
}
