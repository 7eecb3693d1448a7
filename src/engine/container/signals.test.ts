import assert from "node:assert/strict";
import { test } from "node:test";
import { parseSignal } from "./signals.ts";

test("parseSignal takes names, numbers and real-time signals", () => {
  for (const [text, n] of [
    ["SIGTERM", 15],
    ["kill", 9],
    ["9", 9],
    ["quit", 3],
    ["CLD", 17],
    ["IOT", 6],
    ["RTMIN", 34],
    ["RTMIN+3", 37],
    ["SIGRTMAX-1", 63],
    ["64", 64],
  ] as const)
    assert.equal(parseSignal(text), n, text);
});

test("parseSignal refuses what is no signal", () => {
  for (const bad of ["", " ", "0", "9x", "TERMINATE", "EMT", "RTMIN-1", "RTMIN+99"])
    assert.throws(() => parseSignal(bad), { message: `invalid signal: ${bad}` });
});

test("parseSignal refuses numbers that are no signals of Linux", () => {
  for (const bad of ["-1", "32", "33", "65", "99"])
    assert.throws(() => parseSignal(bad), { message: `the linux daemon does not support signal ${bad}` });
});
