// Bytes between a client and a shim: frames, detach keys, ends.
import assert from "node:assert/strict";
import { once } from "node:events";
import { Duplex } from "node:stream";
import { test } from "node:test";
import { encodeFrames, FRAME_TYPES } from "../../../lib/frames.ts";
import { readDetachKeys, splice, type SpliceOptions } from "./splice.ts";

/** One end of a connection: what is written to it is read from the other. */
class End extends Duplex {
  other!: End;
  override _read(): void {}
  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.other.push(chunk);
    done();
  }
  override _final(done: () => void): void {
    this.other.push(null);
    done();
  }
  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    if (!this.other.readableEnded && !this.writableFinished) this.other.push(null);
    done(error);
  }
}

function pair(): [End, End] {
  const [a, b] = [new End(), new End()];
  a.other = b;
  b.other = a;
  return [a, b];
}

function start(options: Partial<SpliceOptions>) {
  const [client, user] = pair();
  const [shim, program] = pair();
  const how = splice(client, shim, {
    stdin: true,
    endsWithInput: false,
    frames: { given: true, wanted: true },
    settled: () => Promise.resolve(),
    signal: new AbortController().signal,
    ...options,
  });
  return { user, client, shim, program, how };
}

function read(stream: Duplex): Promise<string> {
  const chunks: Buffer[] = [];
  stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  return new Promise((resolve) => {
    stream.once("end", () => resolve(Buffer.concat(chunks).toString("latin1")));
  });
}

const framed = (text: string, type: "stdout" | "stderr" = "stdout"): Buffer =>
  Buffer.from(encodeFrames([{ type: FRAME_TYPES[type], data: Buffer.from(text) }]));

test("output is passed on as it is, taken out of its frames, or put into some", async () => {
  const mixed = Buffer.concat([framed("out"), framed("err", "stderr")]);
  for (const [given, wanted, sent, expected] of [
    [true, true, mixed, mixed.toString("latin1")],
    [false, false, Buffer.from("raw"), "raw"],
    [true, false, mixed, "outerr"],
    [false, true, Buffer.from("raw"), framed("raw").toString("latin1")],
  ] as const) {
    const { user, program, how } = start({ frames: { given, wanted } });
    program.end(sent);
    assert.equal(await read(user), expected);
    assert.equal(await how, "closed");
  }
});

test("the stream ends when the exit is settled, not before", async () => {
  const settled = Promise.withResolvers<void>();
  const { user, program } = start({ settled: () => settled.promise });
  let isOver = false;
  const all = read(user).then((text) => {
    isOver = true;
    return text;
  });
  program.end(framed("bye"));
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(isOver, false);
  settled.resolve();
  assert.equal(await all, framed("bye").toString("latin1"));
});

test("the end of the input is the program's, or the connection's", async () => {
  const own = start({});
  own.user.end("in");
  assert.equal(await read(own.program), "in");
  own.program.end(framed("after"));
  assert.equal(await read(own.user), framed("after").toString("latin1"));

  const shared = start({ endsWithInput: true });
  shared.user.end("in");
  assert.equal(await read(shared.program), "in");
  shared.program.write(framed("answer"));
  assert.equal(await read(shared.user), framed("answer").toString("latin1"));
  assert.equal(await shared.how, "closed");
});

test("a client that has gone is the end of the input where that is to be told, and a lost connection elsewhere", async () => {
  const told = start({ endsInput: () => true });
  told.user.write("in");
  const input = read(told.program);
  told.client.destroy();
  assert.equal(await input, "in");
  assert.equal(await told.how, "closed");
  assert.deepEqual([told.shim.writableFinished, told.shim.destroyed], [true, false]);
  told.program.end(Buffer.alloc(1 << 20)); // to nobody
  await once(told.shim, "close");

  const lost = start({ endsInput: () => false });
  lost.client.destroy();
  assert.equal(await lost.how, "closed");
  assert.deepEqual([lost.shim.writableFinished, lost.shim.destroyed], [false, true]);
});

test("a daemon that leaves while the client is there ends nothing", async () => {
  const leaving = new AbortController();
  const { client, shim, how } = start({ signal: leaving.signal, endsInput: () => true });
  leaving.abort();
  client.destroy();
  assert.equal(await how, "closed");
  assert.deepEqual([shim.writableFinished, shim.destroyed], [false, true]);
});

test("what was typed before the detach keys is the program's, what comes after is nobody's", async () => {
  const { user, program, how } = start({ detachKeys: readDetachKeys("", String) });
  user.write("a\x10");
  user.write("b\x10\x11c");
  assert.equal(await how, "detached");
  assert.equal(await read(program), "a\x10b");
});

test("without stdin the input goes nowhere", async () => {
  const { user, program } = start({ stdin: false });
  program.on("data", () => assert.fail("the program was given something"));
  user.write("lost");
  program.end(framed("x"));
  assert.equal(await read(user), framed("x").toString("latin1"));
});

test("readDetachKeys: the usual keys, others, and a refusal in the caller's words", () => {
  assert.deepEqual(readDetachKeys(undefined, String), [16, 17]);
  assert.deepEqual(readDetachKeys("ctrl-a,b", String), [1, 98]);
  assert.throws(() => readDetachKeys("foo", (keys) => `no ${keys}`), { message: "no foo" });
});
