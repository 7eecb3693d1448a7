import assert from "node:assert/strict";
import { test } from "node:test";
import type { EngineEvent } from "./event.ts";
import { eventMatcher } from "./filter.ts";

const event: EngineEvent = {
  sequence: 1,
  type: "container",
  action: "exec_start: sh -c true",
  actorId: "abcdef0123456789",
  attributes: { name: "web", image: "nginx:1", tier: "front", zone: "a" },
  timeNano: 1n,
};
const connect: EngineEvent = {
  ...event,
  type: "network",
  action: "connect",
  attributes: { container: "abcdef0123456789", name: "web-net", type: "bridge" },
  actorId: "fedcba9876543210",
};
const pull: EngineEvent = {
  ...event,
  type: "image",
  action: "pull",
  actorId: "localhost:5000/a/b:1",
  attributes: { name: "localhost:5000/a/b" },
};

const fits = (e: EngineEvent, filters: Record<string, string[]>): boolean => eventMatcher(filters)(e);

test("eventMatcher: any value of a name, all names", () => {
  assert.ok(fits(event, {}));
  assert.ok(fits(event, { container: [] }));
  assert.ok(fits(event, { container: ["nobody", "web"], type: ["image", "container"] }));
  assert.ok(!fits(event, { container: ["web"], type: ["image"] }));
  assert.ok(fits(event, { scope: ["local", "swarm"] }));
  assert.ok(!fits(event, { scope: ["swarm"] }));
});

test("eventMatcher finds objects by the beginning of id and name, whatever their type, as Docker does", () => {
  assert.ok(fits(event, { container: ["abcdef"] }));
  assert.ok(fits(event, { container: ["we"] }));
  assert.ok(fits(connect, { container: ["web"] }));
  assert.ok(!fits(connect, { container: ["abcdef"] }));
  assert.ok(fits(connect, { network: ["web-net"] }));
  assert.ok(!fits(event, { volume: ["v"] }));
});

test("eventMatcher: actions are exact, unless one with a detail is asked for", () => {
  assert.ok(!fits(event, { event: ["start"] }));
  assert.ok(fits(event, { event: ["exec_start"] }));
  assert.ok(fits(event, { event: ["exec_start: sh -c true"] }));
  assert.ok(!fits(event, { event: ["exec_start: sh"] }));
  assert.ok(!fits(connect, { event: ["conn"] }));
  assert.ok(fits(connect, { event: ["conn", "health_status"] }));
});

test("eventMatcher: every label has to be there, with its value where one is given", () => {
  assert.ok(fits(event, { label: ["tier"] }));
  assert.ok(fits(event, { label: ["tier=front", "zone"] }));
  assert.ok(!fits(event, { label: ["tier=front", "zone=b"] }));
});

test("eventMatcher: images of containers and image events, with and without the tag", () => {
  assert.ok(fits(event, { image: ["nginx"] }));
  assert.ok(fits(event, { image: ["nginx:1"] }));
  assert.ok(!fits(event, { image: ["nginx:2"] }));
  assert.ok(fits(pull, { image: ["localhost:5000/a/b"] }));
  assert.ok(fits(pull, { image: ["localhost:5000/a/b:1"] }));
});

test("eventMatcher passes over names that it does not know, as Docker does", () => {
  assert.ok(fits(event, { colour: ["red"], "label!": ["tier"] }));
  assert.ok(!fits(event, { colour: ["red"], type: ["image"] }));
});
