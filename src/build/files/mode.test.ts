import assert from "node:assert/strict";
import { test } from "node:test";
import { parseMode } from "./mode.ts";

test("parseMode takes octal digits for what they are", () => {
  assert.equal(parseMode("0644")(0o777, false), 0o644);
  assert.equal(parseMode("4755")(0, true), 0o4755);
  for (const bad of ["17777", "8", "", "rwx", "u~x", "u+y", "+x,"])
    assert.throws(() => parseMode(bad), /invalid chmod parameter/, bad);
});

test("parseMode applies a symbolic mode as chmod does", () => {
  const cases: [chmod: string, before: number, isDirectory: boolean, after: number][] = [
    ["u+x", 0o644, false, 0o744],
    ["+x", 0o644, false, 0o755],
    ["go-rwx", 0o755, false, 0o700],
    ["a=r", 0o755, false, 0o444],
    ["u=rwX,go=rX", 0o600, false, 0o644],
    ["u=rwX,go=rX", 0o600, true, 0o755],
    ["a+X", 0o744, false, 0o755],
    ["g=u", 0o640, false, 0o660],
    ["u+s,o+t", 0o755, false, 0o5755],
    ["g+s", 0o755, true, 0o2755],
    ["u-s", 0o4755, false, 0o755],
    ["u+r-w", 0o300, false, 0o500],
    ["=", 0o777, false, 0],
  ];
  for (const [chmod, before, isDirectory, after] of cases)
    assert.equal(parseMode(chmod)(before, isDirectory).toString(8), after.toString(8), chmod);
});
