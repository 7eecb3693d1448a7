// Named and anonymous volumes, by both command lines: they are made, listed, shared, filled from the image, kept and removed as
// Docker's are, and no crash of the daemon loses or half-fills one.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { chmod, chown, lstat, mkdir, readdir, readFile, stat, symlink, writeFile } from "node:fs/promises";
import { after, afterEach, before, test } from "node:test";
import { run } from "./command.ts";
import { type Client, clients, TestDaemon } from "./harness.ts";

let daemon: TestDaemon;
before(async () => {
  daemon = await TestDaemon.start();
  await importTree("content", async (dir) => {
    await mkdir(`${dir}/data/sub`, { recursive: true });
    await writeFile(`${dir}/data/file`, "from the image\n");
    await run(["ln", `${dir}/data/file`, `${dir}/data/hard`]);
    await symlink("file", `${dir}/data/link`);
    await chown(`${dir}/data/sub`, 1000, 1000);
    await chmod(`${dir}/data/sub`, 0o711);
    await chown(`${dir}/data`, 5, 6);
    await chmod(`${dir}/data`, 0o2750);
    await symlink("/data", `${dir}/alias`);
    await symlink("/../../../../etc", `${dir}/escape`);
  });
});
after(() => daemon.close());
afterEach(async () => {
  await daemon.removeContainers();
  await daemon.removeVolumes();
});

const [first] = clients as readonly [Client, ...Client[]];

/** Makes an image of the base image's files and what `make` puts beside them. */
async function importTree(name: string, make: (dir: string) => Promise<void>): Promise<void> {
  const dir = daemon.path(`image-${name}`);
  await mkdir(`${dir}/bin`, { recursive: true });
  await run(["cp", "/bin/busybox", `${dir}/bin/busybox`]);
  for (const applet of ["sh", "ls", "cat", "stat", "touch", "sleep", "true", "grep", "echo", "find"])
    await symlink("busybox", `${dir}/bin/${applet}`);
  await make(dir);
  const tar = await run(["tar", "-C", dir, "--xattrs", "--xattrs-include=*", "--numeric-owner", "-c", "."]);
  const target = `http://localhost/images/create?fromSrc=-&repo=${name}&tag=latest`;
  const put = ["curl", "-sf", "--unix-socket", daemon.socket, "-T", "-", "-X", "POST", target];
  assert.equal((await run(put, { input: tar.bytes })).status, 0);
}

const dataOf = (name: string): string => `${daemon.dataRoot}/volumes/${name}/_data`;
const mode = async (path: string): Promise<string> => ((await stat(path)).mode & 0o7777).toString(8);

interface Volume {
  Name: string;
  Driver: string;
  Labels: Record<string, string> | null;
  Options: Record<string, string> | null;
  Mountpoint: string;
  UsageData?: { Size: number; RefCount: number };
}

async function volume(name: string): Promise<Volume> {
  const { status, body } = await daemon.request("GET", `/volumes/${name}`);
  assert.equal(status, 200, JSON.stringify(body));
  return body as Volume;
}

async function volumeNames(): Promise<string[]> {
  const { body } = await daemon.request("GET", "/volumes");
  return (body as { Volumes: Volume[] }).Volumes.map((v) => v.Name);
}

