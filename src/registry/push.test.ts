import assert from "node:assert/strict";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { digestOf } from "../oci/digest.ts";
import { RepositoryWriter } from "./push.ts";

type Handler = (request: IncomingMessage, response: ServerResponse, body: Buffer) => void;

/** A server whose answers the test decides; yields its host:port. */
async function serve(handle: Handler): Promise<AsyncDisposable & { host: string }> {
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on("data", (part: Buffer) => parts.push(part));
    request.on("end", () => handle(request, response, Buffer.concat(parts)));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function* chunks(...texts: string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield Buffer.from(text);
}

const never = new AbortController().signal;
const CONTENT = ["first ", "second"];
const DIGEST = digestOf(CONTENT.join(""));

test("upload sends the stream and finishes under its digest, elsewhere without the credentials", async () => {
  const seen: string[] = [];
  await using store = await serve((q, r, body) => {
    const url = new URL(q.url ?? "", "http://x");
    seen.push(`${q.method} ${url.pathname} ${url.search} ${q.headers.authorization ?? "-"} ${body}`);
    if (q.method === "PATCH") return void r.writeHead(202, { Location: "/there?state=2" }).end();
    r.writeHead(201, { "Docker-Content-Digest": DIGEST }).end();
  });
  await using registry = await serve((q, r) => {
    if (q.headers.authorization === undefined)
      return void r.writeHead(401, { "WWW-Authenticate": 'Basic realm="r"' }).end();
    r.writeHead(202, { Location: `http://${store.host}/there?state=1` }).end();
  });
  const writer = new RepositoryWriter(registry.host, "a/b", { username: "me", password: "secret" });
  assert.deepEqual(await writer.upload(chunks(...CONTENT), never), { digest: DIGEST, sizeBytes: 12 });
  assert.deepEqual(seen, [
    "PATCH /there ?state=1 - first second",
    `PUT /there ?state=2&digest=${encodeURIComponent(DIGEST)} - `,
  ]);
});

test("upload fails with what the content failed with, and when the registry stored something else", async () => {
  await using registry = await serve((q, r) => {
    if (q.method === "PUT")
      return void r.writeHead(201, { "Docker-Content-Digest": digestOf("other") }).end();
    r.writeHead(202, { Location: "/v2/a/b/blobs/uploads/1" }).end();
  });
  const writer = new RepositoryWriter(registry.host, "a/b");
  await assert.rejects(writer.upload(chunks(...CONTENT), never), { kind: "dataLoss" });
  const broken = new Error("the disk is broken");
  async function* failing(): AsyncGenerator<Uint8Array> {
    yield Buffer.from("x");
    throw broken;
  }
  await assert.rejects(writer.upload(failing(), never), broken);
});

test("mount asks for both repositories, and cancels the upload that it is offered instead", async () => {
  const seen: string[] = [];
  let status = 201;
  await using registry = await serve((q, r) => {
    const url = new URL(q.url ?? "", `http://${q.headers.host}`);
    if (url.pathname === "/token") {
      seen.push(`token ${url.searchParams.getAll("scope").join(",")}`);
      return void r.end('{"token":"T"}');
    }
    if (q.headers.authorization !== "Bearer T") {
      const challenge = `Bearer realm="http://${q.headers.host}/token",service="s"`;
      return void r.writeHead(401, { "WWW-Authenticate": challenge }).end();
    }
    seen.push(`${q.method} ${url.pathname} ${url.searchParams.get("from") ?? ""}`);
    r.writeHead(q.method === "DELETE" ? 204 : status, { Location: "/v2/a/b/blobs/uploads/7" }).end();
  });
  const writer = new RepositoryWriter(registry.host, "a/b");
  assert.equal(await writer.mount(DIGEST, "c/d", never), true);
  status = 202;
  assert.equal(await writer.mount(DIGEST, "c/d", never), false);
  assert.deepEqual(seen, [
    "token repository:a/b:pull,push,repository:c/d:pull",
    "POST /v2/a/b/blobs/uploads/ c/d",
    "POST /v2/a/b/blobs/uploads/ c/d",
    "token repository:a/b:pull,push",
    "DELETE /v2/a/b/blobs/uploads/7 ",
  ]);
});

test("has answers by status; what is neither yes nor no is a Fault", async () => {
  const status = new Map([
    ["/v2/a/b/blobs/sha256:1", 200],
    ["/v2/a/b/blobs/sha256:2", 404],
  ]);
  await using registry = await serve((q, r) => void r.writeHead(status.get(q.url ?? "") ?? 500).end());
  const writer = new RepositoryWriter(registry.host, "a/b");
  assert.equal(await writer.has("sha256:1" as typeof DIGEST, never), true);
  assert.equal(await writer.has("sha256:2" as typeof DIGEST, never), false);
  await assert.rejects(writer.has("sha256:3" as typeof DIGEST, never), { kind: "unavailable" });
});
