// Agreeing on an API version with daemons of different age.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { containerList } from "../../api/operations/container.ts";
import { imageLoad } from "../../api/operations/image.ts";
import { NegotiatingClient } from "./negotiating-client.ts";

/** Runs a daemon that speaks up to `newest` and tells what it was asked. */
async function withDaemon(
  newest: string,
  use: (client: NegotiatingClient, asked: string[]) => Promise<void>,
) {
  const dir = mkdtempSync(join(tmpdir(), "berth-version-"));
  const asked: string[] = [];
  const server = createServer((request, response) => {
    const { method = "", url = "" } = request;
    asked.push(`${method} ${url}`);
    response.setHeader("Api-Version", newest);
    response.setHeader("Content-Type", "application/json");
    const spoken = /^\/v1\.(\d+)/.exec(url)?.[1];
    if (spoken !== undefined && Number(spoken) > Number(newest.split(".")[1])) {
      response.statusCode = 400;
      const message = `client version 1.${spoken} is too new. Maximum supported API version is ${newest}`;
      response.end(JSON.stringify({ message }));
    } else response.end(url.startsWith("/_ping") ? "" : "[]");
    request.resume();
  });
  await new Promise<void>((resolve) => server.listen(join(dir, "s"), resolve));
  try {
    await use(new NegotiatingClient({ host: `unix://${join(dir, "s")}` }), asked);
  } finally {
    server.close();
    server.closeAllConnections();
    rmSync(dir, { recursive: true });
  }
}

test("a daemon as new as the client is asked once", async () => {
  await withDaemon("1.60", async (client, asked) => {
    await client.call(containerList, {});
    await client.call(containerList, {});
    assert.deepEqual(asked, ["GET /v1.51/containers/json", "GET /v1.51/containers/json"]);
  });
});

test("an older daemon names its version, which is then kept", async () => {
  await withDaemon("1.41", async (client, asked) => {
    await client.call(containerList, {});
    await client.call(containerList, {});
    assert.equal(client.version, "1.41");
    assert.deepEqual(asked, [
      "GET /v1.51/containers/json",
      "GET /v1.41/containers/json",
      "GET /v1.41/containers/json",
    ]);
  });
});

test("nothing is uploaded before the version is known", async () => {
  await withDaemon("1.41", async (client, asked) => {
    const upload = (async function* () {
      yield Buffer.from("x");
    })();
    await client.stream(imageLoad, {}, { upload });
    assert.deepEqual(
      asked.map((request) => request.split("?")[0]),
      ["HEAD /_ping", "POST /v1.41/images/load"],
    );
  });
});
