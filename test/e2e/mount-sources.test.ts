// Sources of mounts that make trouble: file systems that do not answer or cannot be written, hostile names, devices, and mounts that
// travel between the host and containers. What cannot be is told, nothing is half-made, and nobody else waits.
import assert from "node:assert/strict";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { after, afterEach, before, test } from "node:test";
import { Live, run } from "./command.ts";
import { type Client, clients, TestDaemon } from "./harness.ts";

/** A FUSE file system that says hello and then nothing: what an unreachable server is like. */
const SILENT = `
import ctypes, os, struct, sys
fd = os.open("/dev/fuse", os.O_RDWR)
options = f"fd={fd},rootmode=40000,user_id=0,group_id=0".encode()
if ctypes.CDLL(None).mount(b"silent", sys.argv[1].encode(), b"fuse", 0, options) != 0: sys.exit("mount failed")
unique = struct.unpack("<IIQ", os.read(fd, 1 << 17)[:16])[2]
hello = struct.pack("<IIIIHHIIHHII6I", 7, 31, 65536, 0, 16, 12, 65536, 1, 16, 0, 0, 0, *[0] * 6)
os.write(fd, struct.pack("<IiQ", 16 + len(hello), 0, unique) + hello)
print("mounted", flush=True)
sys.stdin.read()
`;

let daemon: TestDaemon;
before(async () => {
  daemon = await TestDaemon.start();
});
after(() => daemon.close());
afterEach(async () => {
  await daemon.removeContainers();
  await daemon.removeVolumes();
});

const [first] = clients as readonly [Client, ...Client[]];
const text = (...args: string[]): Promise<string> => daemon.text(first, args);
const isMounted = async (path: string): Promise<boolean> =>
  (await readFile("/proc/self/mountinfo", "utf8")).includes(` ${path} `);

test("a source whose file system does not answer fails in the end, and nobody else waits", async () => {
  const silent = daemon.path("silent");
  await mkdir(silent);
  const server = new Live(["python3", "-c", SILENT, silent], { timeoutMs: 170_000 });
  await server.prints("mounted");
  try {
    // More of them than the daemon has threads for files.
    const starts = Array.from({ length: 8 }, (_, i) => {
      const args = ["run", "--name", `waits${i}`, "-v", `${silent}/x:/x`, "busybox", "true"];
      return daemon.run(first, args, { timeoutMs: 60_000 });
    });
    const mount = ["create", "--mount", `type=bind,src=${silent}/x,dst=/x`, "busybox", "true"];
    const slave = ["create", "-v", `${silent}/x:/x:rslave`, "busybox", "true"];
    const refused = [mount, slave].map((args) => daemon.run(first, args, { timeoutMs: 60_000 }));
    let isEnded = false;
    void Promise.race(starts).then(() => {
      isEnded = true;
    });
    assert.equal(await text("run", "--rm", "-v", "other:/o", "busybox", "echo", "fine"), "fine");
    assert.equal(await text("volume", "ls", "-q"), "other");
    assert.doesNotMatch(await text("ps", "-a", "--format", "{{.State}}"), /running/);
    assert.equal(isEnded, false, "all of this while the others wait");
    for (const outcome of await Promise.all([...starts, ...refused])) {
      assert.notEqual(outcome.status, 0);
      assert.match(outcome.stderr, /bind source path .* does not answer/);
    }
    assert.equal((await daemon.inspect("waits0")).State.Pid, 0);
  } finally {
    server.kill("SIGKILL");
    await server.ended;
    await run(["umount", "-l", silent]);
  }
});

