// `make bench`: Berth beside the real Docker Engine, podman and other OCI runtimes, in one run on this machine (root).
//   QUICK=1            under two minutes: fewer rounds, and nothing that takes long
//   ROWS=exec,ps       only groups, or rows whose names begin so
//   BENCH_OUT=DIR      where the files go: docs/benchmarks for a full run, build/bench otherwise
// A run writes results.md (tables and goals), results.svg, growth.svg and raw/DATE.json (every single measurement).
import { execFile } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { Room, sweep } from "./field/room.ts";
import { quiet } from "./field/quiet.ts";
import { GROUPS } from "./groups.ts";
import { growthChart, ratioChart } from "./report/chart.ts";
import { describeMachine, type Machine } from "./report/machine.ts";
import { goalSummary, markdownTables } from "./report/table.ts";
import type { Group } from "./rows/row.ts";
import { type Result, runGroup } from "./runner.ts";

const ROOT = dirname(import.meta.dirname);
const isQuick = (process.env["QUICK"] ?? "") !== "";
const wanted = (process.env["ROWS"] ?? "").split(",").filter(Boolean);
const isWhole = !isQuick && wanted.length === 0;
const OUT = process.env["BENCH_OUT"] || join(ROOT, isWhole ? "docs/benchmarks" : "build/bench");

interface Report {
  readonly date: string;
  readonly seconds: number;
  readonly machine: Machine;
  readonly contenders: Record<string, string>;
  readonly failures: string[];
  readonly results: Result[];
}

/** The groups that ROWS names, each with the rows that it names. */
function chosen(): Group[] {
  if (wanted.length === 0) return [...GROUPS];
  const groups = GROUPS.map((group) => {
    if (wanted.includes(group.name)) return group;
    const rows = group.rows.filter(({ name }) => wanted.some((start) => name.startsWith(start)));
    return { ...group, rows };
  }).filter(({ rows }) => rows.length > 0);
  if (groups.length > 0) return groups;
  throw new Error(`ROWS: there are the groups ${GROUPS.map(({ name }) => name).join(", ")}`);
}

/** What was done before is over: its writing would be measured along with whoever has to wait for the disk first. */
async function settle(): Promise<void> {
  await promisify(execFile)("sync");
  await quiet();
}

async function run(): Promise<Report> {
  const started = performance.now();
  const machine = describeMachine();
  const report = { results: [] as Result[], failures: [] as string[], contenders: {} };
  const say = (text: string): void => void process.stderr.write(`${text}\n`);
  for (const group of chosen())
    try {
      const { results, failures, contenders } = await runGroup(group, { isQuick, say, settle });
      report.results.push(...results);
      report.failures.push(...failures);
      Object.assign(report.contenders, contenders);
    } catch (error) {
      report.failures.push(`${group.name}: ${error instanceof Error ? error.message : String(error)}`);
      say(`failed: ${report.failures.at(-1)}`);
    }
  const seconds = Math.round((performance.now() - started) / 1000);
  return { date: new Date().toISOString(), seconds, machine, ...report };
}

function page({ date, seconds, machine: m, failures, results, contenders }: Report): string {
  const on = `${m.processors} × ${m.processor}, ${m.memoryGb} GB, ${m.system}, Linux ${m.kernel}`;
  return [
    "# Benchmarks",
    `Written by \`make bench\` on ${date.slice(0, 10)} in ${Math.round(seconds / 60)} minutes: ${on}; load before the run ${m.load}. Each figure of a command is the whole command, client included; contenders take turns round after round. Median (10 %–90 %); units with ↑ are better when higher. The single measurements are in [raw](raw). What each row does is in [bench/rows](../../bench/rows).`,
    goalSummary(results),
    ...(failures.length === 0 ? [] : [`Not measured:\n${failures.map((f) => `- ${f}`).join("\n")}`]),
    "![how many times better than Docker](results.svg)",
    markdownTables(results, contenders).trim(),
    ...(results.some(({ curve }) => curve !== undefined) ? ["![curves](growth.svg)"] : []),
  ].join("\n\n");
}

function write(report: Report): void {
  mkdirSync(join(OUT, "raw"), { recursive: true });
  const stamp = report.date.slice(0, 19).replaceAll(":", "-");
  writeFileSync(join(OUT, "raw", `${stamp}.json`), `${JSON.stringify(report)}\n`);
  writeFileSync(join(OUT, "results.md"), `${page(report)}\n`);
  const title = "Times better than Docker Engine (runtimes: than runc); the mark is the goal";
  writeFileSync(join(OUT, "results.svg"), ratioChart(report.results, title));
  if (report.results.some(({ curve }) => curve !== undefined))
    writeFileSync(join(OUT, "growth.svg"), growthChart(report.results));
  process.stdout.write(`${page(report)}\n\nwritten to ${OUT} after ${report.seconds} s\n`);
}

for (const signal of ["SIGINT", "SIGTERM"] as const)
  process.once(signal, () => void Room.closeAll().finally(() => process.exit(130)));
await sweep();
const report = await run();
write(report);
process.exitCode = report.failures.length === 0 ? 0 : 1;
