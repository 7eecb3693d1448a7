import assert from "node:assert/strict";
import { test } from "node:test";
import type { BuildEvent } from "./events.ts";
import { transferMeter, working } from "./work.ts";

test("work tells of its beginning and its end, also of a bad one", async () => {
  const events: BuildEvent[] = [];
  const onEvent = (event: BuildEvent): void => void events.push(event);
  assert.equal(await working(onEvent, "a", async () => 7), 7);
  await assert.rejects(
    working(onEvent, "b", () => Promise.reject(new Error("no"))),
    /^Error: no$/,
  );
  assert.deepEqual(events, [
    { type: "work", what: "a", isOver: false },
    { type: "work", what: "a", isOver: true },
    { type: "work", what: "b", isOver: false },
    { type: "work", what: "b", isOver: true, error: "no" },
  ]);
});

test("a transfer tells of all its bytes at the end", () => {
  const events: BuildEvent[] = [];
  const meter = transferMeter((event) => void events.push(event), "a", "transferring");
  for (let i = 0; i < 1000; i++) meter.add(3);
  meter.end();
  assert.deepEqual(events.at(-1), {
    ...{ type: "transferred", what: "a", name: "transferring" },
    ...{ bytes: 3000, isOver: true },
  });
});
