import assert from "node:assert/strict";
import { test } from "node:test";
import { Fault } from "../errors.ts";
import { excerptOf, sourcesOf, withSource } from "./source.ts";

test("a failure carries the lines that it is about", () => {
  const source = {
    filename: "Dockerfile",
    content: "FROM a\nRUN b \\\n  c\nRUN d\nRUN e\nRUN f\n",
    start: 2,
    end: 3,
  };
  const fault = withSource(new Fault("system", "no"), source);
  assert.deepEqual(sourcesOf(fault), [source]);
  const second = { ...source, start: 4, end: 4 };
  assert.deepEqual(sourcesOf(withSource(fault, second)), [source, second]);
  assert.equal(
    excerptOf(source),
    [
      "Dockerfile:2",
      "--------------------",
      "   1 |     FROM a",
      "   2 | >>> RUN b \\",
      "   3 | >>>   c",
      "   4 |     RUN d",
      "   5 |     RUN e",
      "--------------------",
      "",
    ].join("\n"),
  );
  assert.deepEqual(sourcesOf(new Fault("system", "no")), []);
});
