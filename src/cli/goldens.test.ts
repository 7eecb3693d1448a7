// Our command line against Docker's: the same words, the same daemon, the same output and exit code, byte for byte. The
// goldens are what docker 28.2.2 printed; BERTH_RECORD=/path/to/docker writes them anew.

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { cases } from "./testdata/cases.ts";
import { type Result, runCases } from "./testdata/run-cases.ts";

const goldensUrl = new URL("./testdata/goldens.json", import.meta.url);
const recorder = process.env["BERTH_RECORD"];
if (recorder !== undefined) {
  const recorded = await runCases(cases, { file: recorder, args: [] });
  writeFileSync(goldensUrl, `[\n${recorded.map((result) => JSON.stringify(result)).join(",\n")}\n]\n`);
}

const goldens: Result[] = JSON.parse(readFileSync(goldensUrl, "utf8"));
const main = fileURLToPath(new URL("../main.ts", import.meta.url));
// bun: a before hook may take five seconds at most, whatever its timeout says; loading the file may take longer.
const results = await runCases(cases, { file: process.execPath, args: [main] });

test("there is a golden for every case", () => {
  assert.deepEqual(
    goldens.map(({ args }) => args.length),
    cases.map(({ args }) => args.length),
  );
});

for (const [index, golden] of goldens.entries()) {
  test(`docker ${golden.args.join(" ")} prints what Docker prints`, () => {
    const { out, err, code } = results[index] as Result;
    assert.deepEqual({ out, err, code }, { out: golden.out, err: golden.err, code: golden.code });
  });

  test(`docker ${golden.args.join(" ")} asks what Docker asks`, () => {
    assert.deepEqual(effects(results[index] as Result), effects(golden));
  });
}

/**
 * Only what changes something has to be the same, in any order; how much each side looks up first is its own affair, and so
 * is what it still tries on a container that does not exist.
 */
function effects({ requests }: Result): string[] {
  const isEffect = (request: string): boolean => !/^(?:GET|HEAD) /.test(request) || /^GET .*\?/.test(request);
  return requests.filter((request) => isEffect(request) && !request.includes("/containers/nope/exec")).sort();
}
