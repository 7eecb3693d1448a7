import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { encodeImageConfig, imageIdOf } from "../../oci/image-config.ts";
import { parseReference } from "../../oci/reference.ts";
import { LayerHolds } from "../../storage/layer/holds.ts";
import type { LayerId } from "../../storage/layer/types.ts";
import { MetaStore } from "../../storage/meta/store.ts";
import type { ImageRecord } from "./record.ts";
import { ImageTable } from "./table.ts";

function image(architecture: string, more: Partial<ImageRecord> = {}): ImageRecord {
  const config = encodeImageConfig({ architecture, os: "linux", config: {}, diffIds: [], history: [] });
  return {
    version: 1,
    id: imageIdOf(config),
    configText: Buffer.from(config).toString(),
    layers: [],
    sizeBytes: 0,
    repoDigests: [],
    parentId: "",
    isIntermediate: false,
    ...more,
  };
}

async function withTable(body: (table: ImageTable, holds: LayerHolds) => Promise<void>): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), "berth-image-table-"));
  const store = await MetaStore.open(dir);
  const holds = new LayerHolds();
  try {
    await body(new ImageTable(store, holds), holds);
  } finally {
    await store.close();
    rmSync(dir, { recursive: true });
  }
}

const HOST = process.arch === "arm64" ? "arm64" : "amd64";
const name = parseReference("app:1");

test("a name keeps the images of other platforms only when they came from the same list", () =>
  withTable(async (table) => {
    const [own, other, next] = [image(HOST), image("s390x"), image("riscv64")];
    const joins = () => true;
    await table.add(other, [name], joins);
    assert.deepEqual(table.imagesOf(name), [other]);
    await table.add(own, [name], joins);
    assert.deepEqual(table.imagesOf(name), [own, other], "this machine's is first");
    assert.equal(table.find("app:1", { os: "linux", architecture: "s390x" }).image, other);
    assert.equal(table.find("app:1", { os: "linux", architecture: "ppc64le" }).image, own);
    assert.deepEqual([table.tagsOf(other.id), table.mainTagsOf(other.id)], [["app:1"], []]);
    const newer = image(HOST, { id: next.id, configText: own.configText });
    await table.add(newer, [name], joins);
    assert.deepEqual(table.imagesOf(name), [newer, other], "one for each platform");
    await table.add(own, [name]);
    assert.deepEqual(table.imagesOf(name), [own]);
  }));

test("removeBroken takes images that have lost a layer, and of their names what is broken", () =>
  withTable(async (table, holds) => {
    const [lost, kept] = ["1", "2"] as LayerId[] as [LayerId, LayerId];
    const broken = image("s390x", { layers: [kept, lost] });
    const sound = image(HOST, { layers: [kept] });
    await table.add(broken, [name, parseReference("broken")]);
    await table.add(sound, [name], () => true);
    assert.deepEqual(await table.removeBroken((id) => id === kept), [broken]);
    assert.deepEqual(table.all(), [sound]);
    assert.deepEqual(table.imagesOf(name), [sound]);
    assert.deepEqual(table.imagesOf(parseReference("broken")), []);
    assert.equal(holds.isHeld(lost), false);
    assert.deepEqual(await table.removeBroken((id) => id === kept), []);
  }));
