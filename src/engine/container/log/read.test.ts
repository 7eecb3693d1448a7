import assert from "node:assert/strict";
import { appendFileSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { LogWatches } from "./watch.ts";
import { type LogQuery, readLog } from "./read.ts";

const line = (n: number): string =>
  `${JSON.stringify({ log: `line ${n}\n`, stream: n % 2 ? "stderr" : "stdout", time: `2026-01-01T00:00:${String(n % 60).padStart(2, "0")}.5Z` })}\n`;

function logDir(): { dir: string; path: string } & Disposable {
  const dir = mkdtempSync(join(tmpdir(), "berth-logs-"));
  return { dir, path: join(dir, "c-json.log"), [Symbol.dispose]: () => rmSync(dir, { recursive: true }) };
}

async function texts(path: string, query: LogQuery): Promise<string[]> {
  const all: string[] = [];
  for await (const batch of readLog(path, query)) all.push(...batch.map((e) => e.log.trimEnd()));
  return all;
}

const numbers = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);

test("readLog yields all lines, and nothing of a missing file or an unfinished line", async () => {
  using d = logDir();
  assert.deepEqual(await texts(d.path, {}), []);
  writeFileSync(d.path, numbers(0, 3).map(line).join("") + line(3).slice(0, 20));
  assert.deepEqual(await texts(d.path, {}), ["line 0", "line 1", "line 2"]);
});

test("readLog tail counts lines backwards over blocks and rotated files", async () => {
  using d = logDir();
  writeFileSync(`${d.path}.2`, numbers(0, 10).map(line).join(""));
  writeFileSync(`${d.path}.1`, numbers(10, 20).map(line).join(""));
  writeFileSync(d.path, numbers(20, 5000).map(line).join(""));
  for (const tail of [0, 1, 7, 4979, 4980, 4981, 4985, 4999, 5000, 9000]) {
    const got = await texts(d.path, { tail });
    assert.deepEqual(
      got,
      numbers(Math.max(0, 5000 - tail), 5000).map((n) => `line ${n}`),
      `tail ${tail}`,
    );
  }
});

test("readLog since and until are inclusive", async () => {
  using d = logDir();
  writeFileSync(d.path, numbers(0, 10).map(line).join(""));
  const at = (s: number): bigint =>
    BigInt(Date.parse("2026-01-01T00:00:00Z")) * 1_000_000n + BigInt(s) * 1_000_000_000n + 500_000_000n;
  assert.deepEqual(await texts(d.path, { sinceNano: at(3), untilNano: at(5) }), [
    "line 3",
    "line 4",
    "line 5",
  ]);
});

test("readLog follow sees appended lines and rotation, and ends when the container has ended", {
  timeout: 10_000,
}, async () => {
  using d = logDir();
  writeFileSync(d.path, line(0));
  let end = (): void => {};
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  const seen: string[] = [];
  for await (const batch of readLog(d.path, {
    follow: { ended, signal: new AbortController().signal, watches: new LogWatches() },
  })) {
    seen.push(...batch.map((e) => e.log.trimEnd()));
    if (seen.length === 1) appendFileSync(d.path, line(1));
    if (seen.length === 2) {
      appendFileSync(d.path, line(2));
      renameSync(d.path, `${d.path}.1`);
      writeFileSync(d.path, line(3));
    }
    if (seen.length === 4) {
      appendFileSync(d.path, line(4));
      end();
    }
  }
  assert.deepEqual(
    seen,
    [0, 1, 2, 3, 4].map((n) => `line ${n}`),
  );
});

test("readLog follow ends on abort", { timeout: 10_000 }, async () => {
  using d = logDir();
  writeFileSync(d.path, line(0));
  const abort = new AbortController();
  const never = new Promise<void>(() => {});
  for await (const _ of readLog(d.path, {
    follow: { ended: never, signal: abort.signal, watches: new LogWatches() },
  }))
    abort.abort();
  assert.ok(abort.signal.aborted);
});

test("readLog follow misses nothing when changes come faster than they are reported", {
  timeout: 20_000,
}, async () => {
  using d = logDir();
  writeFileSync(d.path, line(0));
  for (let round = 0; round < 5; round++) {
    const abort = new AbortController();
    const never = new Promise<void>(() => {});
    const before = round * 20 + 1;
    let seen = 0;
    const writes = (async () => {
      for (let i = 0; i < 20; i++) {
        appendFileSync(d.path, line(before + i));
        const until = performance.now() + 0.7;
        while (performance.now() < until);
        await new Promise((resolve) => setImmediate(resolve));
      }
    })();
    for await (const batch of readLog(d.path, {
      follow: { ended: never, signal: abort.signal, watches: new LogWatches() },
    })) {
      seen += batch.length;
      if (seen === before + 20) abort.abort();
    }
    await writes;
    assert.equal(seen, before + 20);
  }
});
