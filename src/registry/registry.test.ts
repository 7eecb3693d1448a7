import assert from "node:assert/strict";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { digestOf } from "../oci/digest.ts";
import { RegistryRepository } from "./repository.ts";
import { parseChallenge } from "./tokens.ts";
import { isLoopbackRegistry } from "./transport.ts";

test("parseChallenge reads schemes, quoted and bare parameters", () => {
  const c = parseChallenge('Bearer realm="https://a/t",service="r \\"x\\"", scope=pull');
  assert.equal(c?.scheme, "bearer");
  assert.deepEqual(
    [...(c?.parameters ?? [])],
    [
      ["realm", "https://a/t"],
      ["service", 'r "x"'],
      ["scope", "pull"],
    ],
  );
  assert.equal(parseChallenge(""), null);
});

test("isLoopbackRegistry allows plain HTTP for this host only", () => {
  for (const host of ["localhost:5000", "127.0.0.1", "127.1.2.3:80", "[::1]:5000"])
    assert.ok(isLoopbackRegistry(host), host);
  for (const host of ["docker.io", "localhost.example", "10.0.0.1:5000"])
    assert.ok(!isLoopbackRegistry(host), host);
});

const CONFIG = Buffer.from('{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}');
const MANIFEST = Buffer.from(
  JSON.stringify({
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.manifest.v1+json",
    config: {
      mediaType: "application/vnd.oci.image.config.v1+json",
      digest: digestOf(CONFIG),
      size: CONFIG.length,
    },
    layers: [],
  }),
);
const INDEX = Buffer.from(
  JSON.stringify({
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.index.v1+json",
    manifests: [
      {
        mediaType: "application/vnd.oci.image.manifest.v1+json",
        digest: digestOf(MANIFEST),
        size: MANIFEST.length,
        platform: { os: "linux", architecture: "amd64" },
      },
    ],
  }),
);

type Handler = (request: IncomingMessage, response: ServerResponse, base: string) => void;

