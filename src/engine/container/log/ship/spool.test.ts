import assert from "node:assert/strict";
import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import {
  FIRST_POSITION,
  lastNumber,
  loadPosition,
  savePosition,
  type ShipPosition,
  type SpoolMessage,
  SpoolReader,
} from "./spool.ts";

function spoolDir(): { dir: string; path: string } & Disposable {
  const dir = mkdtempSync(join(tmpdir(), "berth-spool-"));
  return { dir, path: join(dir, "spool.log"), [Symbol.dispose]: () => rmSync(dir, { recursive: true }) };
}

const entry = (n: number, log: string, second = n, stream = "stdout"): string =>
  `{"n":${n},"log":${JSON.stringify(log)},"stream":"${stream}","time":"2026-01-01T00:00:${String(second % 60).padStart(2, "0")}Z"}\n`;

const lines = (from: number, to: number): string =>
  Array.from({ length: to - from }, (_, i) => entry(from + i, `line ${from + i}\n`)).join("");

async function read(path: string, position: ShipPosition, maxBytes = 1 << 20): Promise<SpoolMessage[][]> {
  await using reader = await SpoolReader.open(path, "c", position);
  const batches: SpoolMessage[][] = [];
  for await (const batch of reader.batches(maxBytes)) batches.push(batch);
  return batches;
}

const from = (next: number): ShipPosition => ({ ...FIRST_POSITION, next });

test("a spool is read from any number on, whatever its file is called by now", async () => {
  using d = spoolDir();
  writeFileSync(`${d.path}.2`, lines(11, 20));
  writeFileSync(`${d.path}.1`, lines(20, 30));
  writeFileSync(d.path, lines(30, 35));
  for (const [next, first] of [
    [1, 11],
    [11, 11],
    [19, 19],
    [20, 20],
    [29, 29],
    [34, 34],
  ] as const) {
    const messages = (await read(d.path, from(next))).flat();
    assert.deepEqual(
      [messages[0]?.n, messages.at(-1)?.n, messages.length],
      [first, 34, 35 - first],
      `${next}`,
    );
  }
  assert.deepEqual(await read(d.path, from(35)), []);
  assert.equal(await lastNumber(d.path), 34);
  for (const n of [2, 1]) renameSync(`${d.path}.${n}`, `${d.path}.${n + 1}`);
  renameSync(d.path, `${d.path}.1`);
  writeFileSync(d.path, "");
  assert.equal(await lastNumber(d.path), 34, "an empty file has no number, the one before has");
});

test("batches are bounded by bytes and by count", async () => {
  using d = spoolDir();
  writeFileSync(d.path, lines(1, 2501));
  assert.deepEqual(
    (await read(d.path, from(1))).map((b) => b.length),
    [1000, 1000, 500],
  );
  const small = await read(d.path, from(1), 50);
  assert.ok(small.every((b) => b.reduce((sum, m) => sum + m.line.length, 0) < 50 + 10));
});

test("the pieces of a long line carry one id and their order, across readers, and not into the next run", async () => {
  using d = spoolDir();
  const text = [
    entry(1, "aaa", 1),
    entry(2, "other\n", 2, "stderr"),
    entry(3, "bbb", 1),
    entry(4, "end\n", 1),
    entry(5, "whole\n", 5),
    entry(6, "unfinished", 6),
    entry(7, "of the next run\n", 7),
  ];
  writeFileSync(d.path, text.join(""));
  const all = (await read(d.path, from(1))).flat();
  const pieces = all.map((m) => (m.piece === undefined ? null : [m.piece.ordinal, m.piece.isLast]));
  assert.deepEqual(pieces, [[1, false], null, [2, false], [3, true], null, [1, false], null]);
  const ids = all.map((m) => m.piece?.id);
  assert.deepEqual([ids[0] === ids[2], ids[2] === ids[3], ids[0] === ids[5]], [true, true, false]);
  for (let i = 1; i < all.length; i++) {
    const before = all[i - 1] as SpoolMessage;
    const rest = (await read(d.path, { ...from(before.n + 1), openLines: before.openLines })).flat();
    assert.deepEqual(rest, all.slice(i), "as if there had been one reader");
  }
  assert.deepEqual(
    all.map((m) => m.line.toString()),
    ["aaa", "other", "bbb", "end", "whole", "unfinished", "of the next run"],
  );
});

test("the position survives, and one that is spoilt counts as none", async () => {
  using d = spoolDir();
  const path = join(d.dir, "shipped.json");
  assert.deepEqual(await loadPosition(path), FIRST_POSITION);
  const position: ShipPosition = {
    version: 1,
    next: 7,
    dropped: 2,
    openLines: { stderr: { first: 3, time: "t", ordinal: 2 } },
  };
  await savePosition(path, position);
  assert.deepEqual(await loadPosition(path), position);
  for (const text of ["", "\0\0\0", "{}", '{"version":1}', "null"]) {
    writeFileSync(path, text);
    assert.deepEqual(await loadPosition(path), FIRST_POSITION, text);
  }
});
