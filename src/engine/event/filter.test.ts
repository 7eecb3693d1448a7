import assert from "node:assert/strict";
import { test } from "node:test";
import type { EngineEvent } from "./bus.ts";
import { eventMatcher } from "./filter.ts";

const event: EngineEvent = {
  sequence: 1,
  type: "container",
  action: "exec_start: sh -c true",
  actorId: "abcdef0123456789",
  attributes: { name: "web", image: "nginx:1", tier: "front" },
  timeNano: 1n,
};

test("eventMatcher: any value of a name, all names", () => {
  const matches = (filters: Record<string, string[]>): boolean => eventMatcher(filters)(event);
  assert.ok(matches({}));
  assert.ok(matches({ container: ["web"], type: ["image", "container"] }));
  assert.ok(matches({ container: ["abcdef"] }));
  assert.ok(matches({ event: ["exec_start"], image: ["nginx"], label: ["tier=front"] }));
  assert.ok(!matches({ event: ["start"] }));
  assert.ok(!matches({ container: ["web"], type: ["image"] }));
  assert.throws(() => eventMatcher({ colour: ["red"] }), /invalid filter 'colour'/);
});