/** A registry over HTTP whose answers the test decides. */
async function withRegistry(handle: Handler, body: (host: string) => Promise<void>): Promise<void> {
  const server = createServer((q, r) => handle(q, r, `http://${host}`));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  try {
    await body(host);
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}

const AMD64 = { os: "linux", architecture: "amd64" };
const never = new AbortController().signal;
const send = (r: ServerResponse, bytes: Buffer, type: string): void =>
  void r.writeHead(200, { "Content-Type": type }).end(bytes);

function serveImage(q: IncomingMessage, r: ServerResponse): void {
  if (q.url === "/v2/a/b/manifests/1") return send(r, INDEX, "application/vnd.oci.image.index.v1+json");
  if (q.url === `/v2/a/b/manifests/${digestOf(MANIFEST)}`)
    return send(r, MANIFEST, "application/vnd.oci.image.manifest.v1+json");
  if (q.url === `/v2/a/b/blobs/${digestOf(CONFIG)}`) return send(r, CONFIG, "application/octet-stream");
  r.writeHead(404).end('{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}');
}

test("resolve answers a token challenge, with credentials, and picks the platform", () =>
  withRegistry(
    (q, r, base) => {
      const url = new URL(q.url ?? "", base);
      if (url.pathname === "/token") {
        assert.equal(q.headers.authorization, `Basic ${Buffer.from("me:secret").toString("base64")}`);
        assert.equal(url.searchParams.get("scope"), "repository:a/b:pull");
        return void r.end('{"token":"T"}');
      }
      if (q.headers.authorization !== "Bearer T")
        return void r
          .writeHead(401, { "WWW-Authenticate": `Bearer realm="${base}/token",service="s"` })
          .end("{}");
      serveImage(q, r);
    },
    async (host) => {
      const repository = new RegistryRepository(host, "a/b", { username: "me", password: "secret" });
      const resolved = await repository.resolve("1", AMD64, never);
      assert.equal(resolved.digest, digestOf(INDEX));
      assert.deepEqual(Buffer.from(await repository.blobBytes(resolved.manifest.config, never)), CONFIG);
      await assert.rejects(
        repository.resolve("1", { os: "linux", architecture: "s390x" }, never),
        /no matching manifest for linux\/s390x/,
      );
      await assert.rejects(repository.resolve("2", AMD64, never), {
        kind: "notFound",
        message: "manifest unknown: manifest unknown",
      });
    },
  ));

test("bytes that do not have the digest they were asked by are refused", () =>
  withRegistry(
    (q, r) => {
      if (q.url?.includes("/manifests/"))
        return send(r, MANIFEST, "application/vnd.oci.image.manifest.v1+json");
      send(r, Buffer.from("{}"), "application/octet-stream");
    },
    async (host) => {
      const repository = new RegistryRepository(host, "a/b");
      await assert.rejects(repository.resolve(digestOf("other"), AMD64, never), { kind: "dataLoss" });
      const { manifest } = await repository.resolve("1", AMD64, never);
      await assert.rejects(repository.blobBytes(manifest.config, never), { kind: "dataLoss" });
    },
  ));

test("a registry that is not there is unavailable, and names itself", async () => {
  const repository = new RegistryRepository("127.0.0.1:1", "a/b");
  await assert.rejects(repository.resolve("1", AMD64, never), {
    kind: "unavailable",
    message: /127\.0\.0\.1:1\/v2\//,
  });
});

/** Its own authority, for a name that nobody asks for. */
const KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgzyI/1hP7pMDrPo0e
kaMD3nSLG2XgyhVS6+BJSnnS1GWhRANCAAQ6HIJloXSF7lC8JpM5zmXr02t0awCY
TmhcATH3u7KMTn7Mat8XqZ5MyzoqHcdB+scyM4uoaDuoJKgmromnXCjp
-----END PRIVATE KEY-----`;
const CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIBhzCCAS2gAwIBAgIUOQYzsVUKNdqVwzNEVMkChw2IDq0wCgYIKoZIzj0EAwIw
GDEWMBQGA1UEAwwNcmVnaXN0cnkudGVzdDAgFw0yNjExMjkwOTMyNDRaGA8yMTI2
MTEwNTA5MzI0NFowGDEWMBQGA1UEAwwNcmVnaXN0cnkudGVzdDBZMBMGByqGSM49
AgEGCCqGSM49AwEHA0IABDocgmWhdIXuULwmkznOZevTa3RrAJhOaFwBMfe7soxO
fsxq3xepnkzLOiodx0H6xzIzi6hoO6gkqCauiadcKOmjUzBRMB0GA1UdDgQWBBSW
hDfE4r1V3lg/6YMjIbgz0onpZzAfBgNVHSMEGDAWgBSWhDfE4r1V3lg/6YMjIbgz
0onpZzAPBgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0gAMEUCIQCw+2kovoBf
Pg/4odQqob8C2Q+rvrt/e0MCSERTJOkKywIgTFiSLVMyjaT19Oeq9SjGshIIPCPG
9g///Q/MO/LmYzY=
-----END CERTIFICATE-----`;

test("any certificate will do where a registry is insecure, and none but a good one elsewhere", async () => {
  const server = createTlsServer({ key: KEY, cert: CERTIFICATE }, (_, r) =>
    send(r, MANIFEST, "application/vnd.oci.image.manifest.v1+json"),
  );
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  try {
    const insecure = new RegistryRepository(`https://${host}`, "a", undefined, { isInsecure: true });
    assert.equal((await insecure.manifest("v1", never)).digest, digestOf(MANIFEST));
    const loopback = new RegistryRepository(host, "a");
    assert.equal((await loopback.manifest("v1", never)).digest, digestOf(MANIFEST));
    await assert.rejects(new RegistryRepository(`https://${host}`, "a").manifest("v1", never), {
      code: "registry.unreachable",
    });
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});
