// Checks every Dockerfile of checked-dockerfiles.ts with a Docker of today and with Berth, by one client, and compares what is said:
// the text of `build --check` with its exit code, the same as JSON, and the warnings of a build. Prints the differences; exits
// with 1 when there are any. Wants the engines of COMPARE_DOCKER and COMPARE_BERTH, the client of COMPARE_CLIENT and its
// DOCKER_CONFIG, as compare-build.ts does. `compare-check.ts WORD…` takes only those whose names hold one of the words.
import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { baseImageTar } from "../e2e/base-image.ts";
import { CHECKED, type Checked } from "./checked-dockerfiles.ts";
import { client, must } from "./compared-client.ts";

const BASE = "builder-compare-base";
/** What is looked at. */
const VIEWS = ["text", "json", "build"] as const;
type View = (typeof VIEWS)[number];

async function writeContext(dir: string, { dockerfile, ignored }: Checked): Promise<void> {
  await writeFile(join(dir, "Dockerfile"), dockerfile.replaceAll("busybox", BASE));
  if (ignored !== undefined) await writeFile(join(dir, ".dockerignore"), ignored);
  await mkdir(join(dir, "d"));
  for (const name of ["x", "y", "a.md", "d/e", "d/a.md"]) await writeFile(join(dir, name), "");
}

/** Returns the warnings that are told at a build's end, in whatever order; its steps may fail, they are not part of the comparison. */
const warningsOf = (progress: string): string =>
  [...progress.matchAll(/(?:^|m) - (\w+: .* \(line \d+\))$/gm)]
    .map(([, warning = ""]) => warning)
    .sort()
    .join("\n");

/** Rules that a failure names come in any order. */
const sortRules = (text: string): string =>
  text.replace(/(?<=for rules: )[\w, ]+/g, (rules) => rules.split(", ").sort().join(", "));

/** Returns the document without where BuildKit has the file from. */
function documentOf(text: string): string {
  if (text === "") return "";
  const document = JSON.parse(text);
  for (const source of document.sources ?? []) delete source.definition;
  return sortRules(JSON.stringify(document, undefined, 2));
}

/** The message that ends a command, without what stands before it: steps, whose numbers and times differ. */
const failureOf = (text: string): string => sortRules(/^ERROR: .*$/ms.exec(text)?.[0] ?? "");

async function said(host: string, dir: string, view: View, checked: Checked): Promise<string> {
  const how = { text: ["--check"], json: ["--call=check,format=json"], build: ["--progress=plain"] }[view];
  const given = (checked.args ?? []).map((arg) => arg.replaceAll("busybox", BASE));
  const { status, out, err } = await client(host, ["build", ...how, ...given, dir], { mode: "buildkit" });
  if (view === "build") return warningsOf(err);
  const text = out.toString();
  return [`exit status ${status}`, view === "json" ? documentOf(text) : text, failureOf(err)].join("\n");
}

function difference(docker: string, berth: string): string {
  const [theirs, ours] = [docker.split("\n"), berth.split("\n")];
  const at = theirs.findIndex((line, i) => line !== ours[i]);
  const from = Math.max(0, at < 0 ? theirs.length : at);
  const some = (sign: string, all: readonly string[]): string[] =>
    all.slice(from, from + 3).map((line) => `  ${sign} ${line}`);
  return [...some("-", theirs), ...some("+", ours)].join("\n");
}

async function compare(checked: Checked, hosts: { docker: string; berth: string }): Promise<string[]> {
  const dir = await mkdtemp(join(tmpdir(), "compare-check-"));
  try {
    await writeContext(dir, checked);
    const found: string[] = [];
    for (const view of VIEWS) {
      const [docker, berth] = await Promise.all([
        said(hosts.docker, dir, view, checked),
        said(hosts.berth, dir, view, checked),
      ]);
      if (docker !== berth) found.push(`${checked.name} (${view}):\n${difference(docker, berth)}`);
    }
    return found;
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

async function main(words: readonly string[]): Promise<number> {
  const { COMPARE_DOCKER: docker, COMPARE_BERTH: berth } = process.env;
  assert.ok(docker && berth, "COMPARE_DOCKER and COMPARE_BERTH name the engines");
  const base = await baseImageTar();
  for (const host of [docker, berth]) await must(host, ["import", "-c", 'CMD ["sh"]', "-", BASE], base);
  const chosen = CHECKED.filter(
    ({ name }) => words.length === 0 || words.some((word) => name.includes(word)),
  );
  let differing = 0;
  const queue = [...chosen];
  const work = async (): Promise<void> => {
    for (let checked = queue.shift(); checked !== undefined; checked = queue.shift()) {
      const found = await compare(checked, { docker, berth });
      differing += found.length;
      for (const text of found) process.stdout.write(`${text}\n`);
    }
  };
  await Promise.all([work(), work()]);
  for (const host of [docker, berth]) await client(host, ["rmi", "-f", BASE]);
  process.stdout.write(
    `${chosen.length} Dockerfiles, ${chosen.length * VIEWS.length} comparisons, ${differing} with differences\n`,
  );
  return differing === 0 ? 0 : 1;
}

process.exitCode = await main(process.argv.slice(2));
