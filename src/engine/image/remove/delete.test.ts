import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { encodeImageConfig, imageIdOf } from "../../../oci/image-config.ts";
import { parseReference } from "../../../oci/reference.ts";
import { LayerHolds } from "../../../storage/layer/holds.ts";
import { MetaStore } from "../../../storage/meta/store.ts";
import { type ImageUser, planDelete } from "./delete.ts";
import { matchesReference, selectImages } from "../list.ts";
import type { ImageRecord } from "../record.ts";
import { ImageTable } from "../table.ts";

function image(comment: string, more: Partial<ImageRecord> = {}): ImageRecord {
  const created = `2026-01-0${comment.length}T00:00:00Z`;
  const config = encodeImageConfig({
    architecture: "amd64",
    os: "linux",
    created,
    config: { labels: { c: comment } },
    diffIds: [],
    history: [{ comment }],
  });
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

async function withImages(body: (table: ImageTable) => Promise<void>): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), "berth-images-"));
  const store = await MetaStore.open(dir);
  try {
    await body(new ImageTable(store, new LayerHolds()));
  } finally {
    await store.close();
    rmSync(dir, { recursive: true });
  }
}

const OPTIONS = { force: false, noprune: false };
const nobody = (): ImageUser[] => [];

test("planDelete takes one of several names away and removes the image with the last one", () =>
  withImages(async (table) => {
    const a = image("a");
    await table.add(a, [parseReference("one"), parseReference("two:x")]);
    assert.deepEqual(planDelete(table, "one", OPTIONS, nobody).answer, [{ Untagged: "one:latest" }]);
    assert.throws(() => planDelete(table, a.id, OPTIONS, nobody), /must be forced.*multiple repositories/);
    assert.deepEqual(planDelete(table, a.id, { ...OPTIONS, force: true }, nobody).answer, [
      { Untagged: "one:latest" },
      { Untagged: "two:x" },
      { Deleted: a.id },
    ]);
    await table.commit([table.untagChange("one:latest")]);
    assert.deepEqual(planDelete(table, "two:x", OPTIONS, nobody).remove, [a]);
    assert.throws(() => planDelete(table, "three", OPTIONS, nobody), {
      kind: "notFound",
      message: "No such image: three:latest",
    });
  }));

test("planDelete by name keeps what containers use: the name too, unless forced", () =>
  withImages(async (table) => {
    const a = image("a");
    await table.add(a, [parseReference("one")]);
    const user = (isRunning: boolean) => (): ImageUser[] => [
      { containerId: "c".repeat(64), isRunning, imageName: "one" },
    ];
    const forced = { ...OPTIONS, force: true };
    for (const isRunning of [true, false])
      assert.throws(() => planDelete(table, "one", OPTIONS, user(isRunning)), {
        kind: "conflict",
        message: `conflict: unable to remove repository reference "one" (must force) - container cccccccccccc is using its referenced image ${a.id.slice(7, 19)}`,
      });
    assert.deepEqual(planDelete(table, "one", forced, user(false)).remove, [a]);
    const { remove, answer } = planDelete(table, "one", forced, user(true));
    assert.deepEqual({ remove, answer }, { remove: [], answer: [{ Untagged: "one:latest" }] });
    assert.throws(
      () => planDelete(table, a.id, OPTIONS, user(false)),
      /must be forced.*stopped container cccccccccccc/,
    );
    assert.throws(() => planDelete(table, a.id, forced, user(true)), /cannot be forced.*running container/);
  }));

