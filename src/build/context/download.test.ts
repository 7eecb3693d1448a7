import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { BlobStore } from "./blobs.ts";
import { download } from "./download.ts";

let server: Server;
let base = "";
const dir = mkdtempSync(join(tmpdir(), "berth-download-"));
const asked: string[] = [];

before(async () => {
  server = createServer((request, response) => {
    const path = request.url ?? "";
    asked.push(path);
    const hops = Number(/^\/hop\/(\d+)$/.exec(path)?.[1] ?? Number.NaN);
    const to = hops > 0 ? `/hop/${hops - 1}` : path === "/file" ? "file:///etc/passwd" : "";
    if (to !== "") response.writeHead(302, { location: to }).end("elsewhere");
    else if (path === "/bad") response.writeHead(302, { location: "http://[" }).end();
    else response.end("content");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
after(() => {
  server.close();
  rmSync(dir, { recursive: true });
});

const blobs = new BlobStore(dir);
const get = (path: string) => download(`${base}${path}`, blobs, new AbortController().signal);

test("download follows redirects, up to a number", async () => {
  const { name, file } = await get("/hop/3");
  assert.equal(name, "3", "the name is that of the address in the Dockerfile");
  assert.equal(file.node.sizeBytes, 7);
  asked.length = 0;
  await assert.rejects(get("/hop/20"), { message: /stopped after 10 redirects/ });
  assert.equal(asked.length, 11);
});

test("download follows no redirect to what is no web address", async () => {
  await assert.rejects(get("/file"), { message: /redirects to file:, which is not followed/ });
  await assert.rejects(get("/bad"), { message: /redirects to nowhere/ });
});

test("download takes a name that is no escaped text as it is", async () => {
  assert.equal((await get("/100%")).name, "100%");
});
