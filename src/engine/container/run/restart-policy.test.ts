// The decision table of the restart policies.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { ContainerRecord } from "../record.ts";
import { nextDelayMs, startsWithDaemon, wantsRestart } from "./restart-policy.ts";

function record(policy: string, state: object = {}): ContainerRecord {
  const [Name = "", retries = "0"] = policy.split(":");
  return {
    hostConfig: { RestartPolicy: { Name, MaximumRetryCount: Number(retries) } },
    state: {
      isStoppedByUser: false,
      restartCount: 0,
      status: "exited",
      startedAt: "t",
      exitCode: 0,
      ...state,
    },
  } as unknown as ContainerRecord;
}

test("wantsRestart follows the policy, the exit code, the count and the user", () => {
  for (const [policy, exitCode, state, expected] of [
    ["no", 1, {}, false],
    ["", 1, {}, false],
    ["always", 0, {}, true],
    ["always", 1, { isStoppedByUser: true }, true],
    ["unless-stopped", 0, {}, true],
    ["unless-stopped", 1, { isStoppedByUser: true }, false],
    ["on-failure", 0, {}, false],
    ["on-failure", 1, {}, true],
    ["on-failure", 1, { restartCount: 1000 }, true],
    ["on-failure", 1, { isStoppedByUser: true }, true],
    ["on-failure:2", 1, { restartCount: 1 }, true],
    ["on-failure:2", 1, { restartCount: 2 }, false],
  ] as const)
    assert.equal(
      wantsRestart(record(policy, state), exitCode),
      expected,
      `${policy} ${exitCode} ${JSON.stringify(state)}`,
    );
});

test("startsWithDaemon: what has run, by policy; what was to be restarted, always", () => {
  for (const [policy, state, expected] of [
    ["always", {}, true],
    ["always", { isStoppedByUser: true }, true],
    ["always", { status: "created", startedAt: "" }, false],
    ["always", { status: "dead" }, false],
    ["unless-stopped", {}, true],
    ["unless-stopped", { isStoppedByUser: true }, false],
    ["on-failure", { exitCode: 0 }, false],
    ["on-failure", { exitCode: 137, isStoppedByUser: true }, true],
    ["on-failure:1", { exitCode: 1, restartCount: 1 }, false],
    ["on-failure:1", { status: "restarting", exitCode: 1, restartCount: 1 }, true],
    ["no", { exitCode: 1 }, false],
  ] as const)
    assert.equal(startsWithDaemon(record(policy, state)), expected, `${policy} ${JSON.stringify(state)}`);
});

test("nextDelayMs doubles from 100 ms to a minute, and starts over after ten seconds of running", () => {
  const delays: number[] = [];
  let delay = 0;
  for (let i = 0; i < 12; i++) delays.push((delay = nextDelayMs(delay, 0n)));
  assert.deepEqual(delays, [100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 51_200, 60_000, 60_000]);
  assert.equal(nextDelayMs(delay, 9_999_999_999n), 60_000);
  assert.equal(nextDelayMs(delay, 10_000_000_000n), 100);
});
