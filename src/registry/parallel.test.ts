import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { downloadParallel } from "./parallel.ts";
import type { ByteRange, OpenBlob } from "./retry.ts";

const PART = 1000;
const CONTENT = randomBytes(9 * PART + 123);
const never = new AbortController().signal;

const answer = ({ start, end = CONTENT.length }: ByteRange): Response =>
  new Response(CONTENT.subarray(start, end), {
    status: 206,
    headers: { "content-range": `bytes ${start}-${end - 1}/${CONTENT.length}` },
  });

async function fetched(open: OpenBlob, connections = 3, attempts = 1): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  const options = {
    policy: { attempts, secondMs: 0 },
    onWait: () => {},
    signal: never,
    sizeBytes: CONTENT.length,
    connections,
    partBytes: PART,
  };
  for await (const chunk of downloadParallel(open, options)) parts.push(chunk);
  return Buffer.concat(parts);
}

test("parts come side by side, at most as many as there are connections, and in order", async () => {
  let open = 0;
  let most = 0;
  const starts: number[] = [];
  const got = await fetched(async (range) => {
    starts.push(range.start);
    most = Math.max(most, ++open);
    // Later parts are there first.
    await new Promise((resolve) => setTimeout(resolve, range.start === PART ? 20 : 1));
    open--;
    return answer(range);
  });
  assert.deepEqual(got, CONTENT);
  assert.equal(starts.length, 10);
  assert.equal(new Set(starts).size, 10);
  assert.ok(most >= 2 && most <= 3, `${most} at once`);
});

test("a registry without ranges is asked once", async () => {
  let asked = 0;
  const got = await fetched(async () => {
    asked++;
    return new Response(CONTENT);
  });
  assert.deepEqual(got, CONTENT);
  assert.equal(asked, 1);
});

test("a registry that answers a later part with the whole blob is no problem", async () => {
  const got = await fetched(async (range) =>
    range.start === 4 * PART ? new Response(CONTENT) : answer(range),
  );
  assert.deepEqual(got, CONTENT);
});

test("a part that breaks off goes on from there", async () => {
  let breaks = 2;
  const starts: number[] = [];
  const got = await fetched(
    async (range) => {
      starts.push(range.start);
      if (range.start < 2 * PART || breaks-- <= 0) return answer(range);
      const short = answer({ start: range.start, end: range.start + 10 });
      short.headers.set("content-length", String((range.end ?? 0) - range.start));
      return short;
    },
    3,
    3,
  );
  assert.deepEqual(got, CONTENT);
  assert.ok(starts.includes(2 * PART + 10), starts.join(" "));
});

test("a part that cannot be had is the download's failure", async () => {
  const gone = new Error("gone");
  const promise = fetched(async (range) => {
    if (range.start === 3 * PART) throw gone;
    return answer(range);
  });
  await assert.rejects(promise, { kind: "unavailable", message: /gone/ });
});

test("whoever wants one connection gets one", async () => {
  const ranges: ByteRange[] = [];
  await fetched(async (range) => {
    ranges.push(range);
    return answer(range);
  }, 1);
  assert.deepEqual(ranges, [{ start: 0 }]);
});
