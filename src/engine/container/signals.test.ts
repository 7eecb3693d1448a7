import assert from "node:assert/strict";
import { test } from "node:test";
import { parseSignal } from "./signals.ts";

test("parseSignal takes names, numbers and real-time signals", () => {
  for (const [text, n] of [
    ["SIGTERM", 15],
    ["kill", 9],
    ["9", 9],
    ["quit", 3],
    ["RTMIN+3", 37],
    ["SIGRTMAX-1", 63],
  ] as const)
    assert.equal(parseSignal(text), n, text);
});

test("parseSignal refuses what is no signal", () => {
  for (const bad of ["", "0", "65", "TERMINATE", "-1", "RTMIN-1"])
    assert.throws(() => parseSignal(bad), /invalid signal/, bad);
});
