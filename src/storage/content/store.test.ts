import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { randomBytes, randomUUID } from "node:crypto";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { Fault } from "../../lib/errors.ts";
import { type Digest, digestOf, hexOf } from "../../oci/digest.ts";
import { FileContentStore } from "./store.ts";
import { suite } from "./suite.ts";

const made: string[] = [];
async function freshDir(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "berth-content-"));
  made.push(dir);
  return dir;
}
after(async () => {
  for (const dir of made) await rm(dir, { recursive: true, force: true });
});

suite("FileContentStore", async () => FileContentStore.open(await freshDir()));

async function* one(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text);
}

describe("FileContentStore", () => {
  test("removes what an earlier process left unfinished, and keeps the rest", async () => {
    const dir = await freshDir();
    const first = await FileContentStore.open(dir);
    const { digest } = await first.ingest(one("kept"));
    await writeFile(join(dir, "ingest", "abandoned"), "half");
    const second = await FileContentStore.open(dir);
    assert.deepEqual(await readdir(join(dir, "ingest")), []);
    assert.equal((await second.stat(digest))?.sizeBytes, 4);
  });

  test("leaves no temporary file after success and failure", async () => {
    const dir = await freshDir();
    const store = await FileContentStore.open(dir);
    await store.ingest(one("a"));
    await assert.rejects(store.ingest(one("a"), { sizeBytes: 5 }));
    assert.deepEqual(await readdir(join(dir, "ingest")), []);
  });

  test("read notices a damaged blob and ingesting it again heals it", async () => {
    const dir = await freshDir();
    const store = await FileContentStore.open(dir);
    const { digest } = await store.ingest(one("good"));
    await writeFile(join(dir, "sha256", hexOf(digest)), "evil");
    await assert.rejects(store.read(digest, 100), (e) => e instanceof Fault && e.kind === "dataLoss");
    await store.ingest(one("good"));
    assert.equal(Buffer.from(await store.read(digest, 100)).toString(), "good");
  });

  test("what has a key is gone on with by the next process, and only as long as somebody knows it", async () => {
    const dir = await freshDir();
    const [key, other] = [randomUUID(), randomUUID()];
    const first = await FileContentStore.open(dir);
    await (await first.begin({ key, algorithm: "sha512" })).append(one("begin "));
    await (await first.begin({ key: other })).append(one("of no interest"));
    const second = await FileContentStore.open(dir);
    const resumed = await second.resume(key, { algorithm: "sha512" });
    assert.equal(resumed?.sizeBytes, 6);
    await second.retain(new Set([key]));
    assert.equal(await second.resume(other), undefined);
    await resumed?.append(one("end"));
    const digest = digestOf("begin end", "sha512");
    assert.equal((await resumed?.finish({ digest }))?.sizeBytes, 9);
    assert.equal(Buffer.from(await second.read(digest, 100)).toString(), "begin end");
    assert.equal(await second.resume(key), undefined);
    assert.throws(() => void second.resume("../../etc/passwd"), Fault);
  });

  test("what a disk has not taken is not there: the same blob goes on when there is room again", async () => {
    const dir = await freshDir();
    const mounted = (...args: string[]): void =>
      assert.equal(spawnSync("mount", [...args, dir]).status, 0, args.join(" "));
    mounted("-t", "tmpfs", "-o", "size=1m", "tmpfs");
    try {
      const store = await FileContentStore.open(dir);
      const bytes = randomBytes(3 << 20);
      const ingestion = await store.begin();
      await assert.rejects(
        ingestion.append(ReadableStream.from([bytes]) as AsyncIterable<Uint8Array>),
        (e) => (e as NodeJS.ErrnoException).code === "ENOSPC",
      );
      const { sizeBytes } = ingestion;
      assert.ok(sizeBytes > 0 && sizeBytes <= 1 << 20, `${sizeBytes}`);
      mounted("-o", "remount,size=8m");
      await ingestion.append(ReadableStream.from([bytes.subarray(sizeBytes)]) as AsyncIterable<Uint8Array>);
      const { digest } = await ingestion.finish({ digest: digestOf(bytes) });
      assert.ok(Buffer.from(await store.read(digest, bytes.length)).equals(bytes));
    } finally {
      assert.equal(spawnSync("umount", [dir]).status, 0);
    }
  });

  test("never makes a path from something that is no digest", async () => {
    const store = await FileContentStore.open(await freshDir());
    const evil = "sha256:../../etc/passwd" as Digest;
    await assert.rejects(store.stat(evil), Fault);
    await assert.rejects(store.read(evil, 10), Fault);
    await assert.rejects(store.remove(evil), Fault);
    assert.notEqual(digestOf(""), evil);
  });
});
