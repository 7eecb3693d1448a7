// `make bench`: run, exec and ps latency of Berth beside Docker Engine, measured as whole commands, the two engines
// interleaved, on the same machine in the same run. Prints a Markdown table of medians with their spread and ratios.
// ROUNDS=n sets the number of measurements of each line (default 15).
import { mkdirSync, mkdtempSync, copyFileSync, rmSync } from "node:fs";
import { spawnSync } from "node:child_process";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Engine, startBerth, startDocker } from "./engines.ts";

const ROUNDS = Number(process.env["ROUNDS"] ?? 15);

interface Measurement {
  what: string;
  /** Milliseconds of each round, one list per engine. */
  times: number[][];
}

/** Times `body` once on every engine, round after round, after one round that does not count. */
async function measure(
  engines: Engine[],
  what: string,
  rounds: number,
  body: (e: Engine, round: number) => void,
): Promise<Measurement> {
  const times: number[][] = engines.map(() => []);
  for (let round = -1; round < rounds; round++)
    for (const [i, engine] of engines.entries()) {
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

function row(m: Measurement): string {
  const cells = m.times.map(
    (t) => `${quantile(t, 0.5).toFixed(1)} (${quantile(t, 0.1).toFixed(1)}–${quantile(t, 0.9).toFixed(1)})`,
  );
  const ratio = quantile(m.times[1] as number[], 0.5) / quantile(m.times[0] as number[], 0.5);
  return `| ${m.what} | ${cells.join(" | ")} | ${ratio.toFixed(1)} × |`;
}

/** A root file system with nothing but a static busybox, as a tar archive. */
function busyboxArchive(): Buffer {
  const dir = mkdtempSync(join(tmpdir(), "bench-root-"));
  try {
    mkdirSync(join(dir, "bin"));
    copyFileSync("/bin/busybox", join(dir, "bin/busybox"));
    for (const applet of ["sh", "true", "sleep", "cat"])
      spawnSync("ln", ["-s", "busybox", join(dir, "bin", applet)], { stdio: "inherit" });
    return spawnSync("tar", ["-C", dir, "-c", "."], { maxBuffer: 1 << 26 }).stdout;
  } finally {
    rmSync(dir, { recursive: true });
  }
}

/** Five steps behind FROM, two of them commands. */
const FIVE_STEPS = `FROM bench
ENV A=b
RUN echo one > /one
WORKDIR /w
RUN cat /one > two
CMD ["true"]
`;

async function main(): Promise<void> {
  await using berth = await startBerth();
  await using docker = await startDocker();
  const engines = [berth, docker];
  const archive = busyboxArchive();
  for (const e of engines) {
    e.cli(["import", "-", "bench"], { input: archive });
    e.cli(["run", "-d", "--name", "resident", "--init", "bench", "sleep", "3600"]);
  }
  const results = [
    await measure(engines, "`run --rm` of `true`, bridge network", ROUNDS, (e) =>
      e.cli(["run", "--rm", "bench", "true"]),
    ),
    await measure(engines, "`run --rm` of `true`, `--network none`", ROUNDS, (e) =>
      e.cli(["run", "--rm", "--network", "none", "bench", "true"]),
    ),
    await measure(engines, "`run -d` with a published port", ROUNDS, (e, n) =>
      e.cli(["run", "-d", "--label", "published", "-p", `${20000 + n + 1}:80`, "bench", "sleep", "3600"]),
    ),
    await measure(engines, "`exec` of `true`", ROUNDS, (e) => e.cli(["exec", "resident", "true"])),
    await measure(engines, "`ps`", ROUNDS, (e) => e.cli(["ps"])),
    await measure(engines, "`inspect`", ROUNDS, (e) => e.cli(["inspect", "resident"])),
    await measure(engines, `\`rm -f\` of the ${ROUNDS + 1} containers`, 1, (e, n) => {
      if (n < 0) return;
      e.cli(["rm", "-f", ...e.cli(["ps", "-q", "--filter", "label=published"]).split(/\s+/).filter(Boolean)]);
    }),
    await measure(engines, "`build` of five steps, `--no-cache`, classic", Math.min(ROUNDS, 7), (e) =>
      e.cli(["build", "--no-cache", "-q", "-"], { input: Buffer.from(FIVE_STEPS) }),
    ),
    await measure(engines, "`--version`", ROUNDS, (e) => e.cli(["--version"])),
  ];
  console.log(`| milliseconds, median (10 %–90 %) of ${ROUNDS} | ${berth.name} | ${docker.name} | ratio |`);
  console.log("|---|---|---|---|");
  for (const m of results) console.log(row(m));
}

await main();
