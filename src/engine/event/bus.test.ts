import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { RecordingDisk } from "../../storage/meta/disk-fake.ts";
import { Journal } from "../../storage/journal/journal.ts";
import { EventBus, type EventQuery, type LostEvents } from "./bus.ts";
import type { EngineEvent, NewEvent } from "./event.ts";
import { EventHistory } from "./history.ts";

const event = (action: string): NewEvent => ({ type: "container", action, actorId: "c1", attributes: {} });
const NEVER = new AbortController().signal;

async function collect(iterable: AsyncIterable<EngineEvent | LostEvents>): Promise<string[]> {
  const actions: string[] = [];
  for await (const e of iterable) actions.push("lost" in e ? `lost ${e.lost}` : e.action);
  return actions;
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Everything that the history holds up to `last`. */
function past(bus: EventBus, last: EngineEvent, query: EventQuery = {}): Promise<string[]> {
  return collect(bus.subscribe({ untilNano: last.timeNano, ...query }, NEVER));
}

test("subscribe yields history since a time, then live events, and ends on abort", async () => {
  const bus = new EventBus();
  bus.publish(event("create"));
  const start = bus.publish(event("start"));
  const abort = new AbortController();
  const events = bus.subscribe({ sinceNano: start.timeNano }, abort.signal);
  const first = (await events.next()).value as EngineEvent;
  assert.equal(first.action, "start");
  const next = events.next();
  bus.publish(event("die"));
  assert.equal(((await next).value as EngineEvent).action, "die");
  const end = events.next();
  abort.abort();
  assert.equal((await end).done, true);
  assert.equal(bus.readerCount, 0);
});

test("subscribe without a time starts empty and filters", async () => {
  const bus = new EventBus();
  bus.publish(event("create"));
  const abort = new AbortController();
  const events = bus.subscribe({ matches: (e) => e.action !== "start" }, abort.signal);
  const next = events.next();
  bus.publish(event("start"));
  bus.publish(event("die"));
  assert.equal(((await next).value as EngineEvent).action, "die");
  await events.return(undefined);
});

test("subscribe with an until in the past ends after the history, which without a since is all of it", async () => {
  const bus = new EventBus();
  bus.publish(event("create"));
  const second = bus.publish(event("start"));
  bus.publish(event("die"));
  assert.deepEqual(await past(bus, second), ["create", "start"]);
  assert.deepEqual(await past(bus, second, { sinceNano: second.timeNano }), ["start"]);
});

test("publish gives every event a time and a number of its own, in order", () => {
  const bus = new EventBus();
  const events = Array.from({ length: 1000 }, () => bus.publish(event("x")));
  for (let i = 1; i < events.length; i++) {
    assert.ok((events[i] as EngineEvent).timeNano > (events[i - 1] as EngineEvent).timeNano);
    assert.equal(events[i]?.sequence, i + 1);
  }
});

test("a clock that is set back by hours is followed, one that is adjusted is not; every reader goes on in the order of the numbers", async () => {
  let clock = 1_000_000_000_000_000n;
  const bus = new EventBus(undefined, () => clock);
  const abort = new AbortController();
  const live = bus.subscribe({}, abort.signal);
  const first = live.next();
  bus.publish(event("before"));
  clock -= 500_000_000n;
  const adjusted = bus.publish(event("adjusted"));
  assert.equal(adjusted.timeNano, 1_000_000_000_000_001n);
  clock -= 6n * 3600n * 1_000_000_000n;
  const after = bus.publish(event("after"));
  assert.equal(after.timeNano, clock);
  clock += 1_000n;
  const last = bus.publish(event("last"));
  assert.equal(((await first).value as EngineEvent).action, "before");
  for (const action of ["adjusted", "after", "last"])
    assert.equal(((await live.next()).value as EngineEvent).action, action);
  assert.deepEqual(await past(bus, last, { sinceNano: after.timeNano }), ["after", "last"]);
  abort.abort();
});

test("a reader that sleeps loses what has left the history, is told how much, and goes on", async () => {
  const bus = new EventBus();
  const abort = new AbortController();
  const sleeper = bus.subscribe({}, abort.signal);
  const awake = bus.subscribe({ matches: (e) => e.action === "last" }, abort.signal);
  const first = sleeper.next();
  const other = awake.next();
  bus.publish(event("first"));
  assert.equal(((await first).value as EngineEvent).action, "first");
  for (let i = 0; i < 3000; i++) {
    bus.publish(event("x"));
    if (i % 100 === 0) await turn();
  }
  bus.publish(event("last"));
  assert.equal(((await other).value as EngineEvent).action, "last", "nobody else loses anything");
  const { lost } = (await sleeper.next()).value as LostEvents;
  const next = (await sleeper.next()).value as EngineEvent;
  assert.equal(next.sequence, 2 + lost);
  assert.ok(lost > 1000 && lost < 3000);
  abort.abort();
});

test("memory is bounded by size as well: large events push more of the older ones out", async () => {
  const bus = new EventBus();
  const large: NewEvent = { ...event("large"), attributes: { label: "x".repeat(300_000) } };
  for (let i = 0; i < 9; i++) bus.publish(large);
  const last = bus.publish(event("last"));
  assert.deepEqual(await past(bus, last), ["large", "large", "large", "last"]);
});

test("history and numbers go on over an orderly end and over a kill; a client resumes from a number", async () => {
  const dir = await mkdtemp(join(tmpdir(), "berth-events-"));
  try {
    const open = async (): Promise<EventBus> =>
      new EventBus(await EventHistory.open(dir, (line) => assert.fail(line)));
    const one = await open();
    one.publish(event("create"));
    one.publish(event("start"));
    await one.close();
    const two = await open();
    const die = two.publish(event("die"));
    assert.equal(die.sequence, 3);
    assert.deepEqual(await past(two, die), ["create", "start", "die"]);
    // Killed: no close.
    const three = await open();
    const destroy = three.publish(event("destroy"));
    assert.equal(destroy.sequence, 4);
    assert.deepEqual(await past(three, destroy, { after: 1 }), ["start", "die", "destroy"]);
    assert.deepEqual(await past(three, destroy, { after: 4 }), []);
    await three.close();
  } finally {
    await rm(dir, { recursive: true });
  }
});

test("subscribe says how many are lost when the number to resume from has left the history", async () => {
  const journal = await Journal.open("/j", {
    disk: new RecordingDisk(),
    bootId: "b",
    segmentBytes: 2000,
    maxBytes: 10_000,
  });
  const bus = new EventBus(new EventHistory(journal));
  let last = bus.publish(event("x"));
  for (let i = 0; i < 2000; i++) {
    last = bus.publish(event("x"));
    if (i % 10 === 0) await turn();
  }
  const first = last.sequence - 1024 + 1;
  assert.ok(journal.first > first, "memory reaches further back than these small files");
  const seen = await past(bus, last, { after: 5 });
  assert.equal(seen[0], `lost ${first - 6}`);
  assert.equal(seen.length, 1 + 1024);
  await bus.close();
});

test("a reader that sleeps within the files goes on with what it was given, and is told once and exactly what is missing", async () => {
  const options = { disk: new RecordingDisk(), bootId: "b", segmentBytes: 100_000, maxBytes: 400_000 };
  const journal = await Journal.open("/j", options);
  const bus = new EventBus(new EventHistory(journal));
  const publish = async (count: number): Promise<void> => {
    for (let i = 0; i < count; i++) {
      bus.publish(event("x"));
      if (i % 100 === 99) await turn();
    }
  };
  await publish(2000);
  const abort = new AbortController();
  const sleeper = bus.subscribe({ after: 0 }, abort.signal);
  assert.equal(((await sleeper.next()).value as EngineEvent).sequence, 1);
  await publish(8000);
  const last = bus.publish(event("last"));
  let reached = 1;
  const losses: number[] = [];
  while (reached < last.sequence) {
    const next = (await sleeper.next()).value as EngineEvent | LostEvents;
    if ("lost" in next) {
      losses.push(next.lost);
      reached += next.lost;
      assert.equal(reached + 1, journal.first, "what has left the files, and nothing that is in them");
    } else assert.equal(next.sequence, ++reached);
  }
  assert.equal(losses.length, 1);
  abort.abort();
  await bus.close();
});

test("an event is shown when it is recorded, and a disk that fails does not keep it back", async () => {
  const disk = new RecordingDisk();
  const journal = await Journal.open("/j", { disk, bootId: "b" });
  const bus = new EventBus(new EventHistory(journal));
  const before = disk.steps.length;
  const events = bus.subscribe({}, NEVER);
  const next = events.next();
  bus.publish(event("create"));
  await next;
  assert.ok(disk.steps.slice(before).some((step) => step.kind === "write"));
  disk.beforeStep = () => {
    throw new Error("ENOSPC");
  };
  const unrecorded = events.next();
  bus.publish(event("start"));
  assert.equal(((await unrecorded).value as EngineEvent).action, "start");
  await events.return(undefined);
});
