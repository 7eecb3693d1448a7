// Runs command lines against the fake daemon and gives back what they printed, made independent of place and time.

import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Case } from "./cases.ts";
import { type FakeRequest, startFakeDaemon } from "./fake-daemon.ts";

export interface Result {
  readonly args: readonly string[];
  readonly stdin?: string;
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
  /** What the daemon was asked, in a form that does not depend on who asked. */
  readonly requests: readonly string[];
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
  mkdirSync(join(dir, "plugin/rootfs"), { recursive: true });
  writeFileSync(join(dir, "plugin/config.json"), '{"entrypoint":["/x"]}');
  writeFileSync(join(dir, "ctx/Dockerfile"), "FROM busybox\n");
  writeFileSync(join(dir, "ctx/env"), "# comment\nONE=1\n  TWO=two words \n\nTZ\nUNSET_HERE\n");
  writeFileSync(join(dir, "ctx/blank"), "A=1\nB C=2\n");
  writeFileSync(join(dir, "ctx/noname"), "=1\n");
  writeFileSync(join(dir, "ctx/latin"), Buffer.from("A=1\n\xff=\xe9\n", "latin1"));
  writeFileSync(join(dir, "ctx/broken.json"), '{"defaultAction":');
  writeFileSync(join(dir, "ctx/profile.json"), '{ "defaultAction": "SCMP_ACT_ALLOW",\n "x": 1.50 }\n');
  await using stack = new AsyncDisposableStack();
  stack.defer(() => rmSync(dir, { recursive: true }));
  const results: Result[] = [];
  let next = 0;
  const work = async (): Promise<void> => {
    for (let at = next++; at < cases.length; at = next++)
      results[at] = await runCase(cases[at] as Case, program, { dir, socket: join(dir, `${at}.sock`) });
  };
  await Promise.all(Array.from({ length: workers }, work));
  return results;
}

interface Place {
  readonly dir: string;
  readonly socket: string;
}

async function runCase(testCase: Case, program: Program, { dir, socket }: Place): Promise<Result> {
  await using daemon = await startFakeDaemon(socket);
  const args = testCase.args.map((arg) => arg.replace("%CTX", join(dir, "ctx")));
  const child = spawn(program.file, [...program.args, ...args], {
    argv0: "docker",
    cwd: dir,
    env: {
      PATH: process.env["PATH"],
      HOME: join(dir, "home"),
      TZ: "UTC",
      DOCKER_HOST: `unix://${socket}`,
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
  const code = await new Promise<number | null>((resolve) => {
    child.on("close", resolve);
  });
  clearTimeout(timer);
  const requests = daemon.requests.filter(({ path }) => path !== "/_ping").map((request) => settle(requestText(request), dir));
  return { ...testCase, code, out: settle(out, dir), err: settle(err, dir), requests };
}

/** Writes a request without what is a matter of taste: the order of parameters, and members that are zero or empty. */
function requestText({ method, path, query, body, headers }: FakeRequest): string {
  const parameters = Object.entries(query)
    .filter(([key, values]) => key !== "dockerfile" && values.some((value) => !isZeroText(value)))
    .map(([key, values]) => `${key}=${values.map(sortedJson).join("|")}`)
    .sort();
  const isJson = headers["content-type"] === "application/json" && body !== "";
  const text = isJson ? ` ${JSON.stringify(withoutZeros(JSON.parse(body)))}` : "";
  return `${method} ${path}${parameters.length === 0 ? "" : `?${parameters.join("&")}`}${text}`;
}

function isZeroText(text: string): boolean {
  return ["", "0", "{}", "[]", "null", "false"].includes(text);
}

function sortedJson(text: string): string {
  return /^[[{]/.test(text) ? JSON.stringify(withoutZeros(JSON.parse(text))) : text;
}

function withoutZeros(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutZeros);
  if (typeof value !== "object" || value === null) return value;
  const members = Object.entries(value)
    .map(([key, member]) => [key, key === "Binds" && Array.isArray(member) ? member.map(String).sort() : withoutZeros(member)] as const)
    .filter(([, member]) => !isZero(member))
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(members);
}

function isZero(value: unknown): boolean {
  if (value === null || value === "" || value === 0 || value === false) return true;
  if (Array.isArray(value)) return value.length === 0 || value.every((item) => item === 0);
  return typeof value === "object" && value !== null && Object.keys(value).length === 0;
}

function settle(text: string, dir: string): string {
  return (
    text
      .replace(/\/\d+\.sock/g, "/daemon.sock")
      .replaceAll(dir, "/DIR")
      .replace(/"RunningFor":"[^"]*"/g, '"RunningFor":""')
      // Docker recommends its other builder before it uses this one.
      .replace(/^DEPRECATED: The legacy builder[^]*?environment-variable\.\n\n/, "")
  );
}
