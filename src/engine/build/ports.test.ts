import assert from "node:assert/strict";
import { test } from "node:test";
import type { Keel } from "../../linux/keel.ts";
import { type LayerLease, LayerHolds } from "../../storage/layer/holds.ts";
import type { LayerStore } from "../../storage/layer/store.ts";
import type { LayerId } from "../../storage/layer/types.ts";
import { layerSink } from "./ports.ts";

const LAYER = "8" as LayerId;

/** A store in which every draft becomes the same empty layer. */
function emptyLayers() {
  const holds = new LayerHolds();
  const removed: LayerId[] = [];
  const waits: boolean[] = [];
  const store = {
    lease: () => holds.lease(),
    byChain: () => ({ id: LAYER }),
    beginDiff: async () => ({
      commit: async ({ lease, durable = true }: { lease: LayerLease; durable?: boolean }) => {
        waits.push(durable);
        lease.hold(LAYER);
        return { id: LAYER, tarBytes: 1024 };
      },
    }),
    unpack: async (_content: unknown, _parent: unknown, { durable = true }: { durable?: boolean }) => {
      waits.push(durable);
      return { id: LAYER };
    },
    removeUnneeded: async (id: LayerId) => void (holds.isHeld(id) || removed.push(id)),
  } as unknown as LayerStore;
  const build = () => {
    const lease = store.lease();
    const sink = layerSink({ layers: store, keel: {} as Keel, mountTarget: "/x" }, lease);
    const commit = async (keepsEmpty: boolean) => (await sink.beginDiff(null)).commit({ keepsEmpty });
    return { lease, sink, commit };
  };
  return { holds, removed, waits, build };
}

test("a build that drops an empty layer leaves it to the build that keeps it", async () => {
  const { removed, build } = emptyLayers();
  const keeps = build();
  assert.equal((await keeps.commit(true)).isEmpty, true);
  await build().commit(false);
  assert.deepEqual(removed, []);
  keeps.lease.release();
  await build().commit(false);
  assert.deepEqual(removed, [LAYER]);
});

test("what a build has found stays until it is over, also when another one's image goes", async () => {
  const { holds, build } = emptyLayers();
  const { lease, sink } = build();
  await sink.find("sha256:c" as never);
  holds.retain(LAYER, "image:other");
  holds.release(LAYER, "image:other");
  assert.ok(holds.isHeld(LAYER));
  lease.release();
  assert.ok(!holds.isHeld(LAYER));
  await sink.find("sha256:c" as never);
  assert.ok(!holds.isHeld(LAYER), "a step that ends after its build holds nothing");
});

test("no step of a build waits for the disk, whether it makes its layer or fetches it", async () => {
  const { waits, build } = emptyLayers();
  const { sink, commit } = build();
  await commit(true);
  await sink.unpack((async function* () {})(), null, "sha256:d" as never);
  assert.deepEqual(waits, [false, false]);
});
