import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { Fault } from "../../lib/errors.ts";
import { parseDockerfile } from "./parse.ts";
import { groupStages } from "./stages.ts";

const CORPUS = new URL("../../../test/corpus/dockerfile/", import.meta.url);
const isUpdate = process.env["UPDATE_GOLDENS"] === "1";

function compare(file: URL, actual: string): void {
  if (isUpdate) writeFileSync(file, actual);
  assert.equal(actual, readFileSync(file, "utf8"));
}

const filesOf = (folder: string) =>
  readdirSync(new URL(folder, CORPUS))
    .filter((name) => name.endsWith(".Dockerfile"))
    .map((name) => new URL(`${folder}${name}`, CORPUS));

for (const file of filesOf("good/")) {
  test(`parseDockerfile reads ${file.pathname.split("/").at(-1)}`, () => {
    const parsed = parseDockerfile(readFileSync(file, "utf8"));
    const { metaArgs, stages, warnings } = groupStages(parsed);
    const actual = { directives: parsed.directives, metaArgs, stages, warnings };
    compare(new URL(file.href.replace(/Dockerfile$/, "json")), `${JSON.stringify(actual, null, 1)}\n`);
  });
}

for (const file of filesOf("bad/")) {
  test(`parseDockerfile refuses ${file.pathname.split("/").at(-1)}`, () => {
    try {
      groupStages(parseDockerfile(readFileSync(file, "utf8")));
    } catch (error) {
      assert(error instanceof Fault);
      compare(new URL(file.href.replace(/Dockerfile$/, "txt")), `${error.message}\n`);
      return;
    }
    assert.fail("it was accepted");
  });
}
