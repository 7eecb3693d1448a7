import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { gzipSync } from "node:zlib";
import { TAR_END, tarEntry, tarHeader } from "../../lib/tar/writer.ts";
import { type Keel, startKeel } from "../../linux/keel.ts";
import type { Digest } from "../../oci/digest.ts";
import { FileContentStore } from "../content/store.ts";
import { LayerStore } from "../layer/store.ts";
import type { LayerId } from "../layer/types.ts";
import { MetaStore } from "../meta/store.ts";
import { sweep } from "./sweep.ts";

const ROOT = join(import.meta.dirname, "../../..");
const KEEL = join(ROOT, "build/keel");
let dir = "";
let keel: Keel;
before(async () => {
  if (!existsSync(KEEL)) execFileSync("make", ["-C", join(ROOT, "native")]);
  dir = await mkdtemp(join(tmpdir(), "berth-gc-"));
  keel = await startKeel({ keelPath: KEEL, socketPath: join(dir, "agent.sock") });
});
after(async () => {
  await keel.close();
  await rm(dir, { recursive: true, force: true });
});

async function* one(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

function layerTar(name: string): Buffer {
  return gzipSync(Buffer.concat([tarHeader(tarEntry({ type: "file", name })), TAR_END]));
}

test("sweep removes what nobody needs and nothing else", async () => {
  const meta = await MetaStore.open(join(dir, "meta"));
  const content = await FileContentStore.open(join(dir, "content"));
  const layers = await LayerStore.open({ dir, meta, content, keel });
  const keepBlob = { mediaType: "application/vnd.oci.image.layer.v1.tar+gzip" };
  const unpack = (name: string, parent: LayerId | null) =>
    layers.unpack(one(layerTar(name)), parent, { keepBlob });
  const base = await unpack("base", null);
  const used = await unpack("used", base.id);
  const unused = await unpack("unused", base.id);
  const onUnused = await unpack("on-unused", unused.id);
  for (const id of [base.id, unused.id, onUnused.id]) layers.holds.release(id, "fresh");
  layers.holds.retain(used.id, "image:x");
  const config = await content.ingest(one(Buffer.from("config")));
  const orphan = await content.ingest(one(Buffer.from("orphan")));
  const young = await sweep(
    { layers, content },
    { neededBlobs: new Set([config.digest]), storedBeforeMs: 0 },
  );
  assert.deepEqual(young.layers.map((layer) => layer.id).sort(), [unused.id, onUnused.id].sort());
  assert.deepEqual(young.blobs, []);
  const swept = await sweep(
    { layers, content },
    { neededBlobs: new Set([config.digest]), storedBeforeMs: Date.now() + 60_000 },
  );
  const gone = [orphan.digest, unused.blob?.digest, onUnused.blob?.digest] as Digest[];
  assert.deepEqual([...swept.blobs].sort(), gone.sort());
  const left: Digest[] = [];
  for await (const { digest } of content.list()) left.push(digest);
  assert.deepEqual(new Set(left), new Set([config.digest, base.blob?.digest, used.blob?.digest]));
  assert.deepEqual(
    [...layers.list()].map((layer) => layer.id),
    [base.id, used.id],
  );
  await layers.close();
  await meta.close();
});
