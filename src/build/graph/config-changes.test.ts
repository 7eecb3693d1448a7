import assert from "node:assert/strict";
import { test } from "node:test";
import { applyConfigChanges } from "./config-changes.ts";

test("applyConfigChanges changes what instructions say, and nothing else", () => {
  const changes = ["USER 1:2\nWORKDIR /a", "workdir b", 'ENV A=b C="d e"', "STOPSIGNAL 9", 'CMD ["x"]'];
  assert.deepEqual(applyConfigChanges({ env: ["A=a"] }, changes), {
    user: "1:2",
    workingDir: "/a/b",
    env: ["A=b", "C=d e"],
    stopSignal: "9",
    cmd: ["x"],
  });
  assert.deepEqual(applyConfigChanges({ user: "x" }, []), { user: "x" });
});

test("applyConfigChanges refuses what makes files or is no instruction, by the word that was written", () => {
  for (const word of ["RUN", "copy", "ADD", "FROM", "ARG", "SHELL", "MAINTAINER", "foo"])
    assert.throws(
      () => applyConfigChanges({}, [`${word} x y`]),
      new RegExp(`${word} is not a valid change command`),
    );
});
