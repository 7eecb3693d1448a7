import assert from "node:assert/strict";
import { test } from "node:test";
import { EventBus, type NewEvent } from "./bus.ts";

const event = (action: string): NewEvent => ({ type: "container", action, actorId: "c1", attributes: {} });

async function collect(iterable: AsyncIterable<{ action: string }>): Promise<string[]> {
  const actions: string[] = [];
  for await (const e of iterable) actions.push(e.action);
  return actions;
}

test("subscribe yields history since a time, then live events, and ends on abort", async () => {
  const bus = new EventBus();
  bus.publish(event("create"));
  const start = bus.publish(event("start"));
  const abort = new AbortController();
  const seen = collect(bus.subscribe({ sinceNano: start.timeNano }, abort.signal));
  await Promise.resolve();
  bus.publish(event("die"));
  queueMicrotask(() => abort.abort());
  assert.deepEqual(await seen, ["start", "die"]);
});

test("subscribe without since starts empty and filters", async () => {
  const bus = new EventBus();
  bus.publish(event("create"));
  const abort = new AbortController();
  const seen = collect(bus.subscribe({ matches: (e) => e.action !== "start" }, abort.signal));
  await Promise.resolve();
  bus.publish(event("start"));
  bus.publish(event("die"));
  queueMicrotask(() => abort.abort());
  assert.deepEqual(await seen, ["die"]);
});

test("subscribe with an until in the past ends after the history", async () => {
  const bus = new EventBus();
  const first = bus.publish(event("create"));
  const last = bus.publish(event("start"));
  bus.publish(event("die"));
  const query = { sinceNano: first.timeNano, untilNano: last.timeNano };
  assert.deepEqual(await collect(bus.subscribe(query, new AbortController().signal)), ["create", "start"]);
});

test("publish gives every event a time of its own, in order", () => {
  const bus = new EventBus();
  const times = Array.from({ length: 1000 }, () => bus.publish(event("x")).timeNano);
  for (let i = 1; i < times.length; i++) assert.ok((times[i] as bigint) > (times[i - 1] as bigint));
});
