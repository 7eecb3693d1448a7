import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { test } from "node:test";
import { systemEvents } from "../api/operations/system.ts";
import { Exchange } from "./exchange.ts";

function exchangeOf(res: EventEmitter): Exchange {
  return new Exchange({
    operation: systemEvents,
    version: "1.56",
    req: {} as IncomingMessage,
    res: res as unknown as ServerResponse,
    headers: {},
    transport: undefined,
  });
}

test("pipe keeps nothing of what it has sent, however long the stream is", async () => {
  const sent: WeakRef<Uint8Array>[] = [];
  let alive = Number.POSITIVE_INFINITY;
  async function* pieces(): AsyncGenerator<Uint8Array> {
    for (let i = 0; i < 200; i++) {
      const piece = new Uint8Array(1000);
      sent.push(new WeakRef(piece));
      yield piece;
    }
    await new Promise((resolve) => setImmediate(resolve));
    (globalThis as { Bun?: { gc(isSync: boolean): void } }).Bun?.gc(true);
    alive = sent.filter((ref) => ref.deref() !== undefined).length;
  }
  await exchangeOf(new EventEmitter()).pipe(pieces(), async () => {});
  assert.ok(alive < 20, `${alive} of ${sent.length} pieces are kept`);
});

test("pipe ends when the client goes away, and closes what it read", async () => {
  const res = new EventEmitter();
  const exchange = exchangeOf(res);
  const closed = Promise.withResolvers<void>();
  async function* pieces(): AsyncGenerator<number> {
    try {
      yield 1;
      await new Promise((resolve) => exchange.call.signal.addEventListener("abort", resolve));
    } finally {
      closed.resolve();
    }
  }
  const seen: number[] = [];
  await exchange.pipe(pieces(), async (piece) => {
    seen.push(piece);
    setImmediate(() => res.emit("close"));
  });
  await closed.promise;
  assert.deepEqual(seen, [1]);
});
