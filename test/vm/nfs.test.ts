// Volumes on a real NFS server, the kernel's own: shared by containers, there after a restart, and when a server does not answer nobody
// waits but who wants the volume, and not for ever. Run by `make test-vm`: the kernel needs NFS.
import assert from "node:assert/strict";
import { mkdir, readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { Live } from "../e2e/command.ts";
import { type Client, clients, TestDaemon } from "../e2e/harness.ts";

const berth = clients[0] as Client;
const MINUTES = 60_000;

let daemon: TestDaemon;
let exportd: Live;
const text = (...args: string[]): Promise<string> => daemon.text(berth, args, { timeoutMs: 5 * MINUTES });

/** Runs a command in the daemon's network, where the server is, too. */
async function inside(...argv: string[]): Promise<string> {
  const { status, stdout, stderr } = await daemon.network.run(argv, { timeoutMs: 3 * MINUTES });
  assert.equal(status, 0, `${argv.join(" ")}: ${stdout}${stderr}`);
  return stdout;
}

before(
  async () => {
    daemon = await TestDaemon.start({ expectedErrors: /cannot unmount volume|did not answer/ });
    await mkdir(daemon.path("exported"));
    const grace = "for f in nfsv4leasetime nfsv4gracetime; do echo 10 >/proc/fs/nfsd/$f; done";
    await inside("sh", "-ec", `modprobe -a nfsd nfsv4; mount -t nfsd nfsd /proc/fs/nfsd; ${grace}`);
    exportd = new Live(daemon.network.wrap(["rpc.mountd", "-F", "-N", "2", "-N", "3"]), {
      timeoutMs: 60 * MINUTES,
    });
    const options = "rw,no_root_squash,no_subtree_check,insecure,fsid=0";
    await inside("exportfs", "-o", options, `127.0.0.1:${daemon.path("exported")}`);
    await inside("rpc.nfsd", "-N", "3", "-V", "4", "2");
  },
  { timeout: 10 * MINUTES },
);
after(async () => {
  await daemon.removeContainers();
  await inside("nft", "flush", "ruleset");
  await inside("rpc.nfsd", "0");
  await inside("exportfs", "-au");
  exportd.kill("SIGTERM");
  await exportd.ended;
  await daemon.close();
});

const volume = (name: string, options: string): Promise<string> =>
  text("volume", "create", "-o", "type=nfs", "-o", "device=:/", "-o", `o=${options}`, name);

/** From now on nothing that is sent to the port arrives. */
const silence = (port: number): Promise<string> =>
  inside(
    "nft",
    `add table inet silent; add chain inet silent out { type filter hook output priority 0; }; add rule inet silent out tcp dport ${port} drop`,
  );

test("a volume on a server is shared, and there again after everything was restarted", {
  timeout: 10 * MINUTES,
}, async () => {
  await volume("shelf", "addr=127.0.0.1,vers=4.2,rw");
  await text("run", "-d", "--name", "holder", "-v", "shelf:/s", "busybox", "sleep", "1000");
  await text("run", "--rm", "-v", "shelf:/s", "busybox", "sh", "-c", "echo written > /s/file");
  assert.equal(await text("exec", "holder", "cat", "/s/file"), "written");
  assert.equal(await readFile(daemon.path("exported/file"), "utf8"), "written\n");
  await daemon.kill();
  await daemon.up();
  await text("rm", "-f", "holder");
  assert.doesNotMatch(await readFile("/proc/self/mountinfo", "utf8"), /nfs4 :\//);
  assert.equal(await text("run", "--rm", "-v", "shelf:/s:ro", "busybox", "cat", "/s/file"), "written");
});

test("a server that never answers fails the start in the end, and nobody else waits", {
  timeout: 15 * MINUTES,
}, async () => {
  await silence(2050);
  await volume("lost", "addr=127.0.0.1,vers=4.2,port=2050,hard");
  const start = daemon.run(berth, ["run", "--name", "waits", "-v", "lost:/l", "busybox", "true"], {
    timeoutMs: 10 * MINUTES,
  });
  let isEnded = false;
  void start.then(() => {
    isEnded = true;
  });
  assert.equal(await text("run", "--rm", "-v", "other:/o", "busybox", "echo", "fine"), "fine");
  assert.equal(await text("volume", "ls", "-q"), "lost\nother\nshelf");
  assert.doesNotMatch(await text("ps", "-a", "--format", "{{.State}}"), /running/);
  assert.equal(isEnded, false, "all of this while the other one waits");
  const { status, stderr } = await start;
  assert.notEqual(status, 0);
  assert.match(
    stderr,
    /failed to mount local volume: mount :\/:.*: (the file system did not answer in time|connection timed out)/,
  );
});
