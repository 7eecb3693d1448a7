import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeImageConfig, imageIdOf } from "../../../oci/image-config.ts";
import type { ImageRecord } from "../record.ts";
import type { ImageTable } from "../table.ts";
import { imageMatcher } from "./prune.ts";

const config = encodeImageConfig({
  architecture: "amd64",
  os: "linux",
  config: {},
  diffIds: [],
  history: [],
});
const IMAGE: ImageRecord = {
  version: 1,
  id: imageIdOf(config),
  configText: Buffer.from(config).toString(),
  layers: [],
  sizeBytes: 0,
  repoDigests: [],
  parentId: "",
  isIntermediate: false,
};
const NAMES = ["box:1", "box:2", "box:latest", "other:1"];

/** What a prune takes of an image with these names, used by containers that call it so. */
function taken(dangling: string, ...imageNames: string[]): readonly string[] {
  const table = { get: () => IMAGE, tagsOf: () => NAMES, all: () => [IMAGE] } as unknown as ImageTable;
  const users = imageNames.map((imageName) => ({ containerId: "c", isRunning: false, imageName }));
  return imageMatcher({ table, usersOf: () => users }, { dangling: [dangling] })(IMAGE);
}

test("prune of all images takes every name of an unused one, and of a used one those by which no container knows it", () => {
  assert.deepEqual(taken("false"), NAMES);
  assert.deepEqual(taken("false", "box", "box:2"), ["box:1", "other:1"]);
  assert.deepEqual(taken("false", "docker.io/library/box:1"), ["box:2", "box:latest", "other:1"]);
  for (const id of [IMAGE.id, IMAGE.id.slice(7, 19)])
    assert.deepEqual(taken("false", id), NAMES.slice(0, -1), "the last one stays");
  assert.deepEqual(taken("true", "box"), []);
});
