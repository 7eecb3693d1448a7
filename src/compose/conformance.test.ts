// Our reading of Compose files against Docker Compose's: the same project as JSON and YAML and the same configuration
// hashes for every file of testdata/cases.ts, or a refusal by both. The goldens are what Docker Compose printed;
// BERTH_RECORD_COMPOSE=/path/to/docker-compose writes them anew.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { Fault } from "../lib/errors.ts";
import { loadProject, loadRaw, type LoadOptions } from "./load/load.ts";
import { noRegistries } from "./load/project.fake.ts";
import { containerNameClashes } from "./model/consistency.ts";
import { serviceHash } from "./model/hash.ts";
import { renderAnyYaml, renderProjectYaml } from "./model/render-yaml.ts";
import { renderAnyJson, renderProjectJson } from "./model/render-json.ts";
import { withEnvironment, withLabels } from "./model/resolve.ts";
import { withoutUnused } from "./model/select.ts";
import { invalidFile } from "./tree/problem.ts";
import { type Case, cases } from "./testdata/cases.ts";

interface Golden {
  readonly name: string;
  /** Absent when the files were refused. */
  readonly json?: string;
  readonly yaml?: string;
  readonly hashes?: string;
}

/** Stands in the goldens for the directory of the case. */
const DIRECTORY = "/@directory@";
const home = "/home/somebody";

const root = join(tmpdir(), `berth-compose-${process.pid}`);
after(() => rmSync(root, { recursive: true, force: true }));

/** Writes a case's files; returns the directory and the options that name the files. */
function prepare({ files, beside = {} }: Case, index: number): { directory: string; names: string[] } {
  const directory = join(root, `case-${index}`, "project");
  const names = files.map((_, number) => (number === 0 ? "compose.yaml" : `override-${number}.yaml`));
  const all = {
    ...beside,
    ...Object.fromEntries(names.map((name, number) => [name, files[number] as string])),
  };
  for (const [name, text] of Object.entries(all)) {
    mkdirSync(dirname(join(directory, name)), { recursive: true });
    writeFileSync(join(directory, name), text);
  }
  return { directory, names: names.map((name) => join(directory, name)) };
}

async function ours(testCase: Case, index: number): Promise<Golden & { readonly failure?: string }> {
  const { directory, names } = prepare(testCase, index);
  const options: LoadOptions = {
    files: names,
    envFiles: [],
    projectDirectory: "",
    name: "",
    profiles: testCase.profiles ?? [],
    processEnvironment: { HOME: home, PWD: directory, ...testCase.environment },
    warn: () => {},
    artifacts: noRegistries,
  };
  const dollars = (text: string): string => text.replaceAll("$", "$$$$").replaceAll(directory, DIRECTORY);
  const previous = process.env["HOME"];
  process.env["HOME"] = home;
  try {
    if (testCase.isRaw === true) {
      const model = await loadRaw(options);
      return { name: testCase.name, json: renderAnyJson(model, true), yaml: renderAnyYaml(model) };
    }
    const project = withEnvironment(withLabels(await loadProject(options)));
    const clashes = containerNameClashes(project);
    if (clashes.length > 0) throw invalidFile(clashes);
    const shown = withoutUnused(project);
    const hashes = Object.values(project.services)
      .map((service) => `${service.name} ${serviceHash(service)}\n`)
      .sort();
    return {
      name: testCase.name,
      json: dollars(renderProjectJson(shown)),
      yaml: dollars(renderProjectYaml(shown)),
      // A hash with the directory in it cannot be kept.
      ...(isPortable(dollars(renderProjectJson(shown))) ? { hashes: hashes.join("") } : {}),
    };
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    return { name: testCase.name, failure: error.message };
  } finally {
    process.env["HOME"] = previous;
  }
}

const isPortable = (json: string): boolean => !json.includes(DIRECTORY);

function recorded(testCase: Case, index: number, program: string): Golden {
  const { directory, names } = prepare(testCase, index);
  const run = (...args: string[]) =>
    spawnSync(
      program,
      [
        ...names.flatMap((name) => ["-f", name]),
        ...(testCase.profiles ?? []).flatMap((profile) => ["--profile", profile]),
        "config",
        ...(testCase.isRaw === true ? ["--no-interpolate"] : []),
        ...args,
      ],
      {
        cwd: directory,
        env: { HOME: home, PATH: "/usr/bin:/bin", PWD: directory, ...testCase.environment },
        encoding: "utf8",
      },
    );
  const json = run("--format", "json");
  if (json.status !== 0) return { name: testCase.name };
  const neutral = (text: string): string => text.replaceAll(directory, DIRECTORY);
  const hasHashes = testCase.isRaw !== true && isPortable(neutral(json.stdout));
  return {
    name: testCase.name,
    json: neutral(json.stdout),
    yaml: neutral(run().stdout),
    ...(hasHashes ? { hashes: run("--hash", "*").stdout } : {}),
  };
}

const goldensFile = fileURLToPath(new URL("./testdata/goldens.json", import.meta.url));
const recorder = process.env["BERTH_RECORD_COMPOSE"];
if (recorder !== undefined) {
  const lines = cases.map((testCase, index) => JSON.stringify(recorded(testCase, index, recorder)));
  writeFileSync(goldensFile, `[\n${lines.join(",\n")}\n]\n`);
}
const goldens: readonly Golden[] = JSON.parse(readFileSync(goldensFile, "utf8"));

test("every case has its golden, and a name of its own", () => {
  assert.deepEqual(
    goldens.map(({ name }) => name),
    cases.map(({ name }) => name),
  );
  assert.equal(new Set(cases.map(({ name }) => name)).size, cases.length);
});

for (const [index, testCase] of cases.entries()) {
  const { name, json, yaml, hashes } = goldens[index] ?? { name: "" };
  test(name || testCase.name, async () => {
    const result = await ours(testCase, index);
    if (json === undefined) {
      assert.notEqual(result.failure, undefined, "Docker Compose refuses this");
      return;
    }
    assert.equal(result.failure, undefined);
    assert.equal(result.json, json);
    assert.equal(result.yaml, yaml);
    assert.equal(result.hashes, hashes);
  });
}
