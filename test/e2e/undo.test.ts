// `berth undo`: what rm, rmi, volume rm and prune took comes back as it was, also after a crash; what is over its limits is gone.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { readdir, rename } from "node:fs/promises";
import { after, afterEach, before, test } from "node:test";
import { type Client, clients, TestDaemon } from "./harness.ts";

const berth = clients[0] as Client;
let daemon: TestDaemon;
before(async () => {
  daemon = await TestDaemon.start({ config: { undo: true } });
});
afterEach(async () => {
  await daemon.removeContainers();
  await daemon.request("POST", "/berth/kept/prune");
});
after(() => daemon.close());

const text = (...args: string[]) => daemon.text(berth, args);
const kept = async () =>
  (await daemon.request("GET", "/berth/kept")).body as {
    Kind: string;
    Name: string;
    SizeBytes: number;
    Group: string;
  }[];
const names = async (...args: string[]) =>
  (await text(...args))
    .split("\n")
    .filter((n) => n !== "")
    .sort();

/** Waits until what was removed is measured. */
async function measured(): Promise<void> {
  const events = await kept();
  for (;;) if ((await kept()).every((k) => k.SizeBytes > 0) || events.length === 0) return;
}

test("a removed container is gone for Docker, and comes back with its files, log and settings", async () => {
  await text("run", "--name", "notes", "-e", "A=1", "busybox", "sh", "-c", "echo kept > /note; echo said");
  const before = await daemon.inspect("notes");
  await text("rm", "notes");
  for (const c of clients) assert.equal(await daemon.text(c, ["ps", "-aq"]), "");
  assert.equal((await daemon.request("GET", "/containers/notes/json")).status, 404);
  assert.match(
    await text("undo", "--list"),
    /container +notes +less than a second ago|container +notes +\d+ seconds? ago/,
  );
  assert.equal(await text("undo"), "container notes");
  const after_ = await daemon.inspect("notes");
  assert.equal(after_.Id, before.Id);
  assert.deepEqual(after_.Config, before.Config);
  assert.equal(after_.State.ExitCode, 0);
  assert.equal(await text("logs", "notes"), "said");
  assert.equal(await text("cp", "notes:/note", "-").then((tar) => tar.includes("kept")), true);
  await text("start", "notes");
  assert.deepEqual(await kept(), []);
});

test("a container that was removed by force while it ran comes back stopped, with its anonymous volume", async () => {
  await text(
    "run",
    "-d",
    "--name",
    "db",
    "-v",
    "/data",
    "busybox",
    "sh",
    "-c",
    "echo row > /data/row; echo up; sleep 1000",
  );
  const logs = daemon.live(berth, ["logs", "-f", "db"]);
  await logs.prints("up");
  logs.kill("SIGKILL");
  await text("rm", "-fv", "db");
  assert.equal(await text("volume", "ls", "-q"), "");
  assert.deepEqual(
    (await names("undo")).map((n) => n.split(" ")[0]),
    ["container", "volume"],
  );
  assert.equal((await daemon.inspect("db")).State.Status, "exited");
  assert.equal(await text("run", "--rm", "--volumes-from", "db", "busybox", "cat", "/data/row"), "row");
  await text("rm", "-v", "db");
});

test("a name that is taken meanwhile is told, and another one can be given", async () => {
  await text("create", "--name", "site", "busybox", "true");
  await text("rm", "site");
  await text("create", "--name", "site", "busybox", "true");
  const refused = await daemon.run(berth, ["undo", "site"]);
  assert.equal(refused.status, 1);
  assert.match(refused.stderr, /the container name "site" is in use meanwhile by container [0-9a-f]{12}/);
  assert.equal(await text("undo", "--name", "site-old", "site"), "container site-old");
  assert.deepEqual(await names("ps", "-a", "--format", "{{.Names}}"), ["site", "site-old"]);
});

test("a network that is gone is told", async () => {
  await text("network", "create", "undo-net");
  await text("create", "--name", "member", "--network", "undo-net", "busybox", "true");
  await text("rm", "member");
  await text("network", "rm", "undo-net");
  const { stderr, status } = await daemon.run(berth, ["undo"]);
  assert.equal(status, 0);
  assert.match(stderr, /WARNING: member: its network undo-net is gone/);
});

