import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { RecordingDisk } from "../meta/disk-fake.ts";
import { Journal, type JournalOptions } from "./journal.ts";

const BOOT = { bootId: "one" };

async function entriesOf(journal: Journal, from = 0): Promise<[number, string][]> {
  const entries: [number, string][] = [];
  for await (const { sequence, payload } of journal.read(from)) entries.push([sequence, payload]);
  return entries;
}

async function openOn(disk: RecordingDisk, options: JournalOptions = {}): Promise<Journal> {
  return Journal.open("/j", { disk, ...BOOT, ...options });
}

const payloadOf = (n: number): string => `{"n":${n}}`;

async function fill(journal: Journal, count: number): Promise<void> {
  for (let i = 0; i < count; i++) await journal.append(payloadOf(journal.last + 1)).written;
}

test("read yields what was appended, from a number on, after an orderly end and after a kill", async () => {
  const disk = new RecordingDisk();
  const first = await openOn(disk);
  assert.deepEqual([first.first, first.last], [1, 0]);
  await fill(first, 3);
  assert.deepEqual(await entriesOf(first, 2), [
    [2, payloadOf(2)],
    [3, payloadOf(3)],
  ]);
  await first.close();
  const second = await openOn(disk, { bootId: "two" });
  assert.equal(second.last, 3, "an orderly end loses nothing, whatever runs next");
  await fill(second, 1);
  // No close: killed.
  const third = await openOn(disk, { bootId: "two" });
  assert.equal(third.append("{}").sequence, 5);
  assert.deepEqual(
    (await entriesOf(third)).map(([n]) => n),
    [1, 2, 3, 4],
  );
});

test("append writes what comes in one turn together, in order", async () => {
  const disk = new RecordingDisk();
  const journal = await openOn(disk);
  const before = disk.steps.length;
  const writes = Array.from({ length: 50 }, (_, i) => journal.append(payloadOf(i + 1)).written);
  await Promise.all(writes);
  assert.equal(disk.steps.slice(before).filter((s) => s.kind === "write").length, 1);
  assert.deepEqual((await entriesOf(journal)).at(-1), [50, payloadOf(50)]);
});

test("files are bounded: the oldest segments go, the rest is contiguous", async () => {
  const disk = new RecordingDisk();
  const options = { segmentBytes: 400, maxBytes: 2000 };
  const journal = await openOn(disk, options);
  await fill(journal, 500);
  const names = await disk.list();
  const sizes = await Promise.all(names.map((name) => disk.size(name)));
  assert.ok(sizes.reduce((a, b) => a + b, 0) <= 2000, `${sizes}`);
  const numbers = (await entriesOf(journal)).map(([n]) => n);
  assert.equal(numbers[0], journal.first);
  assert.ok(journal.first > 400);
  assert.deepEqual(
    numbers,
    Array.from({ length: numbers.length }, (_, i) => journal.first + i),
  );
  assert.equal(numbers.at(-1), 500);
  const next = await openOn(disk, options);
  assert.deepEqual([next.first, next.last], [journal.first, 500]);
});

test("a reader that stops in between holds one batch, not the files: what has gone meanwhile is gone", async () => {
  const journal = await openOn(new RecordingDisk(), { segmentBytes: 200_000, maxBytes: 600_000 });
  const payload = JSON.stringify({ text: "x".repeat(1000) });
  const append = async (count: number): Promise<void> => {
    await Promise.all(Array.from({ length: count }, () => journal.append(payload).written));
  };
  for (let i = 0; i < 10; i++) await append(30);
  const reader = journal.read(0);
  assert.equal((await reader.next()).value?.sequence, 1);
  for (let i = 0; i < 100; i++) await append(30);
  assert.ok(journal.first > 2000);
  const numbers: number[] = [];
  for await (const { sequence } of reader) numbers.push(sequence);
  assert.ok(numbers.length > 50 && numbers.length < 70, `64 KiB of them: ${numbers.length}`);
  assert.deepEqual(
    numbers,
    Array.from({ length: numbers.length }, (_, i) => 2 + i),
    "none of the files' that were dropped",
  );
  assert.equal((await entriesOf(journal))[0]?.[0], journal.first);
  assert.equal((await entriesOf(journal)).length, journal.last - journal.first + 1);
});

test("a disk that refuses loses entries, not the journal", async () => {
  const disk = new RecordingDisk();
  const lines: string[] = [];
  const journal = await openOn(disk, { log: (line) => lines.push(line) });
  await fill(journal, 1);
  disk.beforeStep = (kind) => {
    if (kind === "write") throw new Error("ENOSPC");
  };
  await fill(journal, 2);
  disk.beforeStep = undefined;
  await fill(journal, 1);
  assert.deepEqual(
    (await entriesOf(journal)).map(([n]) => n),
    [1, 4],
  );
  assert.deepEqual(lines, ["events cannot be recorded: ENOSPC"]);
});

test("a power cut at any point leaves a beginning of what was written, and no number is given twice", async () => {
  const disk = new RecordingDisk();
  const journal = await openOn(disk, { segmentBytes: 200, maxBytes: 100_000 });
  await fill(journal, 12);
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: disk.steps.length }),
      fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 40, maxLength: 40 }),
      async (count, fates) => {
        let next = 0;
        const left = disk.afterPowerCut(count, () => fates[next++ % fates.length] as number);
        const after = await openOn(new RecordingDisk(left), { bootId: "two", segmentBytes: 200 });
        const entries = await entriesOf(after);
        for (const [n, payload] of entries) assert.equal(payload, payloadOf(n));
        assert.ok(left.size === 0 || after.last > 12);
        const { sequence, written } = after.append(`{"new":1}`);
        await written;
        assert.deepEqual((await entriesOf(after)).at(-1), [sequence, `{"new":1}`]);
      },
    ),
    { numRuns: 300 },
  );
});
