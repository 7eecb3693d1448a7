// Runs command lines against the fake daemon and gives back what they printed, made independent of place and time.

import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Case } from "./cases.ts";
import { startFakeDaemon } from "./fake-daemon.ts";

export interface Result {
  readonly args: readonly string[];
  readonly stdin?: string;
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** The program and the arguments that come before the command line's own. */
export interface Program {
  readonly file: string;
  readonly args: readonly string[];
}

const workers = 4;
/** No command here takes a second; one that hangs is a failure, not a reason to wait. */
const limitMs = 20_000;

/** Runs every case under the name docker; results come in the order of the cases. */
export async function runCases(cases: readonly Case[], program: Program): Promise<Result[]> {
  const dir = mkdtempSync(join(tmpdir(), "berth-goldens-"));
  mkdirSync(join(dir, "ctx/empty"), { recursive: true });
  mkdirSync(join(dir, "home"));
  writeFileSync(join(dir, "ctx/Dockerfile"), "FROM busybox\n");
  await using stack = new AsyncDisposableStack();
  stack.defer(() => rmSync(dir, { recursive: true }));
  stack.use(await startFakeDaemon(join(dir, "daemon.sock")));
  const results: Result[] = [];
  let next = 0;
  const work = async (): Promise<void> => {
    for (let at = next++; at < cases.length; at = next++)
      results[at] = await runCase(cases[at] as Case, program, dir);
  };
  await Promise.all(Array.from({ length: workers }, work));
  return results;
}

function runCase(testCase: Case, program: Program, dir: string): Promise<Result> {
  const args = testCase.args.map((arg) => arg.replace("%CTX", join(dir, "ctx")));
  const child = spawn(program.file, [...program.args, ...args], {
    argv0: "docker",
    cwd: dir,
    env: {
      PATH: process.env["PATH"],
      HOME: join(dir, "home"),
      TZ: "UTC",
      DOCKER_HOST: `unix://${join(dir, "daemon.sock")}`,
      DOCKER_BUILDKIT: "0",
    },
  });
  let out = "";
  let err = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (out += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (err += text));
  // A command that does not read its input closes it.
  child.stdin.on("error", () => {});
  child.stdin.end(testCase.stdin ?? "");
  const timer = setTimeout(() => child.kill("SIGKILL"), limitMs);
  return new Promise((resolve) => {
    child.on("close", (code) => {
      clearTimeout(timer);
      resolve({ ...testCase, code, out: settle(out, dir), err: settle(err, dir) });
    });
  });
}

function settle(text: string, dir: string): string {
  return (
    text
      .replaceAll(dir, "/DIR")
      .replace(/"RunningFor":"[^"]*"/g, '"RunningFor":""')
      // Docker recommends its other builder before it uses this one.
      .replace(/^DEPRECATED: The legacy builder[^]*?environment-variable\.\n\n/, "")
  );
}
