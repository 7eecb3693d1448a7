import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Fault } from "../../lib/errors.ts";
import { formatGoDuration, parseGoDuration } from "./go-duration.ts";
import { KEYWORDS } from "./instructions.ts";
import { parseDockerfile, parseTrigger } from "./parse.ts";
import { findStage, findTarget, groupStages } from "./stages.ts";

test("a Fault of the parser names the lines it speaks of", () => {
  try {
    parseDockerfile("FROM a\nRUN x \\\n y\nCOPY \\\n  only\n");
    assert.fail();
  } catch (error) {
    assert(error instanceof Fault);
    assert.deepEqual(error.detail, { line: 4, endLine: 5 });
    assert.equal(error.kind, "invalidParameter");
  }
});

test("parseDockerfile is bounded", () => {
  assert.throws(() => parseDockerfile("x".repeat(5 << 20)), /larger than/);
  assert.throws(() => parseDockerfile("RUN x\n".repeat(2_001)), /more than 2000 instructions/);
});

test("parseDockerfile throws nothing but Faults", () => {
  const word = fc.constantFrom(
    ...KEYWORDS,
    "a",
    "b=c",
    "--from=x",
    "--mount",
    "\\\n",
    "\n",
    "\n",
    "<<E",
    "E\n",
    '["x"]',
    "[1",
    "#",
    "$a",
    "'",
    '"',
    " ",
  );
  fc.assert(
    fc.property(fc.array(word, { maxLength: 30 }), (words) => {
      try {
        groupStages(parseDockerfile(words.join(" ")));
      } catch (error) {
        assert(error instanceof Fault, String(error));
      }
    }),
    { numRuns: 3000 },
  );
});

test("parseTrigger takes exactly one instruction", () => {
  assert.equal(parseTrigger("RUN x").kind, "run");
  assert.throws(() => parseTrigger("RUN x\nRUN y"), /should be a single expression/);
});

test("findStage looks at earlier stages only, by name in any case or by number", () => {
  const { stages } = groupStages(parseDockerfile("FROM a AS one\nFROM b\nFROM c AS two\n"));
  assert.equal(findStage(stages, "ONE", 2)?.index, 0);
  assert.equal(findStage(stages, "1", 2)?.index, 1);
  assert.equal(findStage(stages, "two", 2), undefined);
  assert.equal(findStage(stages, "2", 2), undefined);
  assert.equal(findTarget(stages, undefined).index, 2);
  assert.equal(findTarget(stages, "One").index, 0);
  assert.throws(() => findTarget(stages, "x"), /failed to reach build target x/);
});

test("Go durations are read and written as Go does", () => {
  const table = {
    "1h30m": 5400e9,
    "1.5s": 1.5e9,
    "300ms": 3e8,
    "1us": 1e3,
    "0": 0,
    "-2s": -2e9,
    "1m0.5s": 60.5e9,
  };
  for (const [text, nanos] of Object.entries(table)) assert.equal(parseGoDuration(text), nanos, text);
  for (const text of ["", "5", "s", "1x", "1 s", ".s"]) assert.equal(parseGoDuration(text), undefined, text);
  const shown = {
    "90s": "1m30s",
    "1500ms": "1.5s",
    "3600s": "1h0m0s",
    "0": "0s",
    "1ns": "1ns",
    "1500ns": "1.5µs",
    "10ms": "10ms",
  };
  for (const [text, out] of Object.entries(shown))
    assert.equal(formatGoDuration(parseGoDuration(text) as number), out);
});
