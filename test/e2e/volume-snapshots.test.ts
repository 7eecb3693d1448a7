// Snapshots and copies of volumes: of one moment where that is asked for, shared with the volume where the file system can, put back,
// made volumes of, and never half there, whether the disk is full or the daemon is killed.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { chown, mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { after, afterEach, before, test } from "node:test";
import { run } from "./command.ts";
import { clients, TestDaemon } from "./harness.ts";

const [berth] = clients as [(typeof clients)[0]];
let daemon: TestDaemon;
before(async () => {
  daemon = await TestDaemon.start();
});
after(() => daemon.close());
afterEach(async () => {
  await daemon.removeContainers();
  await daemon.removeVolumes();
});

const dirOf = (name: string): string => `${daemon.dataRoot}/volumes/${name}`;
const dataOf = (name: string): string => `${dirOf(name)}/_data`;
const snapshot = (...args: string[]): Promise<string> => daemon.text(berth, ["volume", "snapshot", ...args]);
const fails = async (args: readonly string[], reason: RegExp): Promise<void> => {
  const outcome = await daemon.run(berth, ["volume", ...args]);
  assert.equal(outcome.status, 1, args.join(" "));
  assert.match(outcome.stderr, reason);
};

test("a volume goes back to its snapshot, and another is made of one", async () => {
  await daemon.text(berth, ["volume", "create", "--label", "tier=back", "books"]);
  await writeFile(`${dataOf("books")}/page`, "first");
  await chown(dataOf("books"), 5, 6);
  assert.equal(await snapshot("create", "books", "one"), "one");
  const named = await snapshot("create", "books");
  assert.match(named, /^\d{8}T\d{6}Z$/);
  await writeFile(`${dataOf("books")}/page`, "second edition");
  await writeFile(`${dataOf("books")}/more`, "");
  assert.equal(await snapshot("ls", "-q", "books"), `one\n${named}`);
  assert.match(await snapshot("ls", "books"), /^SNAPSHOT +CREATED +SIZE\none +.* ago +5B\n/);
  await fails(["snapshot", "create", "books", "one"], /volume books has a snapshot one already/);
  assert.equal(await daemon.text(berth, ["volume", "clone", "--snapshot", "one", "books", "copy"]), "copy");
  assert.equal(await readFile(`${dataOf("copy")}/page`, "utf8"), "first");
  assert.equal((await stat(dataOf("copy"))).gid, 6);
  const labels = ["volume", "inspect", "-f", "{{json .Labels}}", "copy"];
  assert.equal(await daemon.text(berth, labels), '{"tier":"back"}');
  await daemon.text(berth, ["run", "-d", "--name", "user", "-v", "books:/b", "busybox", "sleep", "600"]);
  const { Id } = await daemon.inspect("user");
  await fails(["snapshot", "restore", "books", "one"], new RegExp(`volume books is mounted - \\[${Id}\\]`));
  await daemon.text(berth, ["stop", "-t", "0", "user"]);
  assert.equal(await snapshot("restore", "books", "one"), "one");
  assert.deepEqual(await readdir(dataOf("books")), ["page"]);
  await daemon.text(berth, ["start", "user"]);
  assert.equal(await daemon.text(berth, ["exec", "user", "cat", "/b/page"]), "first");
  const { uid, gid } = await stat(dataOf("books"));
  assert.deepEqual([uid, gid], [5, 6]);
  assert.equal(await snapshot("rm", "books", "one"), "one");
  await fails(["snapshot", "rm", "books", "one"], /volume books has no snapshot one/);
  await daemon.kill();
  await daemon.up();
  assert.equal(await snapshot("ls", "-q", "books"), named);
  // How far it is, is told.
  const { body } = await daemon.request("POST", "/volumes/books/snapshots?snapshot=told");
  assert.match(
    String(body),
    /"status":"Copying".*"progressDetail":\{"current":5,"total":5\}|"progressDetail":\{"current":5,"total":5\}.*"status":"Copying"/,
  );
  assert.match(String(body), /"aux":\{"Name":"told"/);
  await daemon.text(berth, ["rm", "-f", "user"]);
  await daemon.text(berth, ["volume", "rm", "books"]);
  assert.equal(existsSync(dirOf("books")), false, "snapshots go with their volume");
});

test("what can be no snapshot is refused and leaves nothing", async () => {
  await daemon.text(berth, ["volume", "create", "plain"]);
  const options = ["-o", "type=tmpfs", "-o", "device=tmpfs"];
  await daemon.text(berth, ["volume", "create", ...options, "memory"]);
  await fails(["snapshot", "create", "nosuch"], /no such volume/);
  for (const name of ["..", ".x", "a/b", "-x", `${"n".repeat(256)}`, "a\nb"])
    await fails(["snapshot", "create", "--", "plain", name], /cannot be a snapshot's name/);
  const made = await daemon.request("POST", "/volumes/plain/snapshots?snapshot=..%2fup");
  assert.equal(made.status, 400);
  for (const at of ["", "..", "..%2f..%2fplain", "%00"])
    assert.equal((await daemon.request("DELETE", `/volumes/plain/snapshots?snapshot=${at}`)).status, 404, at);
  await fails(["snapshot", "restore", "plain", "nosuch"], /volume plain has no snapshot nosuch/);
  await fails(["clone", "--snapshot", "nosuch", "plain", "other"], /volume plain has no snapshot nosuch/);
  await fails(["snapshot", "drop", "plain"], /"drop" is none of create, ls, restore, rm/);
  assert.deepEqual(await readdir(dirOf("plain")), ["_data"]);
  assert.equal(existsSync(dataOf("other")), false);
  // A mount has snapshots, too, of which volumes can be made.
  await daemon.text(berth, ["run", "-d", "--name", "mm", "-v", "memory:/m", "busybox", "sleep", "600"]);
  await daemon.text(berth, ["exec", "mm", "sh", "-c", "echo kept > /m/file"]);
  await snapshot("create", "memory", "one");
  await daemon.text(berth, ["rm", "-f", "mm"]);
  await fails(["snapshot", "restore", "memory", "one"], /volume memory is a mount and cannot be put back/);
  await daemon.text(berth, ["volume", "clone", "--snapshot", "one", "memory", "kept"]);
  assert.equal(await readFile(`${dataOf("kept")}/file`, "utf8"), "kept\n");
});

/** A container that counts in two files, the first to be copied and the last; between them is work for the copy. */
async function startCounter(): Promise<void> {
  await daemon.text(berth, ["volume", "create", "counted"]);
  const files = Array.from({ length: 800 }, (_, i) => `${dataOf("counted")}/m${i}`);
  await Promise.all(files.map((f) => writeFile(f, Buffer.alloc(10_000))));
  const script =
    "i=0; while :; do i=$((i+1)); echo $i > /c/.n; mv /c/.n /c/a; echo $i > /c/.n; mv /c/.n /c/z; done";
  await daemon.text(berth, [
    "run",
    "-d",
    "--name",
    "counter",
    "-v",
    "counted:/c",
    "busybox",
    "sh",
    "-c",
    script,
  ]);
  const first = "until [ -e /c/z ]; do sleep 0.02; done";
  await daemon.text(berth, ["exec", "counter", "sh", "-c", first]);
}

async function isOneMoment(dir: string): Promise<void> {
  const [a, z] = await Promise.all(
    ["a", "z"].map(async (n) => Number(await readFile(`${dir}/${n}`, "utf8"))),
  );
  assert.ok((a as number) - (z as number) <= 1 && (a as number) >= (z as number), `${a} and ${z}`);
}

test("with --pause a copy is of one moment, and the users run on afterwards", async () => {
  await startCounter();
  const state = async (): Promise<string> => (await daemon.inspect("counter")).State.Status;
  const events = daemon.events();
  await snapshot("create", "--pause", "counted", "one");
  await isOneMoment(`${dirOf("counted")}/_snapshots/one`);
  await events.prints('"unpause"');
  await daemon.text(berth, ["volume", "clone", "--pause", "counted", "twin"]);
  await isOneMoment(dataOf("twin"));
  await daemon.text(berth, ["volume", "export", "--pause", "-o", daemon.path("counted.tar"), "counted"]);
  await mkdir(daemon.path("unpacked"));
  await run(["tar", "-C", daemon.path("unpacked"), "-xf", daemon.path("counted.tar")]);
  await isOneMoment(daemon.path("unpacked"));
  events.kill("SIGTERM");
  const { stdout } = await events.ended;
  assert.equal(stdout.match(/"Action":"pause"/g)?.length, 3);
  assert.equal(await state(), "running");
  const before = await readFile(`${dataOf("counted")}/z`, "utf8");
  await daemon.text(berth, [
    "exec",
    "counter",
    "sh",
    "-c",
    `until [ "$(cat /c/z)" != ${before.trim()} ]; do :; done`,
  ]);
  // One that was paused stays so; a client that goes away in the middle of an export leaves nobody frozen.
  await daemon.text(berth, ["pause", "counter"]);
  await snapshot("create", "--pause", "counted", "two");
  assert.equal(await state(), "paused");
  await daemon.text(berth, ["unpause", "counter"]);
  const more = daemon.events();
  const slow = daemon.live(berth, ["volume", "export", "--pause", "counted"]);
  await more.prints('"Action":"pause"');
  slow.kill("SIGKILL");
  await more.prints('"Action":"unpause"');
  more.kill("SIGTERM");
  assert.equal(await state(), "running");
});

test("volume df and ls -s tell sizes, users and snapshots", async () => {
  await daemon.text(berth, ["volume", "create", "used"]);
  await writeFile(`${dataOf("used")}/file`, Buffer.alloc(5000));
  await daemon.text(berth, ["volume", "create", "free"]);
  await writeFile(`${dataOf("free")}/file`, Buffer.alloc(2000));
  await daemon.text(berth, ["volume", "create", "-o", "type=tmpfs", "-o", "device=tmpfs", "memory"]);
  await daemon.text(berth, ["create", "-v", "used:/u", "-v", "memory:/m", "busybox", "true"]);
  await snapshot("create", "used", "one");
  const df = (await daemon.text(berth, ["volume", "df"])).replace(/ +/g, " ");
  const table = "VOLUME NAME LINKS SIZE SNAPSHOTS\nused 1 5kB 1 (5kB)\nfree 0 2kB 0\n\n";
  assert.equal(df, `${table}Total 12kB, of it unused 2kB`);
  assert.equal(
    (await daemon.text(berth, ["volume", "ls", "-s"])).replace(/ +/g, " "),
    "DRIVER VOLUME NAME SIZE\nlocal free 2kB\nlocal memory N/A\nlocal used 5kB",
  );
  const named = ["volume", "ls", "-s", "-f", "name=use", "--format", "{{.Name}} {{.Size}}"];
  assert.equal(await daemon.text(berth, named), "used 5kB");
});

test("a daemon that is killed while it copies leaves nothing of the copy", async () => {
  await daemon.text(berth, ["volume", "create", "large"]);
  const files = Array.from({ length: 3000 }, (_, i) => `${dataOf("large")}/${i}`);
  await Promise.all(files.map((f) => writeFile(f, Buffer.alloc(20_000))));
  const fresh = `${daemon.dataRoot}/volumes/.new`;
  const creation = daemon.run(berth, ["volume", "snapshot", "create", "large", "cut"]);
  for (;;) {
    const [name] = await readdir(fresh).catch(() => []);
    if (name !== undefined && (await readdir(`${fresh}/${name}`)).length > 100) break;
    await new Promise(setImmediate);
  }
  await daemon.kill();
  assert.notEqual((await creation).status, 0);
  await daemon.up();
  assert.equal(existsSync(fresh), false);
  assert.equal(await snapshot("ls", "-q", "large"), "");
  await snapshot("create", "large", "cut");
  assert.equal((await readdir(`${dirOf("large")}/_snapshots/cut`)).length, 3000);
});

/** A mount namespace of the daemon's own, in which its data root is a disk of that file system. */
function onDisk(type: string, megabytes: number, make: string): (argv: string[]) => string[] {
  const script = `mkdir -p "$1"; [ -e "$1.img" ] || { truncate -s ${megabytes}m "$1.img"; ${make} "$1.img" >/dev/null; }; mount -t ${type} -o loop "$1.img" "$1"; shift; exec "$@"`;
  return (argv) => {
    const dataRoot = argv[argv.indexOf("--data-root") + 1] as string;
    return ["unshare", "-m", "sh", "-ec", script, "sh", dataRoot, ...argv];
  };
}

test("a disk without room for a copy keeps the volume, and nothing of the copy", async () => {
  const small = await TestDaemon.start({
    wrap: onDisk("ext4", 96, "mkfs.ext4 -q -O ^has_journal"),
    expectedErrors: /space|ENOSPC/i,
  });
  await mkdir(small.path("data/containers"), { recursive: true }); // where the harness looks for what is left
  try {
    const inside = `/proc/${small.pid}/root${small.dataRoot}/volumes`;
    await small.text(berth, ["volume", "create", "big"]);
    await writeFile(`${inside}/big/_data/file`, Buffer.alloc(50 << 20, 1));
    for (const args of [
      ["snapshot", "create", "big", "one"],
      ["clone", "big", "twin"],
    ]) {
      const outcome = await small.run(berth, ["volume", ...args]);
      assert.equal(outcome.status, 1);
      assert.match(outcome.stderr, /No space left on device/);
    }
    assert.equal(await small.text(berth, ["volume", "ls", "-q"]), "big");
    assert.equal(await small.text(berth, ["volume", "snapshot", "ls", "-q", "big"]), "");
    await small.text(berth, ["volume", "rm", "big"]);
    await small.text(berth, ["volume", "create", "again"]);
  } finally {
    await small.close();
  }
});

test("where the file system can, a copy shares its blocks with the volume", async () => {
  const shared = await TestDaemon.start({ wrap: onDisk("btrfs", 200, "mkfs.btrfs -q -M") });
  await mkdir(shared.path("data/containers"), { recursive: true });
  try {
    const inside = `/proc/${shared.pid}/root${shared.dataRoot}/volumes`;
    await shared.text(berth, ["volume", "create", "big"]);
    await writeFile(`${inside}/big/_data/file`, Buffer.alloc(60 << 20, 1));
    // Ten times as much as there is room for.
    for (let i = 0; i < 10; i++) {
      await shared.text(berth, ["volume", "snapshot", "create", "big", `s${i}`]);
      await shared.text(berth, ["volume", "clone", "big", `twin${i}`]);
    }
    await writeFile(`${inside}/big/_data/file`, "short");
    await shared.text(berth, ["volume", "snapshot", "restore", "big", "s0"]);
    assert.equal((await stat(`${inside}/big/_data/file`)).size, 60 << 20);
  } finally {
    await shared.close();
  }
});
