import assert from "node:assert/strict";
import { test } from "node:test";
import type { ContainerRecord } from "../record.ts";
import { shouldRestart } from "./exit.ts";

function record(policy: string, retries = 0, state: object = {}): ContainerRecord {
  return {
    hostConfig: { RestartPolicy: { Name: policy, MaximumRetryCount: retries } },
    state: { isStoppedByUser: false, restartCount: 0, ...state },
  } as unknown as ContainerRecord;
}

test("shouldRestart follows the policy, the exit code and the user", () => {
  assert.equal(shouldRestart(record("no"), 1), false);
  assert.equal(shouldRestart(record("always"), 0), true);
  assert.equal(shouldRestart(record("unless-stopped"), 0), true);
  assert.equal(shouldRestart(record("on-failure"), 0), false);
  assert.equal(shouldRestart(record("on-failure"), 1), true);
  assert.equal(shouldRestart(record("on-failure", 2, { restartCount: 1 }), 1), true);
  assert.equal(shouldRestart(record("on-failure", 2, { restartCount: 2 }), 1), false);
  for (const policy of ["always", "unless-stopped", "on-failure"])
    assert.equal(shouldRestart(record(policy, 0, { isStoppedByUser: true }), 1), false, policy);
});
