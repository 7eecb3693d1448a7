import assert from "node:assert/strict";
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

  test("never makes a path from something that is no digest", async () => {
    const store = await FileContentStore.open(await freshDir());
    const evil = "sha256:../../etc/passwd" as Digest;
    await assert.rejects(store.stat(evil), Fault);
    await assert.rejects(store.read(evil, 10), Fault);
    await assert.rejects(store.remove(evil), Fault);
    assert.notEqual(digestOf(""), evil);
  });
});
