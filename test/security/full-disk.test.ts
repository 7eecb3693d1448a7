// A disk that is full: what cannot be written is told with the reason, leaves nothing, and works again when there is room.
import assert from "node:assert/strict";
import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { clients, TestDaemon } from "../e2e/harness.ts";

const berth = clients[0] as (typeof clients)[number];

/** A mount namespace of the daemon's own, in which its data root is a small file system. */
function onSmallDisk(argv: string[]): string[] {
  const dataRoot = argv[argv.indexOf("--data-root") + 1] as string;
  const script = 'mkdir -p "$1" && mount -t tmpfs -o size=24m tmpfs "$1" && shift && exec "$@"';
  return ["unshare", "-m", "sh", "-c", script, "sh", dataRoot, ...argv];
}

let daemon: TestDaemon;
before(async () => {
  daemon = await TestDaemon.start({ wrap: onSmallDisk, expectedErrors: /space|ENOSPC/i });
  await mkdir(daemon.path("data/containers"), { recursive: true }); // where the harness looks for what is left
});
after(() => daemon.close());

/** The data root as the daemon sees it. */
const inside = (...parts: string[]): string =>
  [`/proc/${daemon.pid}/root${daemon.dataRoot}`, ...parts].join("/");

async function fill(): Promise<void> {
  for (const size of [1 << 20, 4096, 1])
    for (let n = 0; n < 10_000; n++)
      try {
        await writeFile(inside("filler"), Buffer.alloc(size), { flag: "a" });
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
        break;
      }
}

const listed = async (): Promise<string[]> =>
  ((await daemon.request("GET", "/containers/json?all=1")).body as { Id: string }[]).map((c) => c.Id).sort();

test("create and start fail with the reason, leave nothing, and work again when there is room", async () => {
  const kept = await daemon.text(berth, ["create", "--name", "kept", "busybox", "true"]);
  const directories = (await readdir(inside("containers"))).sort();
  await fill();
  for (let attempt = 0; attempt < 5; attempt++) {
    const failed = await daemon.run(berth, [
      "create",
      "--name",
      "fresh",
      "-v",
      "/anonymous",
      "busybox",
      "true",
    ]);
    assert.notEqual(failed.status, 0);
    assert.match(failed.stderr, /no space left on device/i);
  }
  assert.deepEqual(await listed(), [kept]);
  assert.deepEqual((await readdir(inside("containers"))).sort(), directories);
  assert.equal((await daemon.request("GET", "/_ping")).status, 200);
  const { State } = await daemon.inspect("kept");
  assert.equal(State.Running, false);
  await rm(inside("filler"));
  // What could not be taken out of the records goes when the next volume is made.
  await daemon.text(berth, ["volume", "create", "next"]);
  assert.equal(await daemon.text(berth, ["volume", "ls", "-q"]), "next");
  assert.equal(
    await daemon.text(berth, ["run", "--rm", "--name", "fresh", "busybox", "echo", "there"]),
    "there",
  );
  assert.equal(await daemon.text(berth, ["start", "-a", "kept"]), "");
  await daemon.text(berth, ["rm", "kept"]);
  assert.deepEqual(await listed(), []);
});
