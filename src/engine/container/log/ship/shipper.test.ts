import assert from "node:assert/strict";
import { appendFileSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { Delivery, LogMessage } from "../driver/driver.ts";
import { LogWatches } from "../watch.ts";
import { Shipper, type ShipperOptions } from "./shipper.ts";
import type { ShipPosition } from "./spool.ts";

const entry = (n: number): string =>
  `{"n":${n},"log":"line ${n}\\n","stream":"stdout","time":"2026-01-01T00:00:00Z"}\n`;
const entries = (from: number, to: number): string =>
  Array.from({ length: to - from }, (_, i) => entry(from + i)).join("");
const numbers = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);

/** A receiver that does what it is told, and remembers what it got. */
class Receiver implements Delivery {
  readonly got: number[] = [];
  readonly sizes: number[] = [];
  /** What the next calls of send fail with; null: the batch arrives. */
  readonly script: (Error | null)[] = [];
  onUncertain = (): void => {};
  isFinished = false;
  #waiting: { count: number; resolve: () => void } | undefined;

  async send(messages: readonly LogMessage[]): Promise<{ taken: number; rejected: number }> {
    const failure = this.script.shift();
    if (failure) throw failure;
    this.got.push(...messages.map((m) => m.n));
    this.sizes.push(messages.length);
    if (this.#waiting !== undefined && this.got.length >= this.#waiting.count) this.#waiting.resolve();
    return { taken: messages.length, rejected: 0 };
  }

  /** Resolves when so many messages have arrived. */
  async has(count: number): Promise<void> {
    if (this.got.length >= count) return;
    await new Promise<void>((resolve) => {
      this.#waiting = { count, resolve };
    });
  }

  async finish(): Promise<void> {
    this.isFinished = true;
  }

  close(): void {}
}

interface Bench extends AsyncDisposable {
  path: string;
  positionPath: string;
  receiver: Receiver;
  log: string[];
  position(): ShipPosition;
  start(options?: Partial<ShipperOptions>): Shipper;
}

function bench(): Bench {
  const dir = mkdtempSync(join(tmpdir(), "berth-ship-"));
  const path = join(dir, "spool.log");
  const positionPath = join(dir, "shipped.json");
  const receiver = new Receiver();
  const log: string[] = [];
  const shippers: Shipper[] = [];
  return {
    path,
    positionPath,
    receiver,
    log,
    position: () => JSON.parse(readFileSync(positionPath, "utf8")) as ShipPosition,
    start(options = {}) {
      const shipper = new Shipper({
        containerId: "c",
        spoolPath: path,
        positionPath,
        retry: { firstDelayMs: 10, maxRetries: Number.POSITIVE_INFINITY, batchBytes: 1 << 20 },
        watches: new LogWatches(),
        open: async (onUncertain) => {
          receiver.onUncertain = onUncertain;
          return receiver;
        },
        log: (_, message) => log.push(message),
        ...options,
      });
      shippers.push(shipper);
      return shipper;
    },
    async [Symbol.asyncDispose]() {
      for (const shipper of shippers) await shipper.close();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

const limit = { timeout: 20_000 };

test("a shipper carries what is there and what comes, once, and says when it is done", limit, async () => {
  await using b = bench();
  writeFileSync(b.path, entries(1, 4));
  const shipper = b.start();
  await b.receiver.has(3);
  for (let n = 4; n < 40; n++) {
    appendFileSync(b.path, entry(n));
    await new Promise((resolve) => setImmediate(resolve));
  }
  await b.receiver.has(39);
  shipper.end();
  await (await shipper.release(5000)).delivered;
  assert.deepEqual(b.receiver.got, numbers(1, 40));
  assert.equal(b.receiver.isFinished, true);
  assert.deepEqual([b.position().next, b.position().dropped], [40, 0]);
});

test("another shipper goes on where the first one stopped, at whatever moment", limit, async () => {
  await using b = bench();
  writeFileSync(b.path, entries(1, 3001));
  const first = b.start({ retry: { firstDelayMs: 1, maxRetries: 9, batchBytes: 100 } });
  await b.receiver.has(100);
  await first.close();
  const stopped = b.position().next;
  assert.ok(stopped > 1 && stopped < 3001);
  b.start();
  await b.receiver.has(3000);
  assert.deepEqual([...new Set(b.receiver.got)], numbers(1, 3001));
  const repeated = b.receiver.got.length - 3000;
  assert.ok(repeated <= Math.max(...b.receiver.sizes.slice(0, 5)), `${repeated} were repeated`);
});

test("a receiver that fails gets everything when it is back; it is spoken of seldom", limit, async () => {
  await using b = bench();
  writeFileSync(b.path, entries(1, 11));
  b.receiver.script.push(...Array.from({ length: 9 }, () => new Error("no such host")), null);
  const shipper = b.start({ retry: { firstDelayMs: 1, maxRetries: 1000, batchBytes: 1 << 20 } });
  await b.receiver.has(10);
  assert.deepEqual(b.receiver.got, numbers(1, 11));
  const complaints = b.log.filter((l) => l.includes("no such host"));
  assert.equal(complaints.length, 4, "at the 1st, 2nd, 4th and 8th time");
  shipper.end();
  await (await shipper.release(5000)).delivered;
  assert.match(b.log.at(-1) ?? "", /delivered again/);
  assert.equal(shipper.status.error, "");
});

test("what rotation takes away while the receiver is gone is counted, exactly", limit, async () => {
  await using b = bench();
  writeFileSync(b.path, entries(1, 6));
  const down = new Error("down");
  const isDown = { value: true };
  const shipper = b.start({
    open: async () => {
      if (isDown.value) throw down;
      return b.receiver;
    },
  });
  while (shipper.status.error === "") await new Promise((resolve) => setImmediate(resolve));
  // Five lines in each file, two files kept: 1 to 10 are gone.
  renameSync(b.path, `${b.path}.1`);
  writeFileSync(`${b.path}.1`, entries(11, 16));
  writeFileSync(b.path, entries(16, 18));
  isDown.value = false;
  await b.receiver.has(7);
  shipper.end();
  await (await shipper.release(5000)).delivered;
  assert.deepEqual(b.receiver.got, numbers(11, 18));
  assert.deepEqual([b.position().next, b.position().dropped], [18, 10]);
  assert.ok(b.log.some((l) => l.includes("10 lines of the log were lost")));
});

test("a batch whose fate is uncertain is sent again, and only that one", limit, async () => {
  await using b = bench();
  writeFileSync(b.path, entries(1, 4));
  b.start();
  await b.receiver.has(3);
  appendFileSync(b.path, entries(4, 6));
  await b.receiver.has(5);
  while (b.position().next !== 6) await new Promise((resolve) => setImmediate(resolve));
  b.receiver.onUncertain();
  await b.receiver.has(7);
  assert.deepEqual(b.receiver.got, [1, 2, 3, 4, 5, 4, 5]);
});

test("with a bound on retries a batch is given up, counted, and the next one is tried", limit, async () => {
  await using b = bench();
  writeFileSync(b.path, entries(1, 4));
  b.receiver.script.push(new Error("x"), new Error("x"), new Error("x"));
  const shipper = b.start({ retry: { firstDelayMs: 1, maxRetries: 2, batchBytes: 1 << 20 } });
  while (shipper.status.position.dropped === 0) await new Promise((resolve) => setImmediate(resolve));
  appendFileSync(b.path, entries(4, 6));
  await b.receiver.has(2);
  assert.deepEqual(b.receiver.got, [4, 5]);
  while (b.position().next < 6) await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual([b.position().dropped, b.position().next], [3, 6]);
});

test(
  "a container that runs again is shipped on, also when its end had just been dealt with",
  limit,
  async () => {
    await using b = bench();
    writeFileSync(b.path, entries(1, 3));
    const first = b.start();
    first.end();
    await b.receiver.has(2);
    const isSame = first.goOn();
    appendFileSync(b.path, entries(3, 5));
    if (!isSame) b.start();
    await b.receiver.has(4);
    assert.deepEqual(b.receiver.got, [1, 2, 3, 4]);
  },
);

test("a container that is removed as soon as it has run is shipped, too", limit, async () => {
  await using b = bench();
  writeFileSync(b.path, entries(1, 100));
  const shipper = b.start();
  const { delivered } = await shipper.release(10_000); // before the shipper has opened anything
  rmSync(b.path);
  await delivered;
  assert.deepEqual(b.receiver.got, numbers(1, 100));
});

test("the last lines of a removed container arrive, unless nobody is there to take them", limit, async () => {
  await using b = bench();
  writeFileSync(b.path, entries(1, 3));
  const shipper = b.start();
  await b.receiver.has(2);
  appendFileSync(b.path, entries(3, 1000));
  const { delivered } = await shipper.release(10_000);
  rmSync(b.path);
  rmSync(b.positionPath, { force: true });
  await delivered;
  assert.deepEqual(b.receiver.got, numbers(1, 1000));

  await using c = bench();
  writeFileSync(c.path, entries(1, 3));
  const failing = c.start({
    open: () => Promise.reject(new Error("gone")),
    retry: { firstDelayMs: 60_000, maxRetries: 9, batchBytes: 1 },
  });
  while (failing.status.error === "") await new Promise((resolve) => setImmediate(resolve));
  await (await failing.release(10_000)).delivered; // does not wait for the patience of ten seconds
});