for (const c of clients) {
  test(`a volume is made once, listed, inspected and removed (${c.name})`, async () => {
    const make = ["volume", "create", "--label", "tier=front", "shelf"];
    assert.equal(await daemon.text(c, make), "shelf");
    assert.equal(await daemon.text(c, ["volume", "create", "shelf"]), "shelf", "an existing one is returned");
    const format = "{{.Name}} {{.Driver}} {{.Scope}} {{.Mountpoint}} {{json .Labels}} {{json .Options}}";
    assert.equal(
      await daemon.text(c, ["volume", "inspect", "-f", format, "shelf"]),
      `shelf local local ${dataOf("shelf")} {"tier":"front"} null`,
    );
    assert.equal(await mode(dataOf("shelf")), "755");
    assert.equal(await mode(`${daemon.dataRoot}/volumes/shelf`), "701");
    const unnamed = await daemon.text(c, ["volume", "create"]);
    assert.match(unnamed, /^[0-9a-f]{64}$/);
    assert.deepEqual((await volume(unnamed)).Labels, { "com.docker.volume.anonymous": "" });
    assert.equal(await daemon.text(c, ["volume", "ls", "-q", "-f", "label=tier=front"]), "shelf");
    assert.equal(await daemon.text(c, ["volume", "ls", "-q", "-f", "name=hel"]), "shelf");
    assert.equal(await daemon.text(c, ["volume", "ls", "-q", "-f", "dangling=false"]), "");
    assert.equal(await daemon.text(c, ["volume", "ls", "-q", "-f", "driver=other"]), "");
    assert.match(await daemon.text(c, ["volume", "ls"]), /^DRIVER +VOLUME NAME\nlocal +/);
    assert.equal(await daemon.text(c, ["volume", "rm", "shelf", unnamed]), `shelf\n${unnamed}`);
    assert.equal(existsSync(`${daemon.dataRoot}/volumes/shelf`), false);
    const gone = await daemon.run(c, ["volume", "rm", "shelf"]);
    assert.equal(gone.status, 1);
    assert.match(gone.stderr, /get shelf: no such volume/);
    assert.equal(await daemon.text(c, ["volume", "rm", "-f", "shelf"]), "shelf");
  });

  test(`what can be no volume is refused in Docker's words (${c.name})`, async () => {
    const refused: [string[], RegExp][] = [
      [["x"], /create x: volume name is too short, names should be at least two alphanumeric characters/],
      [
        ["../up"],
        /create \.\.\/up: "\.\.\/up" includes invalid characters for a local volume name, only "\[a-zA-Z0-9\]/,
      ],
      [["n".repeat(300)], /the volume name is too long/],
      [["-o", "colour=red", "v1"], /create v1: invalid option: "colour"/],
      [["-o", "type=tmpfs", "v1"], /create v1: missing required option: "device"/],
      [["-o", "o=ro", "v1"], /create v1: missing required option: "device"/],
      [["-o", "size=1g", "v1"], /create v1: quota size requested but no quota support/],
      [["-d", "nosuch", "v1"], /create v1: error looking up volume plugin nosuch: plugin "nosuch" not found/],
    ];
    for (const [args, reason] of refused) {
      const outcome = await daemon.run(c, ["volume", "create", ...args]);
      assert.equal(outcome.status, 1, args.join(" "));
      assert.match(outcome.stderr, reason);
    }
    assert.deepEqual(await volumeNames(), []);
    assert.deepEqual(
      (await readdir(`${daemon.dataRoot}/volumes`)).filter((n) => !n.startsWith(".")),
      [],
    );
  });

  test(`a volume outlives its containers and is shared by them (${c.name})`, async () => {
    const write = ["run", "--rm", "-v", "shared:/a", "busybox", "sh", "-c", "echo one > /a/file"];
    await daemon.text(c, write);
    await daemon.text(c, ["run", "-d", "--name", "reader", "-v", "shared:/b:ro", "busybox", "sleep", "600"]);
    assert.equal(await daemon.text(c, ["exec", "reader", "cat", "/b/file"]), "one");
    await daemon.text(c, ["run", "--rm", "-v", "shared:/a", "busybox", "sh", "-c", "echo two > /a/file"]);
    assert.equal(await daemon.text(c, ["exec", "reader", "cat", "/b/file"]), "two");
    const refused = await daemon.run(c, ["exec", "reader", "touch", "/b/no"]);
    assert.match(refused.stderr + refused.stdout, /Read-only file system/);
    const { Id } = await daemon.inspect("reader");
    const inUse = await daemon.run(c, ["volume", "rm", "-f", "shared"]);
    assert.equal(inUse.status, 1);
    assert.match(inUse.stderr, new RegExp(`remove shared: volume is in use - \\[${Id}\\]`));
    assert.equal((await daemon.request("DELETE", "/volumes/shared")).status, 409);
    await daemon.text(c, ["rm", "-f", "-v", "reader"]);
    assert.deepEqual(await volumeNames(), ["shared"], "rm -v leaves what has a name");
  });

  test(`an empty volume gets what the image has at its mount point (${c.name})`, async () => {
    await daemon.text(c, ["create", "--name", "filler", "-v", "filled:/data", "content", "true"]);
    const at = dataOf("filled");
    assert.equal(await readFile(`${at}/file`, "utf8"), "from the image\n");
    assert.equal(await mode(at), "2750");
    const top = await stat(at);
    assert.deepEqual([top.uid, top.gid], [5, 6]);
    const sub = await stat(`${at}/sub`);
    assert.deepEqual([sub.uid, sub.gid, sub.mode & 0o777], [1000, 1000, 0o711]);
    assert.equal((await stat(`${at}/file`)).ino, (await stat(`${at}/hard`)).ino, "hard links stay links");
    assert.ok((await lstat(`${at}/link`)).isSymbolicLink());
    // What is there is never replaced, and `nocopy` fills nothing.
    await writeFile(`${at}/file`, "mine\n");
    await daemon.text(c, ["run", "--rm", "-v", "filled:/data", "content", "true"]);
    assert.equal(await readFile(`${at}/file`, "utf8"), "mine\n");
    await daemon.text(c, ["run", "--rm", "-v", "empty:/data:nocopy", "content", "true"]);
    assert.deepEqual(await readdir(dataOf("empty")), []);
    const noCopy = "type=volume,src=empty2,dst=/data,volume-nocopy";
    await daemon.text(c, ["run", "--rm", "--mount", noCopy, "content", "true"]);
    assert.deepEqual(await readdir(dataOf("empty2")), []);
    // A symlink at the destination leads where the container's own root has it, wherever it points.
    await daemon.text(c, ["run", "--rm", "-v", "aliased:/alias", "content", "true"]);
    assert.equal(await readFile(`${dataOf("aliased")}/file`, "utf8"), "from the image\n");
    const escaped = await daemon.run(c, ["run", "--rm", "-v", "escaped:/escape", "content", "ls", "/escape"]);
    assert.equal(escaped.status, 0, escaped.stderr);
    assert.equal(existsSync(`${dataOf("escaped")}/passwd`), false, "nothing of the host came in");
  });

  test(`anonymous volumes go with rm -v and --rm, and stay otherwise (${c.name})`, async () => {
    await daemon.text(c, ["run", "--name", "kept", "-v", "/one", "busybox", "touch", "/one/file"]);
    const [kept = ""] = await volumeNames();
    assert.match(kept, /^[0-9a-f]{64}$/);
    await daemon.text(c, ["rm", "kept"]);
    assert.deepEqual(await volumeNames(), [kept]);
    await daemon.text(c, ["run", "--rm", "-v", "/one", "-v", "named:/two", "busybox", "true"]);
    assert.deepEqual((await volumeNames()).sort(), [kept, "named"].sort());
    await daemon.text(c, ["create", "--name", "gone", "--mount", "type=volume,dst=/one", "busybox", "true"]);
    await daemon.text(c, ["rm", "-v", "gone"]);
    assert.deepEqual((await volumeNames()).sort(), [kept, "named"].sort());
    assert.match(await daemon.text(c, ["volume", "prune", "-f"]), new RegExp(`^Deleted Volumes:\n${kept}\n`));
    assert.deepEqual(await volumeNames(), ["named"], "what has a name is not pruned");
    assert.match(await daemon.text(c, ["volume", "prune", "-af"]), /^Deleted Volumes:\nnamed\n/);
    assert.deepEqual(await volumeNames(), []);
  });

  test(`--volumes-from takes what others have, ro where it says so, below -v (${c.name})`, async () => {
    const bind = daemon.path(`from-${c.name}`);
    await mkdir(bind);
    await writeFile(`${bind}/file`, "bound\n");
    const source = ["-v", "named:/named", "-v", "/anon", "-v", `${bind}:/bind`, "-v", "named2:/over"];
    await daemon.text(c, [
      "run",
      "--name",
      "source",
      ...source,
      "busybox",
      "touch",
      "/anon/mark",
      "/named/mark",
    ]);
    const rw = ["run", "--rm", "--volumes-from", "source", "busybox"];
    assert.equal(await daemon.text(c, [...rw, "cat", "/bind/file"]), "bound");
    await daemon.text(c, [...rw, "touch", "/anon/second"]);
    const ro = await daemon.run(c, [
      "run",
      "--rm",
      "--volumes-from",
      "source:ro",
      "busybox",
      "touch",
      "/anon/x",
    ]);
    assert.match(ro.stdout + ro.stderr, /Read-only file system/);
    const over = ["run", "--rm", "--volumes-from", "source", "-v", "other:/over", "busybox"];
    await daemon.text(c, [...over, "touch", "/over/mark"]);
    assert.deepEqual(await readdir(dataOf("other")), ["mark"]);
    assert.deepEqual(await readdir(dataOf("named2")), []);
    await daemon.text(c, ["create", "--name", "second", "--volumes-from", "source", "busybox", "true"]);
    await daemon.text(c, ["rm", "-v", "source"]);
    const anonymous = (await volumeNames()).filter((n) => n.length === 64);
    assert.equal(anonymous.length, 1, "the other container still has it");
    await daemon.text(c, ["rm", "-v", "second"]);
    assert.equal((await volumeNames()).filter((n) => n.length === 64).length, 0);
    for (const [value, reason] of [
      ["nobody", /No such container: nobody/],
      ["source:rw,ro", /invalid mode: rw,ro/],
      ["source:shared", /invalid mode: shared/],
    ] as const) {
      const refused = await daemon.run(c, ["create", "--volumes-from", value, "busybox", "true"]);
      assert.equal(refused.status, 1);
      assert.match(refused.stderr, reason);
    }
  });

  test(`volumes with options are mounted while they are used (${c.name})`, async () => {
    const options = ["-o", "type=tmpfs", "-o", "device=tmpfs", "-o", "o=size=1m,uid=1000"];
    await daemon.text(c, ["volume", "create", ...options, "memory"]);
    await daemon.text(c, ["run", "-d", "--name", "holder", "-v", "memory:/m", "busybox", "sleep", "600"]);
    assert.match(
      await daemon.text(c, ["exec", "holder", "grep", " /m ", "/proc/mounts"]),
      /tmpfs.*size=1024k/,
    );
    await daemon.text(c, ["exec", "holder", "sh", "-c", "echo shared > /m/file"]);
    assert.equal(
      await daemon.text(c, ["run", "--rm", "-v", "memory:/x", "busybox", "cat", "/x/file"]),
      "shared",
    );
    assert.equal(await isMounted(dataOf("memory")), true);
    await daemon.text(c, ["rm", "-f", "holder"]);
    assert.equal(await isMounted(dataOf("memory")), false, "unmounted after the last user");
    const source = daemon.path(`device-${c.name}`);
    await mkdir(source);
    await writeFile(`${source}/file`, "on the host\n");
    const bind = ["-o", "type=none", "-o", "o=bind,ro", "-o", `device=${source}`];
    await daemon.text(c, ["volume", "create", ...bind, "bound"]);
    assert.equal(
      await daemon.text(c, ["run", "--rm", "-v", "bound:/x", "busybox", "cat", "/x/file"]),
      "on the host",
    );
    const readonly = await daemon.run(c, ["run", "--rm", "-v", "bound:/x", "busybox", "touch", "/x/y"]);
    assert.match(readonly.stdout + readonly.stderr, /Read-only file system/);
    await daemon.text(c, [
      "volume",
      "create",
      "-o",
      "type=nfs",
      "-o",
      "o=addr=127.0.0.1,rw",
      "-o",
      "device=:/x",
      "nfs",
    ]);
    const nfs = await daemon.run(c, ["run", "--name", "remote", "-v", "nfs:/x", "busybox", "true"]);
    assert.notEqual(nfs.status, 0);
    assert.match(
      nfs.stderr,
      /error while mounting volume '.*\/nfs\/_data': failed to mount local volume: mount :\/x:.*\/nfs\/_data, data: addr=127\.0\.0\.1: /,
    );
    await daemon.text(c, ["cp", "/etc/hostname", "remote:/hostname"]);
  });

  test(`cp reaches into the volumes of running and stopped containers (${c.name})`, async () => {
    await daemon.text(c, ["volume", "create", "-o", "type=tmpfs", "-o", "device=tmpfs", "memory"]);
    const flags = ["-v", "named:/named", "-v", "memory:/memory", "-v", "shut:/shut:ro"];
    await daemon.text(c, ["run", "-d", "--name", "copied", ...flags, "busybox", "sleep", "600"]);
    await writeFile(daemon.path("to-copy"), "copied\n");
    for (const state of ["running", "stopped"]) {
      await daemon.text(c, ["cp", daemon.path("to-copy"), `copied:/named/${state}`]);
      assert.equal(await readFile(`${dataOf("named")}/${state}`, "utf8"), "copied\n");
      await daemon.text(c, ["cp", `copied:/named/${state}`, daemon.path("back")]);
      assert.equal(await readFile(daemon.path("back"), "utf8"), "copied\n");
      const shut = await daemon.run(c, ["cp", daemon.path("to-copy"), "copied:/shut/file"]);
      assert.match(shut.stderr, /read-only/i);
      if (state === "running") await daemon.text(c, ["stop", "-t", "0", "copied"]);
    }
    await daemon.text(c, ["cp", daemon.path("to-copy"), "copied:/memory/file"]);
    assert.equal(await isMounted(dataOf("memory")), false);
    const tar = await daemon.run(c, ["export", "copied"]);
    const list = await run(["tar", "-t"], { input: tar.bytes });
    assert.doesNotMatch(list.stdout, /named\/running/, "export leaves volumes out");
    assert.doesNotMatch(await daemon.text(c, ["diff", "copied"]), /named\/running/);
  });
}

