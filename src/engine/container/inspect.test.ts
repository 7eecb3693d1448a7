import assert from "node:assert/strict";
import { test } from "node:test";
import { formatNano } from "../../lib/time.ts";
import { statusText } from "./inspect.ts";
import { NEVER_RAN, type RunState } from "./record.ts";

const NOW = Date.parse("2026-01-02T03:04:05Z");
const ago = (seconds: number): string => formatNano(BigInt(NOW - seconds * 1000) * 1_000_000n);
const text = (state: Partial<RunState>): string => statusText({ ...NEVER_RAN, ...state }, NOW);

test("statusText says what the STATUS column of docker ps says", () => {
  assert.equal(text({}), "Created");
  assert.equal(text({ status: "running", startedAt: ago(0.2) }), "Up Less than a second");
  assert.equal(text({ status: "running", startedAt: ago(125) }), "Up 2 minutes");
  assert.equal(text({ status: "paused", startedAt: ago(7200) }), "Up 2 hours (Paused)");
  assert.equal(text({ status: "exited", exitCode: 137, finishedAt: ago(3) }), "Exited (137) 3 seconds ago");
  assert.equal(
    text({ status: "restarting", exitCode: 1, finishedAt: ago(1) }),
    "Restarting (1) 1 second ago",
  );
});

test("statusText tells the health of what runs", () => {
  const state: RunState = { ...NEVER_RAN, status: "running", startedAt: ago(5) };
  assert.equal(statusText(state, NOW, "starting"), "Up 5 seconds (health: starting)");
  assert.equal(statusText(state, NOW, "healthy"), "Up 5 seconds (healthy)");
  assert.equal(statusText(state, NOW, "unhealthy"), "Up 5 seconds (unhealthy)");
  assert.equal(statusText({ ...state, status: "paused" }, NOW, "healthy"), "Up 5 seconds (Paused)");
});

test("statusText never counts backwards when the clock was set back", () => {
  assert.equal(text({ status: "running", startedAt: ago(-100) }), "Up Less than a second");
});