for (const c of clients)
  test(`what cannot be written is not made a source of, and what can be read is mounted (${c.name})`, async () => {
    const readOnly = daemon.path(`read-only-${c.name}`);
    await mkdir(readOnly);
    assert.equal((await run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", readOnly])).status, 0);
    try {
      const missing = ["run", "--name", "never", "-v", `${readOnly}/missing:/x`, "busybox", "true"];
      const outcome = await daemon.run(c, missing);
      assert.notEqual(outcome.status, 0);
      assert.match(outcome.stderr, /error while creating mount source path .*read-only file system/i);
      assert.equal((await daemon.inspect("never")).State.Pid, 0);
      const write = await daemon.run(c, ["run", "--rm", "-v", `${readOnly}:/x`, "busybox", "touch", "/x/y"]);
      assert.match(write.stderr, /Read-only file system/);
    } finally {
      await run(["umount", readOnly]);
    }
  });

test("names that are none are refused in every place, and nothing is made", async () => {
  for (const name of ["a/b", "..", ".", "../../etc", "a\0b", "a b", "é", "x", ".new", "n".repeat(300)]) {
    const made = await daemon.request("POST", "/volumes/create", { Name: name });
    assert.equal(made.status, 400, JSON.stringify(name));
    for (const HostConfig of [
      { Binds: [`${name}:/x`] },
      { Mounts: [{ Type: "volume", Source: name, Target: "/x" }] },
    ]) {
      const body = { Image: "busybox", Cmd: ["true"], HostConfig };
      const { status } = await daemon.request("POST", "/containers/create", body);
      assert.equal(status, 400, JSON.stringify(HostConfig));
    }
  }
  for (const Target of ["/a\0b", "rel", "/", "/../.."]) {
    const HostConfig = { Mounts: [{ Type: "tmpfs", Target }] };
    const body = { Image: "busybox", Cmd: ["true"], HostConfig };
    assert.equal((await daemon.request("POST", "/containers/create", body)).status, 400, Target);
  }
  const { body } = await daemon.request("GET", "/volumes");
  assert.deepEqual((body as { Volumes: unknown[] }).Volumes, []);
  const left = (await readdir(`${daemon.dataRoot}/volumes`)).filter((name) => !name.startsWith("."));
  assert.deepEqual(left, []);
  assert.equal(await text("ps", "-aq"), "");
});

test("mounts go into containers and out of them as far as the propagation says", async () => {
  const tree = daemon.path("tree");
  await mkdir(tree);
  await run(["mount", "-t", "tmpfs", "tmpfs", tree]);
  await run(["mount", "--make-shared", tree]);
  await mkdir(`${tree}/late`);
  await mkdir(`${tree}/out`);
  try {
    const modes = ["private", "rprivate", "slave", "rslave", "shared", "rshared"];
    for (const mode of modes)
      await text(
        "run",
        "-d",
        "--name",
        `with-${mode}`,
        "-v",
        `${tree}:/t:${mode}`,
        "busybox",
        "sleep",
        "600",
      );
    await run(["mount", "-t", "tmpfs", "tmpfs", `${tree}/late`]);
    await writeFile(`${tree}/late/file`, "");
    for (const mode of modes) {
      const seen = await text("exec", `with-${mode}`, "ls", "/t/late");
      assert.equal(seen, mode.endsWith("private") ? "" : "file", mode);
    }
    for (const mode of ["rslave", "rshared"]) {
      const args = ["run", "--rm", "--privileged", "-v", `${tree}:/t:${mode}`, "busybox"];
      await text(...args, "mount", "-t", "tmpfs", "inner", "/t/out");
      assert.equal(await isMounted(`${tree}/out`), mode === "rshared", mode);
    }
  } finally {
    await daemon.removeContainers();
    await run(["umount", "-R", "-l", tree]);
  }
});

test("a volume is the file system of a device, mounted while it is used", async () => {
  const image = daemon.path("disk.img");
  await run(["truncate", "-s", "120m", image]);
  assert.equal((await run(["mkfs.btrfs", "-q", "-M", image])).status, 0);
  const device = (await run(["losetup", "-f", "--show", image])).stdout.trim();
  assert.match(device, /^\/dev\/loop\d+$/);
  try {
    const options = ["-o", "type=btrfs", "-o", `device=${device}`, "-o", "o=noatime,compress=zlib"];
    await text("volume", "create", ...options, "disk");
    const write = ["sh", "-c", "echo kept > /d/file; grep ' /d ' /proc/mounts"];
    const seen = await text("run", "--rm", "-v", "disk:/d", "busybox", ...write);
    assert.match(seen, /\/dev\/loop\d+ \/d btrfs rw,noatime,compress=zlib/);
    assert.equal(await text("run", "--rm", "-v", "disk:/d:ro", "busybox", "cat", "/d/file"), "kept");
    assert.equal(await isMounted(`${daemon.dataRoot}/volumes/disk/_data`), false);
    await text("volume", "create", "-o", "type=btrfs", "-o", "device=/dev/nosuch", "gone");
    const failed = await daemon.run(first, ["run", "--name", "never", "-v", "gone:/g", "busybox", "true"]);
    assert.notEqual(failed.status, 0);
    assert.match(
      failed.stderr,
      /failed to mount local volume: mount \/dev\/nosuch:.*no such file or directory/,
    );
  } finally {
    await run(["losetup", "-d", device]);
    await rm(image);
  }
});