async function isMounted(path: string): Promise<boolean> {
  return (await readFile("/proc/self/mountinfo", "utf8")).includes(` ${path} `);
}

test("a volume is exported, imported and cloned with everything in it", async () => {
  const berth = clients.find((c) => c.name === "berth") ?? first;
  await daemon.text(first, ["create", "--name", "source", "-v", "books:/data", "content", "true"]);
  const tar = daemon.path("books.tar");
  await daemon.text(berth, ["volume", "export", "-o", tar, "books"]);
  const piped = await daemon.run(berth, ["volume", "export", "books"]);
  assert.deepEqual(piped.bytes, await readFile(tar));
  await daemon.text(berth, ["volume", "import", "restored", tar]);
  await daemon.text(berth, ["volume", "import", "piped", "-"], { input: piped.bytes });
  assert.equal(await daemon.text(berth, ["volume", "clone", "books", "twin"]), "twin");
  for (const name of ["restored", "piped", "twin"]) {
    const at = dataOf(name);
    const [top, sub] = [await stat(at), await stat(`${at}/sub`)];
    assert.deepEqual([top.uid, top.gid, (top.mode & 0o7777).toString(8)], [5, 6, "2750"], name);
    assert.deepEqual([sub.uid, sub.gid], [1000, 1000]);
    assert.equal(await readFile(`${at}/file`, "utf8"), "from the image\n");
    assert.equal((await stat(`${at}/file`)).ino, (await stat(`${at}/hard`)).ino);
    assert.ok((await lstat(`${at}/link`)).isSymbolicLink());
  }
  assert.equal((await daemon.run(berth, ["volume", "clone", "books", "twin"])).status, 1);
  assert.equal((await daemon.request("GET", "/volumes/nosuch/archive")).status, 404);
  assert.equal((await daemon.request("POST", "/volumes/nosuch/clone?to=x1")).status, 404);
  assert.equal((await daemon.request("POST", "/volumes/books/clone?to=../up")).status, 400);
  const hostile = await run(["tar", "-c", "-P", "--transform", "s,^,../../,", "/etc/hostname"]);
  const refused = await daemon.run(berth, ["volume", "import", "piped"], { input: hostile.bytes });
  assert.match(refused.stderr, /outside of the directory/);
  await daemon.kill();
  await daemon.up();
  assert.deepEqual((await volumeNames()).sort(), ["books", "piped", "restored", "twin"]);
});

