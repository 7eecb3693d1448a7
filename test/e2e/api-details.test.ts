// Details of the API that clients and Docker's own tests rest on, and that no command shows.
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { TAR_END, tarEntry, tarHeader, tarPadding } from "../../src/lib/tar/writer.ts";
import { run } from "./command.ts";
import { type Client, clients, TestDaemon } from "./harness.ts";
import { hijack } from "./raw.ts";

let daemon: TestDaemon;
before(async () => {
  daemon = await TestDaemon.start();
});
after(() => daemon.close());

const [berth] = clients as readonly [Client];

/** A tar archive of small files. */
function tarOf(files: Readonly<Record<string, string>>): Buffer {
  const parts = Object.entries(files).flatMap(([name, content]) => {
    const bytes = Buffer.from(content);
    const header = tarHeader(tarEntry({ type: "file", name, sizeBytes: bytes.length }));
    return [header, bytes, tarPadding(bytes.length)];
  });
  return Buffer.concat([...parts, TAR_END]);
}

test("what contradicts itself is refused before anything is looked for", async () => {
  const cases: [method: string, path: string, message: RegExp][] = [
    ["GET", "/system/df?type=bogus", /^unknown object type: bogus$/],
    ["GET", "/images/json?identity=1", /^conflicting options: identity requires manifests=1$/],
    ["POST", "/containers/nobody/start?checkpoint=../x", /^invalid checkpoint ID "\.\.\/x"/],
    ["POST", "/session", /^no upgrade proto in request$/],
    ["POST", "/grpc", /^no upgrade proto in request$/],
  ];
  for (const [method, path, message] of cases) {
    const { status, body } = await daemon.request(method, path);
    assert.equal(status, 400, path);
    assert.match((body as { message: string }).message, message);
  }
});

test("a session changes to h2c, also where the request does not say Connection: Upgrade", async () => {
  const headers = { Upgrade: "h2c", "X-Docker-Expose-Session-Uuid": "details" };
  const { status, socket } = await hijack(daemon.socket, "/session", { headers });
  socket.destroy();
  assert.match(status, / 101 /);
});

test("an image without layers is loaded as Go writes it", async () => {
  const config = JSON.stringify({
    architecture: "amd64",
    os: "linux",
    config: { Labels: { bare: "1" } },
    rootfs: { type: "layers", diff_ids: null },
  });
  const manifest = JSON.stringify([{ Config: "c.json", RepoTags: ["bare:1"], Layers: null }]);
  const archive = daemon.path("bare.tar");
  await writeFile(archive, tarOf({ "c.json": config, "manifest.json": manifest }));
  await daemon.text(berth, ["load", "-i", archive]);
  assert.equal(await daemon.text(berth, ["inspect", "-f", "{{.Config.Labels}}", "bare:1"]), "map[bare:1]");
});

test("the contents of a directory are archived by any name that ends in a dot", async () => {
  await daemon.text(berth, ["create", "--name", "kept", "busybox", "true"]);
  for (const path of ["/etc/.", "/etc/./", "etc/.//"]) {
    const url = `http://d/containers/kept/archive?path=${path}`;
    const list = ["sh", "-c", `curl -s --unix-socket '${daemon.socket}' '${url}' | tar -t`];
    const { stdout } = await run(list);
    assert.equal(stdout.split("\n")[0], "./", path);
    assert.ok(stdout.split("\n").includes("./passwd"), path);
  }
});
