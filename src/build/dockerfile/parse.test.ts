import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Fault } from "../../lib/errors.ts";
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
