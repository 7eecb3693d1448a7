// Volumes of a plugin, by both command lines: a small plugin keeps directories and is asked, in Docker's protocol, for everything;
// what it refuses or leaves unanswered is told and harms nothing else, and it may go away and come back.
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, test } from "node:test";
import { type Client, clients, TestDaemon } from "./harness.ts";

const dir = mkdtempSync(join(tmpdir(), "berth-e2e-plugin-"));
const socket = join(dir, "shelf.sock");
/** What the plugin has: the users of each volume. */
const volumes = new Map<string, Set<string>>();
const calls: string[] = [];
let server: Server;
/** Until then the plugin does not answer who mounts the volume "slow". */
const released = Promise.withResolvers<void>();

function answer(
  method: string,
  body: { Name?: string; ID?: string; Opts?: Record<string, string> },
): unknown {
  const { Name = "", ID = "", Opts } = body;
  const at = join(dir, "volumes", Name);
  const users = volumes.get(Name);
  switch (method) {
    case "/Plugin.Activate":
      return { Implements: ["VolumeDriver"] };
    case "/VolumeDriver.Capabilities":
      return { Capabilities: { Scope: "global" } };
    case "/VolumeDriver.Create":
      if (Opts?.["refuse"]) return { Err: `the shelf refuses ${Name}: ${Opts["refuse"]}` };
      mkdirSync(at, { recursive: true });
      volumes.set(Name, new Set());
      return { Err: "" };
    case "/VolumeDriver.List":
      return { Volumes: [...volumes.keys()].map((name) => ({ Name: name })) };
  }
  if (users === undefined) return { Err: `no volume ${Name}` };
  switch (method) {
    case "/VolumeDriver.Get":
      return { Volume: { Name, Mountpoint: users.size > 0 ? at : "", Status: { users: users.size } } };
    case "/VolumeDriver.Path":
      return { Mountpoint: users.size > 0 ? at : "" };
    case "/VolumeDriver.Mount":
      if (Name === "stubborn") return { Err: "the shelf cannot be reached" };
      users.add(ID);
      return { Mountpoint: at };
    case "/VolumeDriver.Unmount":
      users.delete(ID);
      return {};
    case "/VolumeDriver.Remove":
      volumes.delete(Name);
      rmSync(at, { recursive: true });
      return {};
    default:
      return { Err: `unknown call ${method}` };
  }
}

function listen(): Promise<void> {
  server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on("data", (part: Buffer) => parts.push(part));
    request.on("end", () => {
      const body = JSON.parse(Buffer.concat(parts).toString() || "{}") as Record<string, never>;
      calls.push(request.url ?? "");
      const reply = (): unknown => response.end(JSON.stringify(answer(request.url ?? "", body)));
      if (request.url === "/VolumeDriver.Mount" && body["Name"] === "slow") void released.promise.then(reply);
      else reply();
    });
  });
  return new Promise((resolve) => {
    server.listen(socket, resolve);
  });
}

function hangUp(): Promise<void> {
  server.closeAllConnections();
  return new Promise((resolve) => {
    server.close(() => resolve());
  });
}

let daemon: TestDaemon;
before(async () => {
  await listen();
  // The daemon has a /run of its own, so that no other one finds the plugin.
  const script =
    'mount -t tmpfs tmpfs /run && mkdir -p /run/docker/plugins && ln -s "$0" /run/docker/plugins/shelf.sock && exec "$@"';
  daemon = await TestDaemon.start({
    wrap: (argv) => ["unshare", "--mount", "sh", "-c", script, socket, ...argv],
    expectedErrors: /cannot unmount volume/,
  });
});
after(async () => {
  await daemon.close();
  await hangUp();
  rmSync(dir, { recursive: true, force: true });
});
afterEach(async () => {
  await daemon.removeContainers();
  await daemon.removeVolumes();
});

const [first] = clients as readonly [Client, ...Client[]];

