// A disk on which requests fail, and one on which they do not end: what cannot be done is told, what needs no disk is done, nothing that was
// told to be done is lost, and all works again when the disk does.
import assert from "node:assert/strict";
import { test } from "node:test";
import { clients, type TestDaemon } from "../e2e/harness.ts";
import { BadDisk } from "./bad-disk.ts";

const berth = clients[0] as (typeof clients)[number];
const REFUSED = /EIO|i\/o error|input\/output error|read-only file system|EROFS/i;

async function changesAreRefused(daemon: TestDaemon): Promise<void> {
  for (const change of [
    ["create", "--name", "fresh", "busybox", "true"],
    ["rename", "box", "other"],
    ["tag", "busybox", "other"],
    ["volume", "create", "other"],
  ]) {
    const failed = await daemon.run(berth, change);
    assert.notEqual(failed.status, 0, change.join(" "));
    assert.match(failed.stderr, REFUSED, change.join(" "));
  }
}

async function isAsBefore(daemon: TestDaemon): Promise<void> {
  const lists = [
    ["ps", "-a", "--format", "{{.Names}} {{.State}}"],
    ["images", "--format", "{{.Repository}}"],
    ["volume", "ls", "-q"],
  ];
  const seen = await Promise.all(lists.map((list) => daemon.text(berth, list)));
  assert.deepEqual(seen, ["box created", "busybox", "vol"]);
}

test("requests that fail for a while: the same daemon goes on", async () => {
  // Without a journal the file system itself goes on, too.
  await using disk = await BadDisk.make(48, "-O", "^has_journal", "-E", "lazy_itable_init=0");
  const daemon = await disk.start({ expectedErrors: REFUSED });
  await daemon.text(berth, ["create", "--name", "box", "busybox", "echo", "there"]);
  await daemon.text(berth, ["volume", "create", "vol"]);
  await disk.tell("errors");
  await changesAreRefused(daemon);
  await isAsBefore(daemon);
  await disk.tell("fine");
  await disk.run("sync", "-f", disk.path()); // hears of what could not be written
  await isAsBefore(daemon);
  // What the kernel could not write meanwhile is told to whoever flushes next, once for each file.
  for (let attempt = 0; ; attempt++) {
    const started = await daemon.run(berth, ["start", "-a", "box"]);
    if (started.status === 0) break;
    assert.match(started.stderr, REFUSED);
    assert.equal(attempt < 10, true, started.stderr);
  }
  await daemon.kill();
  await daemon.up();
  assert.equal(await daemon.text(berth, ["start", "-a", "box"]), "there");
  assert.match(await daemon.text(berth, ["system", "check"]), /all is well/);
  await daemon.close();
});

test("a file system that gives up: what was told to be done is there when it is repaired", async () => {
  await using disk = await BadDisk.make(48, "-E", "lazy_itable_init=0");
  const daemon = await disk.start({ expectedErrors: REFUSED });
  await daemon.text(berth, ["create", "--name", "box", "busybox", "echo", "there"]);
  await daemon.text(berth, ["volume", "create", "vol"]);
  await disk.run("sync", "-f", disk.path()); // what containers and images have written is not yet on the disk
  await disk.tell("errors");
  await changesAreRefused(daemon);
  await isAsBefore(daemon);
  process.kill(daemon.pid, "SIGTERM");
  await daemon.logs(
    /what was to be done at the end was not: .*(EIO|i\/o error|input\/output error|read-only)/i,
  );
  assert.equal(await daemon.ended(), 1);
  await disk.tell("fine");
  await disk.tell("repair");
  await daemon.up();
  await isAsBefore(daemon);
  assert.equal(await daemon.text(berth, ["start", "-a", "box"]), "there");
  assert.match(await daemon.text(berth, ["system", "check"]), /all is well/);
  await daemon.close();
});

test("a disk that is stuck holds up who waits for it, and nobody else", async () => {
  await using disk = await BadDisk.make(48, "-E", "lazy_itable_init=0");
  const daemon = await disk.start();
  await daemon.text(berth, ["run", "-d", "--name", "runs", "busybox", "sleep", "1000"]);
  await disk.tell("stuck");
  const created = daemon.live(berth, ["volume", "create", "vol"], { timeoutMs: 120_000 });
  for (let look = 0; look < 5; look++) {
    assert.equal((await daemon.request("GET", "/containers/json")).status, 200);
    assert.equal((await daemon.request("GET", "/images/json")).status, 200);
    assert.equal((await daemon.inspect("runs")).State.Running, true);
  }
  assert.equal(created.hasEnded, false, "whoever asked for the change waits for the disk");
  await disk.tell("fine");
  assert.equal((await created.ended).status, 0);
  await daemon.close();
});
