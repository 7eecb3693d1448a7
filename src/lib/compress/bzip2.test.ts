import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { bunzip2 } from "./bzip2.ts";

async function* pieces(bytes: Uint8Array, size = 7001): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}
async function unpacked(bytes: Uint8Array): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of bunzip2(pieces(bytes))) parts.push(part);
  return Buffer.concat(parts);
}
const bzip2 = (input: Uint8Array, ...flags: string[]) =>
  execFileSync("bzip2", ["-c", ...flags], { input, maxBuffer: 1 << 28 });

test("what bzip2 writes comes out again: texts, noise, runs of every length, several blocks, nothing", async () => {
  const runs = Buffer.concat(Array.from({ length: 600 }, (_, i) => Buffer.alloc(i, i & 0xff)));
  const noise = randomBytes(250_000);
  for (const content of [
    Buffer.alloc(0),
    Buffer.from("a"),
    Buffer.from("aaaa"),
    Buffer.from("banana".repeat(999)),
    runs,
    noise,
  ])
    assert.deepEqual(await unpacked(bzip2(content, "-1")), content);
  const large = Buffer.concat([noise, Buffer.alloc(2_000_000, "layer"), noise]);
  assert.deepEqual(await unpacked(bzip2(large, "-9")), large);
});

test("streams that follow each other are one", async () => {
  const both = Buffer.concat([bzip2(Buffer.from("one ")), bzip2(Buffer.from("two"))]);
  assert.equal((await unpacked(both)).toString(), "one two");
});

test("what stands for much comes in small pieces, before it is all read", async () => {
  const packed = bzip2(Buffer.alloc(50_000_000));
  assert.ok(packed.length < 200);
  let most = 0;
  for await (const piece of bunzip2(pieces(packed))) {
    most = Math.max(most, piece.length);
    if (most > 0) break;
  }
  assert.ok(most > 0 && most <= 64 << 10);
});

test("no cut and no changed byte makes it do anything but answer or refuse", async () => {
  const content = Buffer.from("some text that is not too long, some text".repeat(9));
  const packed = bzip2(content);
  for (let at = 0; at < packed.length; at++) {
    await assert.rejects(unpacked(packed.subarray(0, at)), /damaged bzip2 data/);
    const changed = Buffer.from(packed);
    changed[at] = (changed[at] ?? 0) ^ (1 << (at % 8));
    const outcome = await unpacked(changed).catch((error: unknown) => String(error));
    if (typeof outcome === "string") assert.match(outcome, /^Error: damaged bzip2 data/);
    else assert.deepEqual(outcome, content);
  }
});
