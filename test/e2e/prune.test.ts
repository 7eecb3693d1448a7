// Pruning: what runs and what is named must stay, what is left over must go, and the reclaimed space must be told.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { clients, TestDaemon } from "./harness.ts";

let daemon: TestDaemon;
before(async () => {
  daemon = await TestDaemon.start();
});
after(() => daemon.close());

for (const c of clients) {
  test(`container prune takes what has ended and fits (${c.name})`, async () => {
    const write = ["busybox", "dd", "if=/dev/zero", "of=/file", "bs=1024", "count=2048"];
    await daemon.text(c, ["run", "--name", "ended", ...write]);
    await daemon.text(c, ["run", "--name", "kept", "--label", "keep", "busybox", "true"]);
    await daemon.text(c, ["run", "-d", "--name", "running", "busybox", "sleep", "600"]);
    const young = await daemon.text(c, ["container", "prune", "-f", "--filter", "until=1h"]);
    assert.match(young, /Total reclaimed space: 0B/);
    const said = await daemon.text(c, ["container", "prune", "-f", "--filter", "label!=keep"]);
    assert.match(said, /^Deleted Containers:\n[0-9a-f]{64}\n\nTotal reclaimed space: 2\.097MB$/);
    const left = await daemon.text(c, ["ps", "-a", "--format", "{{.Names}}"]);
    assert.deepEqual(left.split("\n").sort(), ["kept", "running"]);
    await daemon.removeContainers();
  });

  test(`image and system prune leave what is in use (${c.name})`, async () => {
    await daemon.importImage("loose");
    await daemon.importImage("loose"); // the first one has lost its name
    await daemon.importImage("extra");
    await daemon.text(c, ["tag", "busybox", "spare:1"]);
    await daemon.text(c, ["run", "-d", "--name", "user", "busybox", "sleep", "600"]);
    const dangling = await daemon.text(c, ["image", "prune", "-f"]);
    assert.match(dangling, /Total reclaimed space: /);
    assert.match(await daemon.text(c, ["images", "--format", "{{.Repository}}"]), /extra/);
    const all = await daemon.text(c, ["system", "prune", "-af", "--volumes", "--filter", "label!=kept"]);
    assert.match(all, /untagged: extra:latest/i);
    assert.match(all, /untagged: spare:1/i);
    assert.match(all, /Total reclaimed space: /);
    assert.equal(await daemon.text(c, ["images", "--format", "{{.Repository}}"]), "busybox");
    assert.equal(await daemon.text(c, ["volume", "ls", "-q"]), "");
    await daemon.removeContainers();
  });
}

for (const c of clients)
  test(`a signal at the question ends it with 0, and nothing is pruned (${c.name})`, async () => {
    await daemon.text(c, ["create", "--name", "spared", "busybox", "true"]);
    const asked = daemon.live(c, ["container", "prune"]);
    await asked.prints("[y/N]");
    asked.kill("SIGINT");
    assert.equal((await asked.ended).status, 0);
    const declined = daemon.live(c, ["container", "prune"]);
    await declined.prints("[y/N]");
    declined.stdin.end("n\n");
    assert.notEqual((await declined.ended).stdout, "");
    assert.equal(await daemon.text(c, ["ps", "-a", "--format", "{{.Names}}"]), "spared");
    await daemon.removeContainers();
  });
