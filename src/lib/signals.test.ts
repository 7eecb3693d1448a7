import assert from "node:assert/strict";
import { test } from "node:test";
import { signalName, signalNumber } from "./signals.ts";

test("signals have numbers under all their names", () => {
  const numbers = ["KILL", "SIGKILL", "sigkill", "CLD", "SIGCHLD", "IOT", "abrt", "POLL", "STKFLT"].map(
    signalNumber,
  );
  assert.deepEqual(numbers, [9, 9, 9, 17, 17, 6, 6, 29, 16]);
  assert.deepEqual(["RTMIN", "SIGRTMIN+3", "rtmax-1", "RTMAX"].map(signalNumber), [34, 37, 63, 64]);
  for (const text of ["", "SIG", "NOPE", "9", "RTMIN-1", "RTMAX+1", "RTMIN+31", "constructor", "SIGSIGKILL"])
    assert.equal(signalNumber(text), undefined, text);
});

test("numbers have one name", () => {
  assert.deepEqual([9, 6, 17, 29, 40].map(signalName), ["SIGKILL", "SIGABRT", "SIGCHLD", "SIGIO", undefined]);
});