test("a removed volume comes back with its content, also under another name", async () => {
  await text("run", "--rm", "-v", "heap:/v", "busybox", "sh", "-c", "echo content > /v/file");
  await text("volume", "rm", "heap");
  assert.equal(await text("volume", "ls", "-q"), "");
  await text("volume", "create", "--label", "new", "heap");
  assert.match((await daemon.run(berth, ["undo"])).stderr, /there is a volume heap meanwhile/);
  assert.equal(await text("undo", "--name", "heap2", "heap"), "volume heap2");
  assert.equal(await text("run", "--rm", "-v", "heap2:/v", "busybox", "cat", "/v/file"), "content");
  await text("volume", "rm", "heap", "heap2");
});

test("volume restore brings back volumes by their names, and nothing else", async () => {
  await text("volume", "create", "--label", "why=this", "lost1");
  await text("run", "--rm", "-v", "lost2:/data", "busybox", "sh", "-c", "echo kept >/data/row");
  await text("volume", "rm", "lost1", "lost2");
  const { status, stdout, stderr } = await daemon.run(berth, ["volume", "restore", "lost1", "lost2"]);
  assert.deepEqual([status, stdout], [0, "lost1\nlost2\n"], stderr);
  assert.equal(await text("volume", "inspect", "-f", "{{.Labels.why}}", "lost1"), "this");
  assert.equal(await text("run", "--rm", "-v", "lost2:/data", "busybox", "cat", "/data/row"), "kept");
  const again = await daemon.run(berth, ["volume", "restore", "lost1"]);
  assert.equal(again.status, 1);
  assert.match(again.stderr, /nothing that was removed and is kept is called lost1/);
  await text("create", "--name", "lost3", "busybox", "true");
  await text("rm", "lost3");
  assert.equal((await daemon.run(berth, ["volume", "restore", "lost3"])).status, 1);
  await text("volume", "rm", "lost1", "lost2");
});

test("a removed image comes back with its names, and keeps its layers until then", async () => {
  await daemon.importImage("app:1");
  await text("run", "--name", "maker", "app:1", "sh", "-c", "echo more > /more");
  const id = await text("commit", "maker", "app:2");
  await text("tag", "app:2", "app:also");
  await text("rm", "maker");
  await text("rmi", "app:also");
  await text("rmi", "app:2");
  assert.equal((await daemon.request("GET", "/images/app:2/json")).status, 404);
  assert.equal(await text("undo", "app:2"), "image app:2");
  assert.equal(await text("undo", "app:also"), "image app:also");
  assert.equal((await daemon.request("GET", "/images/app:also/json")).status, 200);
  assert.equal(((await daemon.request("GET", "/images/app:2/json")).body as { Id: string }).Id, id);
  assert.equal(await text("run", "--rm", "app:2", "cat", "/more"), "more");
  await text("rmi", "app:2", "app:also", "app:1");
});

test("a name cannot come back before its image", async () => {
  await daemon.importImage("two:a");
  await text("tag", "two:a", "two:b");
  await text("rmi", "two:b");
  await text("rmi", "two:a");
  assert.match(
    (await daemon.run(berth, ["undo", "two:b"])).stderr,
    /called two:b is gone: bring it back first/,
  );
  assert.deepEqual(await names("undo", "-a"), ["image two:a", "image two:b"]);
  await text("rmi", "two:a", "two:b");
});

test("the name of a removed image that another one has stays with that", async () => {
  await daemon.importImage("moved");
  await text("rmi", "moved");
  const newer = await daemon.importImage("moved");
  const { stderr } = await daemon.run(berth, ["undo"]);
  if (stderr !== "") assert.match(stderr, /the name moved:latest belongs to another image meanwhile/);
  assert.equal(((await daemon.request("GET", "/images/moved/json")).body as { Id: string }).Id, newer);
  await text("rmi", "moved");
  await text("image", "prune", "-f");
});

test("what a prune took comes back together", async () => {
  for (const name of ["one", "two"]) await text("create", "--name", name, "busybox", "true");
  await text("container", "prune", "-f");
  assert.equal(await text("ps", "-aq"), "");
  assert.deepEqual(await names("undo"), ["container one", "container two"]);
  assert.deepEqual(await names("ps", "-a", "--format", "{{.Names}}"), ["one", "two"]);
});