test("planDelete takes a repository's digests with its last tag, and leaves those of others", () =>
  withImages(async (table) => {
    const digest = (name: string) => `${name}@sha256:${"d".repeat(64)}`;
    const a = image("a", { repoDigests: [digest("docker.io/library/one"), digest("reg.example/one")] });
    await table.add(a, [parseReference("one:1"), parseReference("one:2")]);
    const untag = async (text: string) => {
      const plan = planDelete(table, text, OPTIONS, nobody);
      await table.commit(plan.changes);
      return plan.answer;
    };
    assert.deepEqual(await untag("one:1"), [{ Untagged: "one:1" }]);
    assert.throws(() => planDelete(table, a.id, OPTIONS, nobody), /must be forced.*multiple repositories/);
    assert.deepEqual(await untag("one:2"), [{ Untagged: "one:2" }, { Untagged: digest("one") }]);
    assert.deepEqual(table.get(a.id)?.repoDigests, [digest("reg.example/one")]);
    assert.deepEqual(await untag(digest("reg.example/one")), [
      { Untagged: digest("reg.example/one") },
      { Deleted: a.id },
    ]);
    assert.equal(table.size, 0);
  }));

test("planDelete removes the build steps below an image unless something else needs them", () =>
  withImages(async (table) => {
    const base = image("a");
    const step = image("bb", { parentId: base.id, isIntermediate: true });
    const top = image("ccc", { parentId: step.id });
    await table.add(base, [parseReference("base")]);
    await table.add(step, []);
    await table.add(top, [parseReference("top")]);
    assert.deepEqual(
      planDelete(table, "top", OPTIONS, nobody).remove.map((i) => i.id),
      [top.id, step.id],
    );
    assert.deepEqual(
      planDelete(table, "top", { ...OPTIONS, noprune: true }, nobody).remove.map((i) => i.id),
      [top.id],
    );
    assert.throws(() => planDelete(table, base.id, OPTIONS, nobody), /dependent child images/);
    assert.deepEqual(planDelete(table, "base", OPTIONS, nobody).answer, [{ Untagged: "base:latest" }]);
    await table.add(image("dddd", { parentId: step.id }), [parseReference("other")]);
    assert.deepEqual(
      planDelete(table, "top", OPTIONS, nobody).remove.map((i) => i.id),
      [top.id],
    );
  }));

test("selectImages shows newest first, steps only with all, and filters", () =>
  withImages(async (table) => {
    const step = image("bb", { isIntermediate: true });
    const top = image("ccc", { parentId: step.id });
    const none = image("dddd");
    await table.add(step, []);
    await table.add(top, [parseReference("app:1"), parseReference("reg.example:5000/app:2")]);
    await table.add(none, []);
    const ids = (all: boolean, filters: Record<string, string[]> = {}): string[] =>
      selectImages(table, { all, filters }).map((s) => s.image.id);
    assert.deepEqual(ids(false), [none.id, top.id]);
    assert.deepEqual(ids(true), [none.id, top.id, step.id]);
    assert.deepEqual(ids(false, { dangling: ["true"] }), [none.id]);
    assert.deepEqual(ids(false, { label: ["c=ccc"] }), [top.id]);
    assert.deepEqual(ids(false, { since: ["app:1"] }), [none.id]);
    assert.deepEqual(selectImages(table, { all: false, filters: { reference: ["app"] } })[0]?.tags, [
      "app:1",
    ]);
    assert.deepEqual(ids(false, { "label!": ["c=ccc"] }), [none.id]);
    assert.deepEqual(ids(false, { reference: ["app", "["] }), []);
    assert.throws(() => ids(false, { colour: ["red"] }), /invalid filter/);
    // What is wrong with a value is said with no image to hold against it, too.
    const refused = (filters: Record<string, string[]>, kind: string): void => {
      assert.throws(() => ids(false, { "label!": ["c"], dangling: ["0"], ...filters }), { kind });
    };
    refused({ until: ["yesterday"] }, "invalidParameter");
    refused({ since: ["nothing"] }, "notFound");
    refused({ dangling: ["T"] }, "invalidParameter");
  }));

test("matchesReference matches as Docker's reference filter", () => {
  for (const pattern of ["busybox", "busy*", "*:latest", "busybox:la*", "?usybox", "[a-c]usy\\box"])
    assert.ok(matchesReference("busybox:latest", pattern), pattern);
  for (const pattern of ["busy", "*/busybox", "busybox:1", "[^a-c]usybox", "["])
    assert.ok(!matchesReference("busybox:latest", pattern), pattern);
});
