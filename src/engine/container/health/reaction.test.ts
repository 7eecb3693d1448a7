import assert from "node:assert/strict";
import { test } from "node:test";
import { nextRestart, type Restarts } from "./reaction.ts";

test("nextRestart waits longer with each restart, up to five minutes, and forgets after ten", () => {
  let restarts: Restarts | undefined;
  let now = 0;
  const delays: number[] = [];
  for (let i = 0; i < 12; i++) {
    const next = nextRestart(restarts, now);
    delays.push(next.delayMs / 1000);
    now = next.atMs + 5_000;
    restarts = next;
  }
  assert.deepEqual(delays, [0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
  assert.equal(nextRestart(restarts, now + 601_000).delayMs, 0);
});
