import assert from "node:assert/strict";
import {
  appendFileSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { compressRotated, replaceHere } from "./compress.ts";
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

test("readLog tail yields no more for what is written while it is read", async () => {
  using d = logDir();
  writeFileSync(d.path, numbers(0, 5000).map(line).join(""));
  const got: string[] = [];
  for await (const batch of readLog(d.path, { tail: 4900 })) {
    got.push(...batch.map((e) => e.log.trimEnd()));
    appendFileSync(d.path, line(5000));
  }
  assert.deepEqual(
    got,
    numbers(100, 5000).map((n) => `line ${n}`),
  );
});

test("readLog tail counts on into compressed files", async () => {
  using d = logDir();
  writeFileSync(`${d.path}.2.gz`, gzipSync(numbers(0, 3000).map(line).join("")));
  writeFileSync(`${d.path}.1.gz`, gzipSync(numbers(3000, 3010).map(line).join("")));
  writeFileSync(d.path, numbers(3010, 3020).map(line).join(""));
  for (const tail of [0, 5, 10, 11, 20, 21, 1000, 3019, 3020, 5000]) {
    const got = await texts(d.path, { tail });
    const from = Math.max(0, 3020 - tail);
    assert.deepEqual(
      [got.length, got[0]],
      [3020 - from, tail === 0 ? undefined : `line ${from}`],
      `tail ${tail}`,
    );
  }
  assert.equal((await texts(d.path, {})).length, 3020);
});

test("readLog prefers the plain file while its compressed form is being put in place", async () => {
  using d = logDir();
  writeFileSync(`${d.path}.1`, line(0));
  writeFileSync(`${d.path}.1.gz`, gzipSync(line(0)));
  writeFileSync(d.path, line(1));
  assert.deepEqual(await texts(d.path, {}), ["line 0", "line 1"]);
});

test("readLog passes over what a power cut left, also a megabyte of zeros", async () => {
  using d = logDir();
  writeFileSync(d.path, `${line(0)}{"log":"to`);
  appendFileSync(d.path, Buffer.alloc(3 << 20));
  assert.deepEqual(await texts(d.path, {}), ["line 0"]);
  appendFileSync(d.path, `\n${line(1)}`);
  assert.deepEqual(await texts(d.path, {}), ["line 0", "line 1"]);
  assert.deepEqual(await texts(d.path, { tail: 1 }), ["line 1"]);
});

test("readLog opens no file that is older than since", async () => {
  using d = logDir();
  writeFileSync(`${d.path}.1`, line(1));
  utimesSync(`${d.path}.1`, 1, 1); // a lie, so that it shows whether the file is read
  writeFileSync(d.path, line(2));
  assert.deepEqual(await texts(d.path, { sinceNano: 1n }), ["line 1", "line 2"]);
  assert.deepEqual(await texts(d.path, { sinceNano: 5_000_000_000n }), ["line 2"]);
});

test("readLog since lets everything through behind the first line that is late enough", async () => {
  using d = logDir();
  writeFileSync(d.path, [5, 20, 10, 30, 15].map(line).join(""));
  const at = (s: number): bigint => BigInt(Date.parse("2026-01-01T00:00:00Z") + s * 1000) * 1_000_000n;
  assert.deepEqual(await texts(d.path, { sinceNano: at(20) }), ["line 20", "line 10", "line 30", "line 15"]);
  assert.deepEqual(await texts(d.path, { sinceNano: at(20), untilNano: at(29) }), ["line 20", "line 10"]);
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

const never = new Promise<void>(() => {});

test("readLog follow ends by itself when the time of until has come", { timeout: 10_000 }, async () => {
  using d = logDir();
  writeFileSync(d.path, line(0));
  const { signal } = new AbortController();
  const follow = { ended: never, signal, watches: new LogWatches() };
  const untilNano = BigInt(Date.now() + 100) * 1_000_000n;
  assert.deepEqual(await texts(d.path, { untilNano, follow }), ["line 0"]);
  assert.deepEqual(await texts(d.path, { untilNano: 1n, follow }), []);
});

test("readLog follow loses nothing while its reader sleeps through rotations and compression", {
  timeout: 20_000,
}, async () => {
  using d = logDir();
  const watches = new LogWatches();
  const abort = new AbortController();
  writeFileSync(d.path, line(0));
  const reader = readLog(d.path, { follow: { ended: never, signal: abort.signal, watches } });
  const seen: string[] = [];
  const read = async (): Promise<void> => {
    seen.push(...((await reader.next()).value ?? []).map((e: { log: string }) => e.log.trimEnd()));
  };
  await read();
  // From here on the reader sleeps. As keel rotates with three files, and as the daemon compresses what that leaves.
  for (let n = 1; n <= 10; n++) {
    if (n > 2)
      for (const name of [`${d.path}.2`, `${d.path}.2.gz`])
        if (readdirSync(d.dir).includes(name.slice(d.dir.length + 1))) unlinkSync(name);
    for (const end of ["", ".gz"])
      if (readdirSync(d.dir).includes(`c-json.log.1${end}`))
        renameSync(`${d.path}.1${end}`, `${d.path}.2${end}`);
    renameSync(d.path, `${d.path}.1`);
    writeFileSync(d.path, line(n));
    await compressRotated(
      d.path,
      () => watches.refresh(d.path),
      (inode) => replaceHere(d.path, inode),
    );
  }
  assert.deepEqual(readdirSync(d.dir).sort(), ["c-json.log", "c-json.log.1.gz", "c-json.log.2.gz"]);
  while (seen.length < 11) await read();
  assert.deepEqual(
    seen,
    numbers(0, 11).map((n) => `line ${n}`),
  );
  abort.abort();
  await reader.return(undefined);
});

test("compressRotated keeps content, mode and time, and leaves nothing beside", async () => {
  using d = logDir();
  const content = numbers(0, 5000).map(line).join("");
  writeFileSync(`${d.path}.1`, content);
  utimesSync(`${d.path}.1`, 1000, 1000);
  writeFileSync(d.path, line(5000));
  await compressRotated(
    d.path,
    async () => {},
    (inode) => replaceHere(d.path, inode),
  );
  assert.deepEqual(readdirSync(d.dir).sort(), ["c-json.log", "c-json.log.1.gz"]);
  const { mtimeMs, mode, size } = statSync(`${d.path}.1.gz`);
  assert.deepEqual([mtimeMs, mode & 0o777], [1_000_000, 0o640]);
  assert.ok(size < content.length / 5);
  assert.equal((await texts(d.path, {})).length, 5001);
});

test("a hundred readers follow one log over one watch", { timeout: 20_000 }, async () => {
  using d = logDir();
  const watches = new LogWatches();
  writeFileSync(d.path, line(0));
  let end = (): void => {};
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  const { signal } = new AbortController();
  const readers = numbers(0, 100).map(() => texts(d.path, { follow: { ended, signal, watches } }));
  for (let n = 1; n < 50; n++) {
    appendFileSync(d.path, line(n));
    await new Promise((resolve) => setImmediate(resolve));
  }
  end();
  for (const got of await Promise.all(readers)) assert.equal(got.length, 50);
});
