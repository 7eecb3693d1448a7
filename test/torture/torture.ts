// `make torture`: the long forms of the suites in this directory, one after the other, and their figures in docs/reliability.md between its
// marks. Options are passed on: `make torture KILLS=50 CUTS=20` is a small one.
//
//   tools/bun test/torture/torture.ts [--cuts N|all] [--kills N] [--workers N] [--containers N] [--clients N] [--soak-minutes N] [--seed N]
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import { parseArgs } from "node:util";
import type { Report as KillReport } from "./kill/run.ts";
import type { Report as LoadReport } from "./load.ts";
import type { Report as CutReport } from "./power-cut/run.ts";
import type { Report as SoakReport } from "./soak.ts";

const PAGE = join(dirname(dirname(import.meta.dirname)), "docs/reliability.md");
const MARKED = /(<!-- figures -->\n)[^]*?(<!-- \/figures -->)/;

const { values } = parseArgs({
  options: {
    cuts: { type: "string", default: "all" },
    kills: { type: "string", default: "1000" },
    workers: { type: "string", default: "20" },
    containers: { type: "string", default: "500" },
    clients: { type: "string", default: "16" },
    "soak-minutes": { type: "string", default: "10" },
    seed: { type: "string", default: String(Date.now() % 1e9) },
  },
});

/** Runs one of the suites and returns the lines of JSON that it printed. */
async function suite<T>(program: string, ...args: string[]): Promise<T[]> {
  const argv = [join(import.meta.dirname, program), ...args, "--seed", values.seed];
  const child = spawn(process.execPath, argv, { stdio: ["ignore", "pipe", "inherit"] });
  const [output] = await Promise.all([text(child.stdout), once(child, "exit")]);
  process.stderr.write(output);
  return output
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line) as T);
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, n) => total + n, 0);

const row = (...cells: (string | number)[]): string => `| ${cells.join(" | ")} |`;

const rowOfCuts = (r: CutReport): string =>
  row(
    `power cut: ${r.workload}`,
    `${r.steps} disk steps, ${r.promises} promises`,
    `${r.cuts} cuts`,
    r.losses.length,
  );

function rowOfKills(r: KillReport): string {
  const killed = Object.entries(r.kills).map(([what, n]) => `${what} ${n}`);
  const load = `${values.workers} workers, ${r.deeds} pieces of work, ${r.lines} lines of logs`;
  const tried = `${sum(Object.values(r.kills))} kills: ${killed.join(", ")}`;
  return row("kill -9", load, tried, r.failures.length + r.leaks.length);
}

const rowOfLoad = (r: LoadReport): string =>
  row(
    "load",
    `${r.clients} clients at once, all running after ${(r.startedMs / 1000).toFixed(1)} s`,
    `${r.containers} containers`,
    r.failures.length + r.leaks.length,
  );

function rowOfSoak(r: SoakReport): string {
  const memory = r.pssKb.map((kb) => Math.round(kb / 1024)).join(", ");
  const load = `${r.workers} workers for ${r.minutes} minutes; lowest of each quarter: ${memory} MB, ${r.descriptors.join(", ")} descriptors`;
  const done = Object.entries(r.deeds).map(([what, n]) => `${what} ${n}`);
  const tried = `${sum(Object.values(r.deeds))} pieces of work: ${done.join(", ")}`;
  return row("soak", load, tried, r.failures.length + r.leaks.length);
}

const cuts = await suite<CutReport>("power-cut/run.ts", "--cuts", values.cuts);
const kill = await suite<KillReport>("kill/run.ts", "--kills", values.kills, "--workers", values.workers);
const load = await suite<LoadReport>(
  "load.ts",
  "--containers",
  values.containers,
  "--clients",
  values.clients,
);
const soak = await suite<SoakReport>("soak.ts", "--minutes", values["soak-minutes"]);
const head = ["| suite | under what | tried | losses, leaks, wrong answers |", "|---|---|---|---|"];
const rows = [
  ...cuts.map(rowOfCuts),
  ...kill.map(rowOfKills),
  ...load.map(rowOfLoad),
  ...soak.map(rowOfSoak),
];
const figures = [...head, ...rows, ""].join("\n");
const page = readFileSync(PAGE, "utf8");
writeFileSync(
  PAGE,
  page.replace(MARKED, (_, before: string, after: string) => before + figures + after),
);
const problems = [
  ...cuts.flatMap((r) => r.losses),
  ...Object.entries({ kill, load, soak }).flatMap(([name, reports]) =>
    reports.length === 0 ? [`${name}: no report`] : reports.flatMap((r) => [...r.failures, ...r.leaks]),
  ),
];
for (const problem of problems) process.stderr.write(`${problem}\n`);
process.exit(problems.length === 0 ? 0 : 1);
