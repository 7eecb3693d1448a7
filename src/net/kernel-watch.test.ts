import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
import type { Keel, Watch } from "../linux/keel.ts";
import { RecordingKeel } from "../linux/keel-fake.ts";
import { encodeMessages, type Message, NETLINK_ROUTE, raw, text } from "../linux/netlink/message.ts";
import { KernelWatch } from "./kernel-watch.ts";

const NFT = 10 << 8;
const message = (type: number, header: Uint8Array, attrs: Message["attrs"]): Message => ({
  type,
  flags: 0,
  header,
  attrs,
});
const removedFrom = (table: string): Message => message(NFT | 8, new Uint8Array(4), [text(1, table)]);
const doneBy = (process: string): Message =>
  message(NFT | 15, new Uint8Array(4), [raw(2, Uint8Array.of(0, 0, 0, 7)), text(3, process)]);
const bytes = (...messages: Message[]): Uint8Array => encodeMessages(messages).bytes;

/** A keel whose watches over the firewall yield what `runs` have, one each, and then stay silent; with nothing to tell they end. */
function keelThatTells(runs: Uint8Array[][]): Keel {
  const keel: Keel = new RecordingKeel();
  const silent = (signal: AbortSignal) =>
    new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
  keel.watch = async function* (what: Watch, signal: AbortSignal) {
    what.onReady?.();
    const run = what.protocol === NETLINK_ROUTE ? undefined : runs.shift();
    yield* run ?? [];
    if (run?.length !== 0) await silent(signal);
  };
  return keel;
}

/** Watches until there was a repair; returns its reason. */
async function reasonOfRepair(runs: Uint8Array[][], failures = 0): Promise<string[]> {
  const lines: string[] = [];
  const repaired = Promise.withResolvers<void>();
  let attempts = 0;
  const watch = new KernelWatch({
    keel: keelThatTells(runs),
    tableName: "ours",
    isOwnDevice: () => false,
    isOwnPort: () => false,
    isForwarded: () => false,
    repair: async () => {
      if (attempts++ < failures) throw new Error("not yet");
    },
    log: (line) => {
      lines.push(line);
      if (line.endsWith("made as it was")) repaired.resolve();
    },
  });
  await watch.start();
  await repaired.promise;
  watch.stop();
  return lines;
}

test("only removals from our table by others are repaired", async () => {
  const harmless = bytes(removedFrom("theirs"), doneBy("nft"), removedFrom("ours"), doneBy("keel-handler"));
  const harm = bytes(removedFrom("ours"), doneBy("nft"));
  const [line] = await reasonOfRepair([[harmless, harm]]);
  assert.equal(line, "nft (pid 7) removed rules of nftables table ours: made as it was");
});

test("what was lost is looked for", async () => {
  assert.match(
    (await reasonOfRepair([[new Uint8Array(0)]]))[0] ?? "",
    /notifications of the firewall were lost/,
  );
});

test("a watch that ends begins again, and looks at what it may have missed", async () => {
  const lines = await reasonOfRepair([[]]);
  assert.match(lines[0] ?? "", /the watch over the firewall has ended, and begins again/);
  assert.match(lines.at(-1) ?? "", /the firewall had nobody who watches: made as it was/);
});

test("a repair that fails is tried again", async () => {
  const lines = await reasonOfRepair([[bytes(removedFrom("ours"), doneBy("nft"))]], 1);
  assert.match(lines[0] ?? "", /cannot be made as it was: not yet/);
  assert.match(lines[1] ?? "", /made as it was$/);
});

test("a port that has left its bridge is looked at once more before anything is repaired", async () => {
  const left = (name: string) => bytes(message(17, Uint8Array.of(7, ...new Uint8Array(15)), [text(3, name)]));
  const keel: Keel = new RecordingKeel();
  keel.watch = async function* (what: Watch, signal: AbortSignal) {
    what.onReady?.();
    if (what.protocol === NETLINK_ROUTE) yield* [left("ended"), left("torn")];
    await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
  };
  const repaired = Promise.withResolvers<string>();
  const asked = new Map<string, number>();
  const watch = new KernelWatch({
    keel,
    tableName: "ours",
    isOwnDevice: () => false,
    isForwarded: () => false,
    isOwnPort: (name) => {
      asked.set(name, (asked.get(name) ?? 0) + 1);
      return name === "torn" || asked.get(name) === 1;
    },
    repair: async () => undefined,
    log: repaired.resolve,
  });
  await watch.start();
  assert.match(await repaired.promise, /was taken out of its bridge: made as it was/);
  assert.deepEqual(Object.fromEntries(asked), { ended: 2, torn: 2 });
  watch.stop();
});

test("what is seen while something else is waited for has a time of its own", async () => {
  const left = (name: string) => bytes(message(17, Uint8Array.of(7, ...new Uint8Array(15)), [text(3, name)]));
  const keel: Keel = new RecordingKeel();
  keel.watch = async function* (what: Watch, signal: AbortSignal) {
    what.onReady?.();
    if (what.protocol === NETLINK_ROUTE) {
      yield left("first");
      await setTimeout(150);
      yield left("second");
    }
    await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
  };
  const seen = new Map<string, number[]>();
  const asked = Promise.withResolvers<void>();
  const watch = new KernelWatch({
    keel,
    tableName: "ours",
    isOwnDevice: () => false,
    isForwarded: () => false,
    isOwnPort: (name) => {
      const times = [...(seen.get(name) ?? []), performance.now()];
      seen.set(name, times);
      if (name === "second" && times.length === 2) asked.resolve();
      return times.length === 1;
    },
    repair: async () => assert.fail("all was in order by then"),
    log: (line) => assert.fail(line),
  });
  await watch.start();
  await asked.promise;
  const [from = 0, to = 0] = seen.get("second") ?? [];
  assert.ok(to - from > 190, `${to - from}`);
  watch.stop();
});