test("the events of a volume's life come with Docker's attributes", async () => {
  const events = daemon.events();
  await daemon.text(first, ["run", "--name", "evented", "-v", "seen:/v:ro", "busybox", "true"]);
  await daemon.text(first, ["rm", "evented"]);
  await daemon.text(first, ["volume", "rm", "seen"]);
  await daemon.text(first, ["volume", "prune", "-f"]);
  await events.prints('"prune"');
  events.kill("SIGTERM");
  const { stdout } = await events.ended;
  const all = stdout
    .trim()
    .split("\n")
    .map(
      (line) =>
        JSON.parse(line) as { Type: string; Action: string; Actor: { ID: string; Attributes: object } },
    )
    .filter((e) => e.Type === "volume");
  const container = ((all[1]?.Actor.Attributes ?? {}) as { container?: string }).container ?? "";
  assert.match(container, /^[0-9a-f]{64}$/);
  assert.deepEqual(
    all.map((e) => [e.Action, e.Actor.ID, e.Actor.Attributes]),
    [
      ["create", "seen", { driver: "local" }],
      [
        "mount",
        "seen",
        { container, destination: "/v", driver: "local", propagation: "", "read/write": "false" },
      ],
      ["unmount", "seen", { container, driver: "local" }],
      ["destroy", "seen", { driver: "local" }],
      ["prune", "", { reclaimed: "0" }],
    ],
  );
});

