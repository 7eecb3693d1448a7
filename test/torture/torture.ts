// `make torture`: the long forms of the suites in this directory, one after the other, and their figures in docs/reliability.md between its
// marks. Options are passed on: `make torture KILLS=50 CUTS=20` is a small one.
//
//   tools/bun test/torture/torture.ts [--cuts N|all] [--kills N] [--workers N] [--seed N]
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import { parseArgs } from "node:util";
import type { Report as KillReport } from "./kill/run.ts";
import type { Report as CutReport } from "./power-cut/run.ts";

const PAGE = join(dirname(dirname(import.meta.dirname)), "docs/reliability.md");
const MARKED = /(<!-- figures -->\n)[^]*?(<!-- \/figures -->)/;

const { values } = parseArgs({
  options: {
    cuts: { type: "string", default: "all" },
    kills: { type: "string", default: "1000" },
    workers: { type: "string", default: "20" },
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

function rows(cuts: readonly CutReport[], kill: KillReport | undefined): string[] {
  const row = (...cells: (string | number)[]): string => `| ${cells.join(" | ")} |`;
  const cutRows = cuts.map((r) =>
    row(
      `power cut: ${r.workload}`,
      `${r.steps} disk steps, ${r.promises} promises`,
      `${r.cuts} cuts`,
      r.losses.length,
    ),
  );
  if (kill === undefined) return cutRows;
  const killed = Object.entries(kill.kills).map(([what, n]) => `${what} ${n}`);
  const load = `${values.workers} workers, ${kill.deeds} pieces of work, ${kill.lines} lines of logs`;
  const wrong = kill.failures.length + kill.leaks.length;
  return [
    ...cutRows,
    row("kill -9", load, `${sum(Object.values(kill.kills))} kills: ${killed.join(", ")}`, wrong),
  ];
}

const cuts = await suite<CutReport>("power-cut/run.ts", "--cuts", values.cuts);
const [kill] = await suite<KillReport>("kill/run.ts", "--kills", values.kills, "--workers", values.workers);
const head = ["| suite | under what | tried | losses, leaks, wrong answers |", "|---|---|---|---|"];
const figures = [...head, ...rows(cuts, kill), ""].join("\n");
const page = readFileSync(PAGE, "utf8");
writeFileSync(
  PAGE,
  page.replace(MARKED, (_, before: string, after: string) => before + figures + after),
);
const problems = [
  ...cuts.flatMap((r) => r.losses),
  ...(kill?.failures ?? ["kill: no report"]),
  ...(kill?.leaks ?? []),
];
for (const problem of problems) process.stderr.write(`${problem}\n`);
process.exit(problems.length === 0 ? 0 : 1);
