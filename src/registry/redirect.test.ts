// Credentials are for the registry: wherever it sends its client to, they do not come along.
import assert from "node:assert/strict";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { Fault } from "../lib/errors.ts";
import { parseDigest } from "../oci/digest.ts";
import { RegistryRepository } from "./repository.ts";
import { RegistryTransport } from "./transport.ts";
import type { RegistryAuth } from "./tokens.ts";

async function listen(answer: (q: IncomingMessage, r: ServerResponse) => void) {
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Where blobs are kept: takes everything, and remembers what it was shown. */
async function storage(seen: (string | undefined)[]) {
  return listen((q, r) => {
    seen.push(q.headers.authorization, q.headers.cookie);
    q.resume().on("end", () => r.end("content"));
  });
}

/** A registry that wants a login of the given kind and sends everybody with one to `target`. */
async function registry(kind: "basic" | "bearer", target: () => string, seen: (string | undefined)[]) {
  return listen((q, r) => {
    const base = `http://${q.headers.host}`;
    if (q.url?.startsWith("/token")) return void r.end(JSON.stringify({ token: "TOKEN" }));
    const { authorization } = q.headers;
    if (authorization === undefined) {
      const challenge = kind === "basic" ? 'Basic realm="r"' : `Bearer realm="${base}/token"`;
      return void r.writeHead(401, { "WWW-Authenticate": challenge }).end();
    }
    seen.push(authorization);
    if (q.method === "POST")
      return void q.resume().on("end", () => r.writeHead(202, { Location: target() }).end());
    r.writeHead(307, { Location: target() }).end();
  });
}

const LOGINS = {
  basic: { username: "me", password: "secret" },
  bearer: { username: "me", password: "secret" },
  given: { registryToken: "GIVEN" },
} satisfies Record<string, RegistryAuth>;

for (const [kind, auth] of Object.entries(LOGINS))
  for (const host of ["127.0.0.1", "localhost"])
    test(`a redirect to another port of ${host} carries no login (${kind})`, async () => {
      const shown: (string | undefined)[] = [];
      const atRegistry: (string | undefined)[] = [];
      await using other = await storage(shown);
      await using own = await registry(
        kind === "basic" ? "basic" : "bearer",
        () => `http://${host}:${other.port}/blob?signature=1`,
        atRegistry,
      );
      const transport = new RegistryTransport(`127.0.0.1:${own.port}`, auth);
      // The first request is challenged, the second one has the login from the start.
      for (let i = 0; i < 2; i++) {
        const response = await transport.send("a/blobs/x", "repository:a:pull", {});
        assert.equal(await response.text(), "content");
      }
      const upload = await transport.send("a/blobs/uploads/", "repository:a:push", { method: "POST" }, [202]);
      const target = new URL(upload.headers.get("location") ?? "");
      await transport.send(target, "repository:a:push", { method: "PUT", body: "content" });
      assert.equal(atRegistry.length, 3, "the registry itself had it each time");
      assert.ok(atRegistry.every((text) => /^(Basic bWU6c2VjcmV0|Bearer (TOKEN|GIVEN))$/.test(text ?? "")));
      assert.deepEqual(shown, Array(6).fill(undefined));
    });

for (const identityToken of [undefined, "IDENTITY"])
  test(`where blobs are kept nobody asks for a login, with ${identityToken === undefined ? "a password" : "an identity token"}`, async () => {
    const asked: string[] = [];
    await using service = await listen((q, r) => {
      asked.push(`${q.method} ${q.headers.authorization}`);
      r.end(JSON.stringify({ token: "T" }));
    });
    await using other = await listen((q, r) => {
      asked.push(`${q.method} ${q.headers.authorization}`);
      const challenge = `Bearer realm="http://127.0.0.1:${service.port}/token",service="s"`;
      q.resume().on("end", () => r.writeHead(401, { "WWW-Authenticate": challenge }).end("SAID"));
    });
    await using own = await listen((q, r) => {
      q.resume();
      const isUpload = q.method === "POST";
      r.writeHead(isUpload ? 202 : 307, { Location: `http://127.0.0.1:${other.port}/blob` }).end();
    });
    const auth = identityToken === undefined ? LOGINS.basic : { identityToken };
    const transport = new RegistryTransport(`127.0.0.1:${own.port}`, auth);
    const refused = (error: unknown) =>
      error instanceof Fault && error.kind === "unauthorized" && !error.message.includes("SAID");
    await assert.rejects(transport.send("a/blobs/x", "repository:a:pull", {}), refused);
    const upload = await transport.send("a/blobs/uploads/", "repository:a:push", { method: "POST" }, [202]);
    const target = new URL(upload.headers.get("location") ?? "");
    const put = transport.send(target, "repository:a:push", { method: "PUT", body: "content" });
    await assert.rejects(put, refused);
    assert.deepEqual(asked, ["GET undefined", "PUT undefined"]);
  });

for (const status of [302, 307, 308])
  test(`a token service that sends elsewhere does not take the identity token along (${status})`, async () => {
    const shown: string[] = [];
    await using other = await listen((q, r) => {
      q.setEncoding("utf8").on("data", (text: string) => shown.push(text));
      q.on("end", () => r.end(JSON.stringify({ token: "T" })));
    });
    await using own = await listen((q, r) => {
      q.resume();
      if (q.url?.startsWith("/token"))
        return void r.writeHead(status, { Location: `http://127.0.0.1:${other.port}/token` }).end();
      const challenge = `Bearer realm="http://${q.headers.host}/token",service="s"`;
      r.writeHead(401, { "WWW-Authenticate": challenge }).end();
    });
    const transport = new RegistryTransport(`127.0.0.1:${own.port}`, { identityToken: "IDENTITY" });
    await assert.rejects(transport.send("a/blobs/x", "repository:a:pull", {}), Fault);
    assert.deepEqual(shown, []);
  });

test("what an internal address says to which a registry redirects is refused, and not repeated", async () => {
  const asked: string[] = [];
  let status = 200;
  await using internal = await listen((q, r) => {
    asked.push(String(q.url));
    r.setHeader("Content-Type", "application/vnd.oci.image.manifest.v1+json");
    r.statusCode = status;
    r.end('{"schemaVersion":2,"password":"INTERNAL"}');
  });
  await using own = await listen((q, r) => {
    if (q.url === "/v2/") return void r.end("{}");
    r.writeHead(307, { Location: `http://127.0.0.1:${internal.port}/latest/meta-data` }).end();
  });
  const repository = new RegistryRepository(`127.0.0.1:${own.port}`, "a/b");
  const digest = parseDigest(`sha256:${"0".repeat(64)}`);
  const signal = new AbortController().signal;
  const blob = { mediaType: "application/octet-stream", digest, sizeBytes: 100 };
  const attempts = [
    () => repository.resolve("1", { os: "linux", architecture: "amd64" }, signal),
    () => repository.resolve(digest, { os: "linux", architecture: "amd64" }, signal),
    () => repository.blobBytes(blob, signal),
  ];
  for (status of [200, 404, 403])
    for (const attempt of attempts)
      await assert.rejects(
        attempt(),
        (error: Error) => !`${error.message} ${String(error.cause)}`.includes("INTERNAL"),
      );
  assert.equal(asked.length, 9);
});
