import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { Fault } from "./errors.ts";
import { newId, randomHex, shortId } from "./id.ts";
import { Lane, Lanes } from "./lanes.ts";

describe("Lane", () => {
  test("runs tasks one after another in order, whatever they do", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.scheduler(),
        fc.array(fc.boolean(), { maxLength: 8 }),
        async (scheduler, outcomes) => {
          const lane = new Lane();
          let running = 0;
          const order: number[] = [];
          const all = outcomes.map((isFine, i) =>
            lane.run(async () => {
              assert.equal(++running, 1);
              order.push(i);
              await scheduler.schedule(Promise.resolve());
              running--;
              if (!isFine) throw new Error("task failed");
              return i;
            }),
          );
          const settled = Promise.allSettled(all);
          await scheduler.waitFor(settled);
          const results = await settled;
          assert.deepEqual(order, [...outcomes.keys()]);
          assert.deepEqual(
            results.map((r) => r.status === "fulfilled"),
            outcomes,
          );
          assert.equal(lane.isIdle, true);
        },
      ),
    );
  });

  test("runs as many at a time as it is wide", async () => {
    const lane = new Lane(3);
    let running = 0;
    let most = 0;
    await Promise.all(
      Array.from({ length: 10 }, () =>
        lane.run(async () => {
          most = Math.max(most, ++running);
          await new Promise((resolve) => setImmediate(resolve));
          running--;
        }),
      ),
    );
    assert.equal(most, 3);
  });

  test("lets a waiter give up without disturbing the others", async () => {
    const lane = new Lane();
    const abort = new AbortController();
    const gate = Promise.withResolvers<void>();
    const first = lane.run(() => gate.promise);
    const second = lane.run(() => assert.fail("it gave up"), { signal: abort.signal });
    const third = lane.run(() => "third");
    abort.abort(new Fault("cancelled", "enough"));
    await assert.rejects(second, /enough/);
    gate.resolve();
    await first;
    assert.equal(await third, "third");
    await assert.rejects(
      lane.run(() => 1, { signal: abort.signal }),
      /enough/,
    );
  });
});

describe("Lanes", () => {
  test("keeps keys apart and forgets idle ones", async () => {
    const lanes = new Lanes();
    const gate = Promise.withResolvers<void>();
    const slow = lanes.run("a", () => gate.promise);
    assert.equal(await lanes.run("b", () => "b"), "b");
    assert.equal(lanes.size, 1);
    const queued = lanes.run("a", () => "after");
    gate.resolve();
    await slow;
    assert.equal(await queued, "after");
    assert.equal(lanes.size, 0);
  });
});

describe("ids", () => {
  test("are 64 hex digits whose short form is no decimal number", () => {
    for (let i = 0; i < 2000; i++) {
      const id = newId();
      assert.match(id, /^[0-9a-f]{64}$/);
      assert.doesNotMatch(shortId(id), /^[0-9]+$/);
    }
    assert.equal(randomHex(4).length, 8);
    assert.equal(shortId("sha256:0123456789abcdef"), "0123456789ab");
  });
});