test("a prune names what it takes, with sizes, before it asks", async () => {
  await text("run", "--name", "large", "busybox", "dd", "if=/dev/zero", "of=/f", "bs=1M", "count=3");
  await text("run", "--name", "spared", "--label", "spare", "busybox", "true");
  await text("volume", "create", "unused-volume");
  const asked = daemon.live(berth, ["container", "prune", "--filter", "label!=spare"]);
  await asked.prints("[y/N]");
  asked.stdin.end("n\n");
  const { stdout } = await asked.ended;
  assert.match(stdout, /^1 containers, 3\.146MB\n {2}large 3\.146MB\nWARNING!/);
  const volumes = daemon.live(berth, ["volume", "prune", "-a"]);
  await volumes.prints("[y/N]");
  volumes.stdin.end("n\n");
  assert.match((await volumes.ended).stdout, /^1 volumes, 0B\n {2}unused-volume 0B\nWARNING!/);
  assert.equal((await daemon.request("GET", "/berth/prunable/nonsense")).status, 404);
  await text("volume", "rm", "unused-volume");
});

test("system prune gives up what was removed before", async () => {
  await text("run", "--name", "old", "busybox", "dd", "if=/dev/zero", "of=/f", "bs=1M", "count=2");
  await text("rm", "old");
  await measured();
  assert.match(
    await text("system", "prune", "-f"),
    /Given up for good:\ncontainer old\n[^]*Total reclaimed space: 2\.097MB/,
  );
  assert.deepEqual(await kept(), []);
  assert.deepEqual(await readdir(daemon.path("data/kept")), []);
});

test("containers that remove themselves are not kept", async () => {
  await text("run", "--rm", "busybox", "true");
  assert.deepEqual(await kept(), []);
});

test("what was removed is kept over a killed daemon", async () => {
  await text("run", "--name", "survivor", "busybox", "sh", "-c", "echo here > /here");
  await text("run", "--rm", "-v", "lasting:/v", "busybox", "sh", "-c", "echo there > /v/there");
  await text("rm", "survivor");
  await text("volume", "rm", "lasting");
  await daemon.kill();
  await daemon.up();
  assert.deepEqual(await names("undo", "-a"), ["container survivor", "volume lasting"]);
  assert.equal(await text("run", "--rm", "-v", "lasting:/v", "busybox", "cat", "/v/there"), "there");
  await text("start", "-a", "survivor");
  await text("volume", "rm", "lasting");
});

test("whatever step of a removal a crash came after, nothing is lost", async () => {
  await text("run", "--name", "early", "busybox", "sh", "-c", "echo early > /f");
  await text("run", "--name", "late", "busybox", "sh", "-c", "echo late > /f");
  await text("run", "--rm", "-v", "slow:/v", "busybox", "sh", "-c", "echo slow > /v/f");
  const [early, late] = await Promise.all(["early", "late"].map(async (n) => (await daemon.inspect(n)).Id));
  await text("rm", "late");
  await text("volume", "rm", "slow");
  const data = (...parts: string[]) => daemon.path("data", ...parts);
  await daemon.kill();
  // The files of one are moved and its record is not, and the other way round.
  await rename(data("containers", `${early}`), data("kept", `${early}`));
  await rename(data("kept", `${late}`), data("containers", `${late}`));
  const [id] = (await readdir(data("volumes/.kept"))) as [string];
  await rename(data("volumes/.kept", id), data("volumes/slow"));
  await daemon.up();
  await text("start", "early");
  assert.match(await text("cp", "early:/f", "-"), /early/);
  assert.deepEqual(await readdir(data("containers")), [early]);
  assert.deepEqual(await names("undo", "-a"), ["container late", "volume slow"]);
  assert.match(await text("cp", "late:/f", "-"), /late/);
  assert.equal(await text("run", "--rm", "-v", "slow:/v", "busybox", "cat", "/v/f"), "slow");
  await text("volume", "rm", "slow");
});

test("limits: nothing beyond the time or the size is kept", async () => {
  for (const undo of [{ keep: "1ms" }, { "max-size": "1kB" }, false]) {
    const other = await TestDaemon.start({ config: { undo } });
    try {
      const write = ["busybox", "dd", "if=/dev/zero", "of=/f", "bs=1M", "count=1"];
      await other.text(berth, ["run", "--name", "big", ...write]);
      await other.text(berth, ["rm", "big"]);
      for (;;) if (((await other.request("GET", "/berth/kept")).body as unknown[]).length === 0) break;
      assert.match((await other.run(berth, ["undo"])).stderr, /nothing that was removed is kept/);
      assert.equal((await other.request("POST", "/berth/kept/none/restore")).status, 404);
    } finally {
      await other.close();
    }
    assert.ok(!existsSync(other.path("data")));
  }
});