test("clients before API 1.42 prune all unused volumes", async () => {
  await daemon.text(first, ["volume", "create", "named"]);
  const now = await daemon.request("POST", "/v1.42/volumes/prune");
  assert.deepEqual(now.body, { VolumesDeleted: [], SpaceReclaimed: 0 });
  const before42 = await daemon.request("POST", "/v1.41/volumes/prune");
  assert.deepEqual(before42.body, { VolumesDeleted: ["named"], SpaceReclaimed: 0 });
  for (const filters of [{ until: ["1h"] }, { all: ["maybe"] }]) {
    const path = `/volumes/prune?filters=${encodeURIComponent(JSON.stringify(filters))}`;
    assert.equal((await daemon.request("POST", path)).status, 400);
  }
});

test("changing a volume needs a cluster", async () => {
  await daemon.text(first, ["volume", "create", "named"]);
  const { status, body } = await daemon.request("PUT", "/volumes/named?version=1", { Spec: {} });
  assert.equal(status, 503);
  assert.match((body as { message: string }).message, /volume update only valid for cluster volumes/);
});

test("system df counts volumes, their users and what could be reclaimed", async () => {
  const dd = ["dd", "if=/dev/zero", "of=/v/file", "bs=1000", "count=5"];
  await daemon.text(first, ["run", "--name", "user", "-v", "used:/v", "busybox", ...dd]);
  await daemon.text(first, ["run", "--rm", "-v", "free:/v", "busybox", ...dd]);
  const { body } = await daemon.request("GET", "/v1.52/system/df?verbose=1&type=volume");
  const { VolumeUsage } = body as {
    VolumeUsage: {
      ActiveCount: number;
      TotalCount: number;
      Reclaimable: number;
      TotalSize: number;
      Items: Volume[];
    };
  };
  const { Items, ...sums } = VolumeUsage;
  assert.deepEqual(sums, { ActiveCount: 1, TotalCount: 2, Reclaimable: 5000, TotalSize: 10_000 });
  assert.deepEqual(
    Items.map((v) => [v.Name, v.UsageData]),
    [
      ["used", { RefCount: 1, Size: 5000 }],
      ["free", { RefCount: 0, Size: 5000 }],
    ],
  );
});

