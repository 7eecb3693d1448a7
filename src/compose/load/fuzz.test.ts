// Whatever a Compose file holds, it is a project or a Fault that says what is wrong with it: no other error, no work without end.
import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { Fault } from "../../lib/errors.ts";
import { cases } from "../testdata/cases.ts";
import { ProjectDirectory } from "./project.fake.ts";

const home = new ProjectDirectory();
const CORPUS = join(import.meta.dirname, "../../../test/corpus/compose");

/** Loads these texts on top of each other, which may fail with a Fault only; returns its message, or "". */
async function complaintOf(texts: readonly string[]): Promise<string> {
  const names = texts.map((text, i) => {
    writeFileSync(join(home.path, `${i}.yaml`), text);
    return `${i}.yaml`;
  });
  try {
    await home.loadFiles(names);
    return "";
  } catch (error) {
    assert.ok(
      error instanceof Fault,
      `${(error as Error).stack}\nof\n${texts.join("\n---\n").slice(0, 2000)}`,
    );
    return error.message;
  }
}

for (const name of readdirSync(CORPUS).filter((file) => file.endsWith(".yaml")))
  test(`${name} of the corpus is refused with a reason`, async () => {
    assert.notEqual(await complaintOf([readFileSync(join(CORPUS, name), "utf8")]), "");
  });

const seeds = cases.flatMap((c) => c.files);
const words = [
  "${",
  "}",
  "${A:-",
  "&a ",
  "*a",
  "<<: ",
  "!reset ",
  "!override ",
  "[",
  "]",
  "{",
  "}",
  ": ",
  "- ",
  "|",
  ">",
  '"',
  "'",
  "#",
  "\t",
];
const values = [
  "null",
  "~",
  "-1",
  "1e999",
  "0x",
  "0777",
  "1_000",
  "true",
  "''",
  "{}",
  "[]",
  "\u0000",
  "é",
  "__proto__",
  "constructor",
];
const keys = [
  "extends: app",
  "include: 0.yaml",
  "include: [./0.yaml]",
  "extends: {service: app, file: 0.yaml}",
  "deploy: {replicas: x}",
];
const hostile = fc.oneof(
  fc.constantFrom(...words, ...values, ...keys),
  fc.string({ unit: "binary", maxLength: 5 }),
);

/** Lines of known files, some left out, said twice, moved in or out, or with something hostile in them. */
const text = fc
  .tuple(
    fc.constantFrom(...seeds),
    fc.array(
      fc.record({
        at: fc.nat(),
        how: fc.constantFrom("drop", "double", "indent", "outdent", "put", "take"),
        what: hostile,
      }),
      { maxLength: 6 },
    ),
    fc.constantFrom(...seeds),
  )
  .map(([seed, changes, other]) => {
    const lines = seed.split("\n");
    const others = other.split("\n");
    for (const { at, how, what } of changes) {
      const i = at % Math.max(1, lines.length);
      const line = lines[i] ?? "";
      if (how === "drop") lines.splice(i, 1);
      else if (how === "double") lines.splice(i, 0, line);
      else if (how === "indent") lines[i] = `  ${line}`;
      else if (how === "outdent") lines[i] = line.replace(/^ {2}/, "");
      else if (how === "put")
        lines[i] = line.slice(0, at % (line.length + 1)) + what + line.slice(at % (line.length + 1));
      else lines.splice(i, 0, others[at % others.length] ?? "");
    }
    return lines.join("\n");
  });

test("any file, or one on top of another, is a project or a Fault", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(text, { minLength: 1, maxLength: 2 }), async (texts) => {
      await complaintOf(texts);
    }),
    { numRuns: 500 },
  );
});
