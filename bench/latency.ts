// `make bench`: run, exec and ps latency of Berth beside Docker Engine, measured as whole commands, the two engines
// interleaved, on the same machine in the same run. Prints a Markdown table of medians with their spread and ratios.
// ROUNDS=n sets the number of measurements of each line (default 15).
import { mkdirSync, mkdtempSync, copyFileSync, rmSync } from "node:fs";
import { spawnSync } from "node:child_process";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startBerth, startDocker } from "./engines.ts";
import { measure, row } from "./table.ts";

const ROUNDS = Number(process.env["ROUNDS"] ?? 15);

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
