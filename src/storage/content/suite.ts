// What every content store must do, run against each implementation: `suite(name, make)`.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, test } from "node:test";
import { Fault } from "../../lib/errors.ts";
import { type Digest, digestOf } from "../../oci/digest.ts";
import type { ContentStore } from "./types.ts";

async function* chunks(...parts: (Uint8Array | Error)[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) {
    if (part instanceof Error) throw part;
    yield part;
  }
}

async function collect(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of source) parts.push(part);
  return Buffer.concat(parts);
}

async function digests(store: ContentStore): Promise<Digest[]> {
  const all: Digest[] = [];
  for await (const info of store.list()) all.push(info.digest);
  return all.sort();
}

export function suite(name: string, make: () => Promise<ContentStore>): void {
  const isFault = (kind: string) => (e: unknown) => e instanceof Fault && e.kind === kind;

  describe(`${name} is a content store:`, () => {
    test("what was ingested can be read, in whole and from an offset", async () => {
      const store = await make();
      const bytes = randomBytes(1_000_000);
      const seen: number[] = [];
      const info = await store.ingest(
        chunks(bytes.subarray(0, 10), bytes.subarray(10, 600_000), bytes.subarray(600_000)),
        { digest: digestOf(bytes), sizeBytes: bytes.length },
        { onProgress: (size) => seen.push(size) },
      );
      assert.equal(info.digest, digestOf(bytes));
      assert.equal(info.sizeBytes, bytes.length);
      assert.equal(seen.at(-1), bytes.length);
      assert.deepEqual(await collect(store.open(info.digest)), bytes);
      assert.deepEqual(await collect(store.open(info.digest, { start: 999_990 })), bytes.subarray(999_990));
      assert.deepEqual(Buffer.from(await store.read(info.digest, 1_000_000)), bytes);
      assert.deepEqual(await store.stat(info.digest), info);
    });

    test("empty content and sha512 work", async () => {
      const store = await make();
      const empty = await store.ingest(chunks());
      assert.equal((await collect(store.open(empty.digest))).length, 0);
      const bytes = Buffer.from("x");
      const info = await store.ingest(chunks(bytes), { digest: digestOf(bytes, "sha512") });
      assert.equal(info.digest, digestOf(bytes, "sha512"));
      assert.deepEqual(await digests(store), [empty.digest, info.digest].sort());
    });

    test("the same content twice, also at the same time, is one blob", async () => {
      const store = await make();
      const bytes = randomBytes(300_000);
      const infos = await Promise.all([1, 2, 3].map(() => store.ingest(chunks(bytes))));
      assert.equal(new Set(infos.map((info) => info.digest)).size, 1);
      assert.equal((await digests(store)).length, 1);
      assert.deepEqual(Buffer.from(await store.read(digestOf(bytes), 300_000)), bytes);
    });

    test("wrong digest, wrong size, a failing source and an abort leave nothing", async () => {
      const store = await make();
      const bytes = Buffer.from("content");
      await assert.rejects(store.ingest(chunks(bytes), { digest: digestOf("other") }), isFault("dataLoss"));
      await assert.rejects(store.ingest(chunks(bytes), { sizeBytes: 6 }), isFault("dataLoss"));
      await assert.rejects(store.ingest(chunks(bytes), { sizeBytes: 8 }), isFault("dataLoss"));
      await assert.rejects(
        store.ingest(chunks(bytes, new Fault("unavailable", "gone"))),
        isFault("unavailable"),
      );
      const aborted = new AbortController();
      async function* abortMidway(): AsyncGenerator<Uint8Array> {
        yield bytes;
        aborted.abort(new Fault("cancelled", "stop"));
        yield bytes;
      }
      await assert.rejects(store.ingest(abortMidway(), {}, { signal: aborted.signal }), isFault("cancelled"));
      assert.deepEqual(await digests(store), []);
    });

    test("missing content is notFound, removing is idempotent, reading is bounded", async () => {
      const store = await make();
      const nothing = digestOf("nothing");
      assert.equal(await store.stat(nothing), undefined);
      await assert.rejects(collect(store.open(nothing)), isFault("notFound"));
      await assert.rejects(store.read(nothing, 10), isFault("notFound"));
      const { digest } = await store.ingest(chunks(Buffer.from("content")));
      await assert.rejects(store.read(digest, 6), isFault("invalidParameter"));
      await store.remove(digest);
      await store.remove(digest);
      assert.equal(await store.stat(digest), undefined);
    });
  });
}
