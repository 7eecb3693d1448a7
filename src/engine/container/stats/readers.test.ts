import assert from "node:assert/strict";
import { test } from "node:test";
import type { ContainerStats } from "../../../api/schemas/stats.ts";
import { StatsReaders } from "./readers.ts";
import type { Sample } from "./sample.ts";

const INTERVAL_MS = 5;
const NEVER = new AbortController().signal;

/** Samples with a number each; after `last` the container is gone. */
function source(last = Number.POSITIVE_INFINITY, isRunning = true) {
  const taken = { count: 0 };
  const take = (id: string): Sample | undefined => {
    if (++taken.count > last) return undefined;
    const cpu = { cpu_usage: { total_usage: taken.count }, throttling_data: {} };
    return { id, read: `t${taken.count}`, cpu_stats: cpu } as unknown as Sample;
  };
  return { taken, readers: new StatsReaders({ take, isRunning: () => isRunning }, INTERVAL_MS) };
}

async function collect(stream: AsyncIterable<ContainerStats>, count: number): Promise<string[]> {
  const seen: string[] = [];
  for await (const s of stream) {
    seen.push(`${s.preread.replace(/T.*/, "")}>${s.read}`);
    if (seen.length === count) break;
  }
  return seen;
}

test("a stream begins at once and each sample has the one before", async () => {
  const { readers } = source();
  const stream = readers.read("a", { stream: true, oneShot: false }, NEVER);
  assert.deepEqual(await collect(stream, 3), ["0001-01-01>t1", "t1>t2", "t2>t3"]);
});

test("a single answer has an earlier sample, unless one shot is enough or nothing runs", async () => {
  const single = { stream: false, oneShot: false };
  assert.deepEqual(await collect(source().readers.read("a", single, NEVER), 9), ["t1>t2"]);
  const shot = { stream: false, oneShot: true };
  assert.deepEqual(await collect(source().readers.read("a", shot, NEVER), 9), ["0001-01-01>t1"]);
  const stopped = source(Number.POSITIVE_INFINITY, false);
  assert.deepEqual(await collect(stopped.readers.read("a", single, NEVER), 9), ["0001-01-01>t1"]);
  assert.equal(stopped.taken.count, 1);
});

test("fifty readers of a container share its samples, and the sampling ends with the last of them", async () => {
  const { taken, readers } = source();
  const streams = Array.from({ length: 50 }, () =>
    readers.read("a", { stream: true, oneShot: false }, NEVER),
  );
  const seen = await Promise.all(streams.map((stream) => collect(stream, 4)));
  for (const lines of seen) assert.equal(lines.length, 4);
  assert.ok(taken.count <= 6, `${taken.count} samples for 50 readers of 4 each`);
  const { count } = taken;
  await new Promise((resolve) => setTimeout(resolve, 4 * INTERVAL_MS));
  assert.equal(taken.count, count);
});

test("a stream ends with its container, and when its reader goes", async () => {
  const { readers } = source(2);
  const stream = readers.read("a", { stream: true, oneShot: false }, NEVER);
  assert.deepEqual(await collect(stream, 9), ["0001-01-01>t1", "t1>t2"]);
  const abort = new AbortController();
  const other = source().readers.read("a", { stream: true, oneShot: false }, abort.signal);
  await other.next();
  const next = other.next();
  abort.abort();
  assert.equal((await next).done, true);
});
