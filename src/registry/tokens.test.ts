import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { RegistryTransport } from "./transport.ts";

/** A registry that wants tokens, which live for `seconds`; counts what it is asked for. */
async function serve(seconds: number) {
  const counts = { tokens: 0, refused: 0, served: 0 };
  const server = createServer((q, r) => {
    const base = `http://${q.headers.host}`;
    if (q.url?.startsWith("/token")) {
      counts.tokens++;
      return void r.end(JSON.stringify({ token: `T${counts.tokens}`, expires_in: seconds }));
    }
    if (q.headers.authorization === undefined) {
      counts.refused++;
      return void r.writeHead(401, { "WWW-Authenticate": `Bearer realm="${base}/token",service="s"` }).end();
    }
    counts.served++;
    q.resume().on("end", () => r.end("{}"));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    counts,
    transport: new RegistryTransport(`127.0.0.1:${(server.address() as AddressInfo).port}`),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const once = (text: string): RequestInit =>
  ({ method: "PATCH", body: ReadableStream.from([Buffer.from(text)]), duplex: "half" }) as RequestInit;

test("requests at once ask for one token, and later ones use it", async () => {
  await using r = await serve(300);
  await Promise.all([1, 2, 3].map((n) => r.transport.send(`a/${n}`, "repository:a:pull", {})));
  await r.transport.send("a/4", "repository:a:pull", {});
  assert.deepEqual([r.counts.tokens, r.counts.served], [1, 4]);
});

test("a token that has run out is followed by another before a stream is sent", async (t) => {
  await using r = await serve(60);
  await r.transport.send("a/1", "s", {});
  t.mock.timers.enable({ apis: ["Date"], now: Date.now() + 61_000 });
  await r.transport.send("a/2", "s", once("stream"));
  t.mock.timers.reset();
  assert.deepEqual(r.counts, { tokens: 2, refused: 1, served: 2 });
});