for (const c of clients) {
  test(`a plugin's volume is made, used, shared and removed (${c.name})`, async () => {
    await daemon.text(c, ["volume", "create", "-d", "shelf", "-o", "size=1", "--label", "a=b", "books"]);
    const format = "{{.Driver}} {{.Scope}} {{json .Options}} {{json .Labels}} {{json .Status}}";
    assert.equal(
      await daemon.text(c, ["volume", "inspect", "-f", format, "books"]),
      'shelf global {"size":"1"} {"a":"b"} {"users":0}',
    );
    assert.match(await daemon.text(c, ["volume", "ls"]), /^shelf +books$/m);
    const named = ["run", "-d", "--name", "reader", "-v", "books:/b", "busybox", "sleep", "600"];
    await daemon.text(c, named);
    const { Id } = await daemon.inspect("reader");
    assert.deepEqual([...(volumes.get("books") ?? [])], [Id]);
    await daemon.text(c, ["exec", "reader", "sh", "-c", "echo read > /b/page"]);
    assert.equal(await readFile(join(dir, "volumes/books/page"), "utf8"), "read\n");
    const other = ["run", "--rm", "--volume-driver", "shelf", "-v", "books:/b", "busybox", "cat", "/b/page"];
    assert.equal(await daemon.text(c, other), "read");
    assert.match((await daemon.run(c, ["volume", "rm", "books"])).stderr, /volume is in use - \[/);
    await daemon.text(c, ["rm", "-f", "reader"]);
    assert.equal(volumes.get("books")?.size, 0);
    const mount = "type=volume,src=novels,dst=/n,volume-driver=shelf,volume-opt=size=2,volume-label=k=v";
    await daemon.text(c, ["run", "--name", "filler", "--mount", mount, "busybox", "touch", "/n/one"]);
    await daemon.text(c, ["cp", "filler:/n/one", daemon.path("one")]);
    await daemon.text(c, ["rm", "filler"]);
    await daemon.text(c, ["volume", "rm", "books", "novels"]);
    assert.deepEqual([...volumes.keys()], []);
    assert.match(await daemon.text(c, ["info", "-f", "{{json .Plugins.Volume}}"]), /\["local","shelf"\]/);
  });

  test(`what a plugin refuses is told and leaves nothing (${c.name})`, async () => {
    const refused = await daemon.run(c, ["volume", "create", "-d", "shelf", "-o", "refuse=no room", "maps"]);
    assert.equal(refused.status, 1);
    assert.match(refused.stderr, /create maps: the shelf refuses maps: no room/);
    assert.equal((await daemon.request("GET", "/volumes/maps")).status, 404);
    await daemon.text(c, ["volume", "create", "-d", "shelf", "stubborn"]);
    const failed = await daemon.run(c, ["run", "--name", "never", "-v", "stubborn:/s", "busybox", "true"]);
    assert.notEqual(failed.status, 0);
    assert.match(failed.stderr, /error while mounting volume '.*': the shelf cannot be reached/);
    await daemon.text(c, ["volume", "create", "local-one"]);
    const conflict = await daemon.run(c, ["volume", "create", "-d", "shelf", "local-one"]);
    assert.match(
      conflict.stderr,
      /driver 'local' already has volume 'local-one': volume name must be unique/,
    );
  });
}

test("a volume that only the plugin knows is found by its name", async () => {
  answer("/VolumeDriver.Create", { Name: "old" });
  await writeFile(join(dir, "volumes/old/page"), "older than the daemon\n");
  assert.match(await daemon.text(first, ["volume", "ls", "-q"]), /^old$/m);
  assert.equal((await daemon.request("GET", "/volumes/old")).status, 200);
  const use = ["run", "--rm", "--volume-driver", "shelf", "-v", "old:/o", "busybox", "cat", "/o/page"];
  assert.equal(await daemon.text(first, use), "older than the daemon");
  await daemon.text(first, ["volume", "rm", "old"]);
  assert.deepEqual(await readdir(join(dir, "volumes")), []);
});

test("a plugin that is away harms nobody else, and is found again", async () => {
  await daemon.text(first, ["volume", "create", "-d", "shelf", "books"]);
  await daemon.text(first, ["run", "-d", "--name", "reader", "-v", "books:/b", "busybox", "sleep", "600"]);
  await hangUp();
  assert.equal(
    await daemon.text(first, ["run", "--rm", "-v", "plain:/p", "busybox", "echo", "fine"]),
    "fine",
  );
  const list = await daemon.request("GET", "/volumes");
  const { Volumes, Warnings } = list.body as { Volumes: { Name: string }[]; Warnings: string[] };
  assert.deepEqual(
    Volumes.map((v) => v.Name),
    ["books", "plain"],
  );
  assert.match(Warnings.join(), /list shelf: /);
  assert.match(
    (await daemon.run(first, ["volume", "create", "-d", "shelf", "more"])).stderr,
    /create more: /,
  );
  await daemon.text(first, ["rm", "-f", "reader"]);
  await listen();
  // Restarted with a container in it, the daemon tells the plugin of its end under the same name.
  await daemon.text(first, ["run", "-d", "--name", "again", "-v", "books:/b", "busybox", "sleep", "600"]);
  const { Id } = await daemon.inspect("again");
  await daemon.kill();
  await daemon.up();
  assert.ok(volumes.get("books")?.has(Id));
  await daemon.text(first, ["rm", "-f", "again"]);
  assert.equal(volumes.get("books")?.has(Id), false);
  assert.ok(calls.includes("/VolumeDriver.Unmount"));
});

test("a plugin that does not answer holds up who wants its volume and nobody else", async () => {
  await daemon.text(first, ["volume", "create", "-d", "shelf", "slow"]);
  await daemon.text(first, [
    "create",
    "--name",
    "waits",
    "-v",
    "slow:/s:nocopy",
    "busybox",
    "echo",
    "at last",
  ]);
  const before = calls.length;
  const isAsked = (): boolean => calls.slice(before).includes("/VolumeDriver.Mount");
  const start = daemon.live(first, ["start", "-a", "waits"]);
  while (!isAsked()) await new Promise(setImmediate);
  assert.equal(
    await daemon.text(first, ["run", "--rm", "-v", "other:/o", "busybox", "echo", "fine"]),
    "fine",
  );
  assert.equal(await daemon.text(first, ["ps", "-a", "--format", "{{.Names}} {{.State}}"]), "waits created");
  assert.equal((await daemon.inspect("waits")).State.Status, "created");
  assert.match(await daemon.text(first, ["volume", "ls", "-q"]), /^other\nslow$/);
  assert.equal(start.hasEnded, false, "all of this while the plugin thinks");
  released.resolve();
  assert.equal((await start.ended).stdout, "at last\n");
});
