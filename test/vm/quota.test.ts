// Project quotas, on disks that have them: a volume of a size (ext4, xfs) and a container's root of one (xfs) are full at their limit and
// nobody else's, and keep it through a restoration and a restart. Run by `make test-vm`: the kernel needs quotas.
import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { test } from "node:test";
import { type Client, clients, TestDaemon } from "../e2e/harness.ts";

const berth = clients[0] as Client;

/** A mount namespace of the daemon's own, in which its data root is a disk with project quotas. */
function onDisk(type: string, make: string): (argv: string[]) => string[] {
  const script = `modprobe -a loop ${type}; mkdir -p "$1"; [ -e "$1.img" ] || { truncate -s 400m "$1.img"; ${make} "$1.img" >/dev/null; }; mount -t ${type} -o loop,prjquota "$1.img" "$1"; shift; exec "$@"`;
  return (argv) => {
    const dataRoot = argv[argv.indexOf("--data-root") + 1] as string;
    return ["unshare", "-m", "sh", "-ec", script, "sh", dataRoot, ...argv];
  };
}

const DISKS = [
  ["ext4", "mkfs.ext4 -q -O project,quota -E quotatype=prjquota"],
  ["xfs", "mkfs.xfs -q"],
] as const;

const dd = (path: string, megabytes: number): string =>
  `dd if=/dev/zero of=${path} bs=1M count=${megabytes} conv=fsync`;

for (const [type, make] of DISKS)
  test(`a volume of 10 MiB on ${type} takes no more`, { timeout: 600_000 }, async () => {
    const daemon = await TestDaemon.start({ wrap: onDisk(type, make) });
    const text = (...args: string[]) => daemon.text(berth, args);
    const run = (volume: string, script: string) =>
      daemon.run(berth, ["run", "--rm", "-v", `${volume}:/v`, "busybox", "sh", "-c", script]);
    try {
      await mkdir(daemon.path("data/containers"), { recursive: true }); // where the harness looks for what is left
      for (const name of ["small", "other"]) await text("volume", "create", "-o", "size=10m", name);
      await text("volume", "create", "free");
      assert.equal((await run("small", dd("/v/fits", 8))).status, 0);
      const full = await run("small", dd("/v/more", 8));
      assert.notEqual(full.status, 0);
      assert.match(full.stderr, /No space left on device|Disk quota exceeded/);
      assert.equal((await run("other", dd("/v/fits", 8))).status, 0, "each has its own");
      assert.equal((await run("free", dd("/v/fits", 20))).status, 0);
      // A snapshot is not in it, what is put back has the limit again, also after a restart.
      await run("small", "rm /v/more");
      await text("volume", "snapshot", "create", "small", "one");
      await text("volume", "snapshot", "restore", "small", "one");
      await daemon.kill();
      await daemon.up();
      assert.notEqual((await run("small", dd("/v/more", 8))).status, 0);
      assert.equal((await run("small", "rm /v/* && " + dd("/v/fits", 8))).status, 0);
      const inside = `/proc/${daemon.pid}/root${daemon.dataRoot}/volumes`;
      await writeFile(`${inside}/free/_data/host`, "");
      const root = ["run", "--rm", "--storage-opt", "size=20m", "busybox", "sh", "-c"];
      if (type === "ext4") {
        const refused = await daemon.run(berth, [...root, "true"]);
        assert.equal(refused.status, 125);
        assert.match(refused.stderr, /--storage-opt is supported only for overlay over xfs/);
      } else {
        await text(...root, `${dd("/fits", 15)}; mv /fits /moved; rm /moved; ${dd("/fits", 15)}`);
        assert.notEqual((await daemon.run(berth, [...root, dd("/more", 30)])).status, 0);
      }
      const wrong = ["volume", "create", "-o", "size=1m", "-o", "type=tmpfs", "-o", "device=tmpfs", "wrong"];
      assert.match(
        (await daemon.run(berth, wrong)).stderr,
        /the option "size" is for volumes without a type/,
      );
      assert.equal(await text("volume", "ls", "-q"), "free\nother\nsmall");
    } finally {
      await daemon.close();
    }
  });
