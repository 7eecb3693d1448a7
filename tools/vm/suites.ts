// Runs inside the test machine: the suites of build/vm/suites.json, one program after another, and says how each went.
// Exit status 1 when one of them failed. A test here waits for a processor that is an emulation: limits are generous.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Suite } from "./suite.ts";

const ROOT = dirname(dirname(import.meta.dirname));
const suites = JSON.parse(readFileSync(join(ROOT, "build/vm/suites.json"), "utf8")) as Suite[];
const began = Date.now();
const seconds = (since: number): string => `${((Date.now() - since) / 1000).toFixed(0)} s`;

const failed: string[] = [];
for (const [index, suite] of suites.entries()) {
  const start = Date.now();
  console.log(`\n[${index + 1}/${suites.length}, ${seconds(began)}] ${suite.name}`);
  const [file = "", ...args] = suite.argv;
  const { status, signal, error } = spawnSync(file, args, {
    cwd: ROOT,
    stdio: ["ignore", "inherit", "inherit"],
    timeout: suite.timeoutMs,
    killSignal: "SIGKILL",
    env: { ...process.env, ...suite.env },
  });
  const isGood = status === 0;
  if (!isGood) failed.push(suite.name);
  const why = error?.message ?? signal ?? `exit status ${status}`;
  console.log(`${isGood ? "ok" : `FAILED (${why})`}: ${suite.name}, ${seconds(start)}`);
}
const summary = failed.length === 0 ? "all passed" : `failed: ${failed.join(", ")}`;
console.log(`\n${suites.length} suites, ${summary}, ${seconds(began)}`);
process.exit(failed.length === 0 ? 0 : 1);
