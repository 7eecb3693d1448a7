import assert from "node:assert/strict";
import { createServer, connect as connectTo, type Socket } from "node:net";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Fault } from "../errors.ts";
import { bytes, integer, message, text } from "../protobuf/message.ts";
import { GrpcClient } from "./client.ts";
import { type Methods, serveGrpc, serverStream, unary } from "./server.ts";

const word = message({ text: text(1), count: integer(2) });
const data = message({ data: bytes(1) });

/** Two ends of one connection. */
async function withPair<T>(use: (a: Socket, b: Socket) => Promise<T>): Promise<T> {
  const dir = await mkdtemp(join(tmpdir(), "berth-grpc-"));
  const path = join(dir, "s");
  const server = createServer();
  try {
    const accepted = new Promise<Socket>((resolve) => server.once("connection", resolve));
    await new Promise<void>((resolve) => server.listen(path, resolve));
    const a = connectTo(path);
    const b = await accepted;
    return await use(a, b);
  } finally {
    server.close();
    await rm(dir, { recursive: true, force: true });
  }
}

async function withCalls(methods: Methods, use: (client: GrpcClient) => Promise<void>): Promise<void> {
  await withPair(async (a, b) => {
    const server = serveGrpc(b, methods);
    const client = new GrpcClient(a);
    try {
      await use(client);
    } finally {
      client.close();
      server.close();
      await server.closed;
    }
  });
}

const types = { request: word, response: word };

test("a unary call brings one message there and one back, with metadata", () =>
  withCalls(
    {
      "/t.T/Echo": unary(word, word, async (q, call) => ({
        text: `${q.text} ${String(call.metadata["x-name"])}`,
        count: q.count + 1,
      })),
    },
    async (client) => {
      const answer = await client.unary(
        "/t.T/Echo",
        types,
        { text: "hi", count: 2 },
        { metadata: { "x-name": "n" } },
      );
      assert.deepEqual(answer, { text: "hi n", count: 3 });
    },
  ));

test("what a method throws is the caller's failure, kind and text kept", () =>
  withCalls(
    {
      "/t.T/Fail": unary(word, word, async () => {
        throw new Fault("notFound", "no such thing: ä%");
      }),
    },
    async (client) => {
      await assert.rejects(client.unary("/t.T/Fail", types, {}), {
        kind: "notFound",
        message: "no such thing: ä%",
      });
      await assert.rejects(client.unary("/t.T/Nope", types, {}), { kind: "notImplemented" });
    },
  ));

test("a call is over when the method has ended, also for a caller who still could speak", () =>
  withCalls(
    {
      "/t.T/Refuse": async ({ messages }) => {
        await messages.next();
        throw new Fault("conflict", "enough");
      },
    },
    async (client) => {
      const call = client.start("/t.T/Refuse");
      await call.messages.send(data.encode({ data: Buffer.alloc(1) }));
      await assert.rejects(call.finished, { kind: "conflict", message: "enough" });
    },
  ));

test("a stream of many large messages arrives whole and in order, both ways at once", () =>
  withCalls(
    {
      "/t.T/Double": async ({ messages }) => {
        for await (const m of messages) await messages.send(data.encode({ data: data.decode(m).data }));
      },
      "/t.T/Count": serverStream(word, word, async function* (q) {
        for (let count = 0; count < q.count; count++) yield { count };
      }),
    },
    async (client) => {
      const call = client.start("/t.T/Double");
      const sent = (async () => {
        for (let i = 0; i < 200; i++)
          await call.messages.send(data.encode({ data: Buffer.alloc(32_768, i) }));
        call.end();
      })();
      let i = 0;
      for await (const m of call.messages) assert.equal(data.decode(m).data[32_767], i++ % 256);
      await sent;
      await call.finished;
      assert.equal(i, 200);
      const counting = client.start("/t.T/Count");
      await counting.messages.send(word.encode({ count: 1000 }));
      counting.end();
      let expected = 0;
      for await (const m of counting.messages) assert.equal(word.decode(m).count, expected++);
      assert.equal(expected, 1000);
    },
  ));

test("a caller that goes away aborts what runs for him", async () => {
  const aborted = Promise.withResolvers<void>();
  await withCalls(
    {
      "/t.T/Wait": async ({ signal }) => {
        await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
        aborted.resolve();
      },
    },
    async (client) => {
      const stop = new AbortController();
      const call = client.start("/t.T/Wait", { signal: stop.signal });
      await call.messages.send(word.encode({ text: "x" }));
      await new Promise((resolve) => setImmediate(resolve));
      stop.abort();
      await assert.rejects(call.finished);
      await aborted.promise;
    },
  );
});
