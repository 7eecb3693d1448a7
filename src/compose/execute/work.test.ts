// The order in which services are visited, and how many at a time.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Service } from "../model/project.ts";
import { inOrder, inReverseOrder } from "./traverse.ts";
import { allDone, Limiter } from "./work.ts";

const dependent = (name: string, ...on: string[]): Service => ({
  name,
  depends_on: Object.fromEntries(on.map((other) => [other, { condition: "service_started" as const }])),
});

const services = {
  web: dependent("web", "api", "cache"),
  api: dependent("api", "db"),
  cache: dependent("cache"),
  db: dependent("db"),
};

/** Visits that take a turn of the event loop each, as a list of what began and ended. */
function recorder(failing = ""): { visit: (service: Service) => Promise<void>; events: string[] } {
  const events: string[] = [];
  const visit = async ({ name }: Service): Promise<void> => {
    events.push(`+${name}`);
    await new Promise((resolve) => setImmediate(resolve));
    if (name === failing) throw new Error(`${name} failed`);
    events.push(`-${name}`);
  };
  return { visit, events };
}

function isBefore(events: readonly string[], one: string, other: string): void {
  assert.ok(events.includes(one) && events.indexOf(one) < events.indexOf(other), events.join(" "));
}

test("a service is visited when those that it depends on are done, others at the same time", async () => {
  const { visit, events } = recorder();
  await inOrder(services, visit);
  isBefore(events, "-db", "+api");
  isBefore(events, "-api", "+web");
  isBefore(events, "-cache", "+web");
  isBefore(events, "+cache", "-db");
});

test("the other way round, those that depend on a service come first", async () => {
  const { visit, events } = recorder();
  await inReverseOrder(services, visit);
  isBefore(events, "-web", "+cache");
  isBefore(events, "-web", "+api");
  isBefore(events, "+cache", "-api");
  isBefore(events, "-api", "+db");
});

test("after a failure nothing that waits for it is begun, and what runs is waited for", async () => {
  const { visit, events } = recorder("db");
  await assert.rejects(inOrder(services, visit), { message: "db failed" });
  assert.deepEqual(events.sort(), ["+cache", "+db", "-cache"]);
});

test("a limiter runs no more tasks than it may, in their order, failures or not", async () => {
  const limit = new Limiter(2);
  let running = 0;
  let most = 0;
  const order: number[] = [];
  const task = (id: number) => async (): Promise<void> => {
    order.push(id);
    most = Math.max(most, ++running);
    await new Promise((resolve) => setImmediate(resolve));
    running--;
    if (id === 1) throw new Error("one");
  };
  const tasks = [0, 1, 2, 3, 4].map((id) => limit.run(task(id)));
  await assert.rejects(allDone(tasks), { message: "one" });
  assert.deepEqual(order, [0, 1, 2, 3, 4]);
  assert.equal(most, 2);
  assert.equal(running, 0);
});

test("below one there is no limit", async () => {
  const limit = new Limiter(-1);
  let running = 0;
  await allDone(
    Array.from({ length: 50 }, () =>
      limit.run(async () => {
        running++;
        await new Promise((resolve) => setImmediate(resolve));
      }),
    ),
  );
  assert.equal(running, 50);
});
