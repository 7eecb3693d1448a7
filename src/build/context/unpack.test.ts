import assert from "node:assert/strict";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { gzipSync, zstdCompressSync } from "node:zlib";
import fc from "fast-check";
import { Fault } from "../../lib/errors.ts";
import { type TestFile, tarBytes } from "../_test-tar.ts";
import { BlobStore } from "./blobs.ts";
import type { ContextTree } from "./context-tree.ts";
import { unpackContext } from "./unpack.ts";

let directory = "";
let blobs: BlobStore;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "berth-unpack-"));
  blobs = new BlobStore(directory);
});
afterEach(async () => {
  await blobs.close();
  await rm(directory, { recursive: true });
});

async function* chunks(bytes: Uint8Array, size = 700): AsyncGenerator<Uint8Array> {
  for (let i = 0; i < bytes.length; i += size) yield bytes.subarray(i, i + size);
}
const unpack = (bytes: Uint8Array, signal = new AbortController().signal) =>
  unpackContext(chunks(bytes), blobs, signal);
const unpackFiles = (files: Readonly<Record<string, TestFile>>) => unpack(tarBytes(files));

async function text(tree: ContextTree, path: string): Promise<string | undefined> {
  const bytes = await tree.readFile(path, 1 << 20);
  return bytes === undefined ? undefined : Buffer.from(bytes).toString();
}

test("contents come back whatever the compression", async () => {
  const tar = tarBytes({ "a/b": "hello", empty: "" });
  for (const bytes of [tar, gzipSync(tar), zstdCompressSync(tar)]) {
    const tree = await unpack(bytes);
    assert.equal(await text(tree, "/a/b"), "hello");
    assert.equal(await text(tree, "/empty"), "");
    assert.deepEqual(await tree.list("/"), ["a", "empty"]);
  }
});

test("digests are those of the contents", async () => {
  const tree = await unpackFiles({ a: "same", b: "same", c: "other" });
  const digests: (string | undefined)[] = [];
  for await (const file of tree.walk("/")) if (file.node.type === "file") digests.push(file.contentDigest);
  assert.equal(digests[0], digests[1]);
  assert.notEqual(digests[0], digests[2]);
  assert.equal(digests[0], "0967115f2813a3541eaef77de9d9d5773f1c0c04314b0bbfe4ff3b3b1c55b5d5");
});

test("small contents share a file, large ones have their own, and no name of the archive is on disk", async () => {
  const tree = await unpackFiles({ "x/y": "small", z: "small too", big: { content: Buffer.alloc(5 << 20) } });
  assert.deepEqual((await readdir(directory)).sort(), ["large-0", "pack"]);
  for await (const file of tree.walk("/big")) {
    assert.deepEqual(file.hostFile, { directory, name: "large-0" });
    let size = 0;
    for await (const chunk of file.content()) size += chunk.length;
    assert.equal(size, 5 << 20);
  }
});

test("links: symlinks are data, files behind them go where they lead, hard links share", async () => {
  const tree = await unpackFiles({
    "real/": {},
    link: { type: "symlink", linkName: "/../real" },
    "link/f": "through",
    hard: { type: "hardlink", linkName: "real/f" },
    up: { type: "symlink", linkName: "../../../etc" },
    "up/passwd": "mine",
  });
  assert.equal(await text(tree, "/real/f"), "through");
  assert.equal(await text(tree, "/hard"), "through");
  assert.equal(await text(tree, "/etc/passwd"), "mine");
  assert.equal((await tree.lstat("/link"))?.linkTarget, "/../real");
});

test("later entries replace earlier ones, directories merge, devices are left out", async () => {
  const tree = await unpackFiles({
    "d/": { mode: 0o700 },
    "d/x": "1",
    f: "old",
    d: { type: "directory", mode: 0o711 },
    "./f": "new",
    dev: { type: "char", devMajor: 1, devMinor: 3 },
  });
  assert.equal(await text(tree, "/f"), "new");
  assert.equal(await text(tree, "/d/x"), "1");
  assert.equal((await tree.lstat("/d"))?.mode, 0o711);
  assert.equal(await tree.lstat("/dev"), undefined);
});

test("hostile archives end in a Fault", async () => {
  await assert.rejects(unpackFiles({ "../x": "" }), { code: "context.bad" });
  await assert.rejects(unpackFiles({ "a/../../x": "" }), { code: "context.bad" });
  await assert.rejects(unpackFiles({ h: { type: "hardlink", linkName: "../../etc/passwd" } }), {
    code: "context.bad",
  });
  await assert.rejects(unpackFiles({ h: { type: "hardlink", linkName: "missing" } }), {
    code: "context.bad",
  });
  await assert.rejects(unpackFiles({ f: "file", "f/x": "below a file" }), { code: "context.bad" });
  const loop: TestFile = { type: "symlink", linkName: "loop" };
  await assert.rejects(unpackFiles({ loop, "loop/x": "" }), { code: "build.symlink-loop" });
  await assert.rejects(unpack(tarBytes({ a: "x".repeat(5000) }).subarray(0, 1024)), {
    kind: "invalidParameter",
  });
});

test("an aborted upload stops", async () => {
  const reason = new Fault("cancelled", "gone");
  await assert.rejects(unpack(tarBytes({ a: "x" }), AbortSignal.abort(reason)), reason);
});

test("damaged archives throw nothing but Faults", async () => {
  const good = tarBytes({
    "a/b": "content",
    l: { type: "symlink", linkName: "a" },
    h: { type: "hardlink", linkName: "a/b" },
  });
  await fc.assert(
    fc.asyncProperty(fc.nat(good.length - 1), fc.nat(255), async (place, value) => {
      const bytes = Buffer.from(good);
      bytes[place] = value;
      const store = new BlobStore(await mkdtemp(join(directory, "fuzz-")));
      try {
        await unpackContext(chunks(bytes), store, new AbortController().signal);
      } catch (error) {
        assert(error instanceof Fault, String(error));
      } finally {
        await store.close();
      }
    }),
    { numRuns: 150 },
  );
});