test("two containers that use a new volume at the same time both find the image's content", async () => {
  const one = (): Promise<string> =>
    daemon.text(first, ["run", "--rm", "-v", "raced:/data", "content", "ls", "/data"]);
  const lists = await Promise.all(Array.from({ length: 6 }, one));
  for (const list of lists) assert.equal(list, "file\nhard\nlink\nsub");
  await Promise.all(
    Array.from({ length: 6 }, () => daemon.text(first, ["volume", "create", "made-at-once"])),
  );
  assert.deepEqual((await volumeNames()).sort(), ["made-at-once", "raced"]);
});

test("a volume without room for the image's files is no container's, and usable afterwards", async () => {
  await importTree("wide", async (dir) => {
    await mkdir(`${dir}/data`);
    await Promise.all(["a", "b", "c"].map((n) => writeFile(`${dir}/data/${n}`, Buffer.alloc(60_000))));
  });
  const options = ["-o", "type=tmpfs", "-o", "device=tmpfs", "-o", "o=size=100k"];
  await daemon.text(first, ["volume", "create", ...options, "narrow"]);
  const full = await daemon.run(first, ["create", "--name", "full", "-v", "narrow:/data", "wide", "true"]);
  assert.notEqual(full.status, 0);
  assert.match(full.stderr, /cannot copy the image's files into volume narrow: .*No space left on device/);
  assert.equal(await daemon.text(first, ["ps", "-aq"]), "");
  assert.equal(await isMounted(dataOf("narrow")), false);
  const empty = ["run", "--rm", "-v", "narrow:/data:nocopy", "busybox", "ls", "/data"];
  assert.equal(await daemon.text(first, empty), "");
});

test("a container that could not be made leaves no anonymous volume", async () => {
  const refused = await daemon.run(first, ["create", "-v", "/one", "-v", "/etc/passwd", "busybox", "true"]);
  assert.notEqual(refused.status, 0);
  assert.match(refused.stderr, /cannot mount volume over existing file, file exists/);
  assert.deepEqual(await volumeNames(), []);
});

test("volumes, their users and their content are right after the daemon was killed", async () => {
  await daemon.text(first, ["volume", "create", "-o", "type=tmpfs", "-o", "device=tmpfs", "memory"]);
  const flags = ["-v", "held:/h", "-v", "memory:/m", "-v", "/anon"];
  await daemon.text(first, ["run", "-d", "--name", "holder", ...flags, "busybox", "sleep", "600"]);
  await daemon.text(first, ["exec", "holder", "sh", "-c", "echo kept | tee /h/file /m/file"]);
  const { Id } = await daemon.inspect("holder");
  await daemon.kill();
  await daemon.up();
  const inUse = await daemon.request("DELETE", "/volumes/held");
  assert.deepEqual(inUse.body, { message: `remove held: volume is in use - [${Id}]` });
  assert.equal(await daemon.text(first, ["exec", "holder", "cat", "/h/file", "/m/file"]), "kept\nkept");
  assert.equal(
    await daemon.text(first, ["run", "--rm", "-v", "memory:/m", "busybox", "cat", "/m/file"]),
    "kept",
  );
  assert.equal(await isMounted(dataOf("memory")), true, "the first user still has it");
  // The container ends while no daemon is there.
  const { State } = await daemon.inspect("holder");
  await daemon.kill();
  process.kill(State.Pid, "SIGKILL");
  await daemon.up();
  assert.equal(await isMounted(dataOf("memory")), false);
  await daemon.text(first, ["rm", "-v", "holder"]);
  assert.deepEqual((await volumeNames()).sort(), ["held", "memory"]);
});

test("a volume that was being filled when the daemon was killed is filled again, or empty", async () => {
  await importTree("large", async (dir) => {
    await mkdir(`${dir}/data`);
    await Promise.all(
      Array.from({ length: 3000 }, (_, i) => writeFile(`${dir}/data/${i}`, Buffer.alloc(20_000, i))),
    );
  });
  const at = dataOf("half");
  const creation = daemon.run(first, ["create", "--name", "cut", "-v", "half:/data", "large", "true"]);
  for (;;) {
    const count = (await readdir(at).catch(() => [])).length;
    if (count > 100) break;
    await new Promise(setImmediate);
  }
  await daemon.kill();
  await creation;
  assert.ok((await readdir(at)).length < 3000, "it was caught in the middle");
  await daemon.up();
  assert.deepEqual(await daemon.text(first, ["ps", "-aq"]), "");
  const count = await daemon.text(first, [
    "run",
    "--rm",
    "-v",
    "half:/data:nocopy",
    "busybox",
    "ls",
    "/data",
  ]);
  assert.equal(count, "", "nothing half-done is left");
  const list = await daemon.text(first, ["run", "--rm", "-v", "half:/data", "large", "ls", "/data"]);
  assert.equal(list.split("\n").length, 3000);
  // Anonymous volumes of a container that never came to be, and directories that nobody knows, are gone.
  await mkdir(`${daemon.dataRoot}/volumes/stray/_data`, { recursive: true });
  await daemon.kill();
  await daemon.up();
  assert.equal(existsSync(`${daemon.dataRoot}/volumes/stray`), false);
  assert.deepEqual(await volumeNames(), ["half"]);
});

test("filters that are none are refused in Docker's words, and a value sent as false is neither yes nor no", async () => {
  const ask = async (filters: string) =>
    (await daemon.request("GET", `/volumes?filters=${encodeURIComponent(filters)}`)) as {
      status: number;
      body: { message?: string; Volumes?: { Name: string }[] };
    };
  for (const broken of ["{", "[]", '{"label":"x"}', '{"label":{"a":1}}']) {
    const { status, body } = await ask(broken);
    assert.deepEqual([status, body.message], [400, "error reading volume filters: invalid filter"], broken);
  }
  const no = await ask('{"dangling":{"true":false}}');
  assert.deepEqual([no.status, no.body.message], [400, "invalid filter 'dangling=[true]'"]);
  await daemon.text(first, ["volume", "create", "free"]);
  const names = async (filters: string) => (await ask(filters)).body.Volumes?.map((v) => v.Name);
  assert.deepEqual(await names('{"name":{"free":true},"dangling":{"true":true,"false":false}}'), ["free"]);
  assert.deepEqual(await names('{"name":{"free":false}}'), ["free"]);
  await daemon.text(first, ["volume", "rm", "free"]);
});
