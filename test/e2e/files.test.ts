// Copying between a container and the host, by both command lines: bytes, owners, modes, links and times must come through,
// and nothing in a container may lead a copy out of it.
import assert from "node:assert/strict";
import { createHash, randomFillSync } from "node:crypto";
import { chmod, lstat, mkdir, readdir, readFile, readlink, symlink, writeFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { TAR_END, tarEntry, tarHeader, tarPadding } from "../../src/lib/tar/writer.ts";
import { run } from "./command.ts";
import { clients, TestDaemon } from "./harness.ts";

const MEBIBYTE = 1 << 20;

let daemon: TestDaemon;
before(async () => {
  daemon = await TestDaemon.start();
});
after(() => daemon.close());

const client = clients[0] as (typeof clients)[number];
const namesIn = async (dir: string): Promise<string[]> => (await readdir(dir)).sort();
const digest = (data: Uint8Array): string => createHash("sha256").update(data).digest("hex");

async function container(name: string, script = "exec sleep 600", ...flags: string[]): Promise<string> {
  await daemon.text(client, ["run", "-d", "--name", name, ...flags, "busybox", "sh", "-c", script]);
  return name;
}

for (const c of clients) {
  test(`a large file comes through both ways, byte for byte (${c.name})`, async () => {
    const name = await container(`large-${c.name}`);
    const data = randomFillSync(Buffer.alloc(100 * MEBIBYTE));
    const [from, to] = [daemon.path(`large-${c.name}`), daemon.path(`large-${c.name}-back`)];
    await writeFile(from, data);
    await daemon.text(c, ["cp", from, `${name}:/large`]);
    const sum = await daemon.text(c, ["exec", name, "sha256sum", "/large"]);
    assert.equal(sum.split(" ")[0], digest(data));
    await daemon.text(c, ["cp", `${name}:/large`, to]);
    assert.equal(digest(await readFile(to)), digest(data));
  });

  for (const state of ["running", "stopped"] as const) {
    test(`a tree keeps modes, links and times, ${state} (${c.name})`, async () => {
      const name = await container(`tree-${state}-${c.name}`);
      if (state === "stopped") await daemon.text(c, ["stop", "-t", "0", name]);
      const source = daemon.path(`tree-${state}-${c.name}`);
      await mkdir(`${source}/sub/empty`, { recursive: true });
      await writeFile(`${source}/sub/file`, "content\n");
      await chmod(`${source}/sub/file`, 0o640);
      await symlink("/etc/passwd", `${source}/sub/link`);
      await daemon.text(c, ["cp", source, `${name}:/srv`]);
      await daemon.text(c, ["cp", `${source}/.`, `${name}:/tmp`]);
      const back = `${source}-back`;
      await daemon.text(c, ["cp", "-a", `${name}:/srv`, back]);
      assert.deepEqual(await namesIn(`${back}/sub`), ["empty", "file", "link"]);
      assert.equal(await readFile(`${back}/sub/file`, "utf8"), "content\n");
      const [before, after] = [await lstat(`${source}/sub/file`), await lstat(`${back}/sub/file`)];
      assert.equal(after.mode & 0o7777, 0o640);
      assert.equal(Math.floor(after.mtimeMs / 1000), Math.floor(before.mtimeMs / 1000));
      assert.equal(await readlink(`${back}/sub/link`), "/etc/passwd");
      await daemon.text(c, ["cp", `${name}:/tmp/sub/.`, `${source}-dot`]);
      assert.deepEqual(await namesIn(`${source}-dot`), ["empty", "file", "link"]);
      if (state === "running") return;
      await daemon.text(c, ["start", name]);
      assert.equal(await daemon.text(c, ["exec", name, "cat", "/srv/sub/file"]), "content");
    });
  }

  test(`streams, -L and -a mean what Docker says (${c.name})`, async () => {
    const name = await container(
      `stream-${c.name}`,
      "mkdir -p /d/e; echo hi >/d/e/f; ln /d/e/f /d/e/g; ln -s e/f /d/l; chown 7:8 /d/e/f; exec sleep 600",
      "-u",
      "0:0",
    );
    await daemon.text(c, ["exec", name, "sh", "-c", "while ! test -L /d/l; do :; done; chown 7:8 /d/e/f"]);
    const copied = await daemon.run(c, ["cp", `${name}:/d`, "-"]);
    assert.equal(copied.status, 0, copied.stderr);
    await daemon.text(c, ["cp", "-", `${name}:/tmp`], { input: copied.bytes });
    assert.equal(await daemon.text(c, ["exec", name, "stat", "-c", "%u %g %h", "/tmp/d/e/g"]), "7 8 2");
    const plain = daemon.path(`link-${c.name}`);
    await daemon.text(c, ["cp", `${name}:/d/l`, plain]);
    assert.ok((await lstat(plain)).isSymbolicLink());
    await daemon.text(c, ["cp", "-L", `${name}:/d/l`, `${plain}-L`]);
    assert.equal(await readFile(`${plain}-L`, "utf8"), "hi\n");
    await daemon.text(c, ["cp", "-a", `${name}:/d/e/.`, `${plain}-a`]);
    const [f, g] = [await lstat(`${plain}-a/f`), await lstat(`${plain}-a/g`)];
    assert.equal(f.ino, g.ino);
    // The docker command line keeps owners on the way into a container only.
    if (c.name === "berth") assert.deepEqual([f.uid, f.gid], [7, 8]);
  });

  test(`a missing path and a wrong target are refused in Docker's words (${c.name})`, async () => {
    const name = await container(`missing-${c.name}`);
    const missing = await daemon.run(c, ["cp", `${name}:/no/such`, daemon.path("x")]);
    assert.equal(missing.status, 1);
    assert.match(
      missing.stderr,
      new RegExp(
        `Could not find the file /no/such in container ${name}|No such container:path: ${name}:/no/such`,
      ),
    );
    const file = daemon.path(`plain-${c.name}`);
    await writeFile(file, "x");
    const into = await daemon.run(c, ["cp", file, `${name}:/no/such/dir/`]);
    assert.equal(into.status, 1);
    await mkdir(`${file}-dir`);
    const over = await daemon.run(c, ["cp", `${file}-dir`, `${name}:/etc/passwd`]);
    assert.match(over.stderr, /cannot copy directory/);
  });
}

test("the files of /etc that each start writes are copied as the last run left them", async () => {
  const script = "echo 192.0.2.1 added >>/etc/hosts; echo nameserver 192.0.2.2 >/etc/resolv.conf";
  const created = ["create", "--name", "etc", "--hostname", "its-name", "busybox", "sh", "-c", script];
  await daemon.text(client, created);
  const list = async (path: string): Promise<string[]> => {
    const { bytes, status, stderr } = await daemon.berth("cp", `etc:${path}`, "-");
    assert.equal(status, 0, stderr);
    const { stdout } = await run(["tar", "-tv", "--numeric-owner"], { input: bytes });
    return stdout.split("\n").flatMap((line) => {
      const [mode, owner, size, , , name = ""] = line.split(/\s+/);
      return /(^|\/)(hosts|hostname|resolv\.conf)$/.test(name) ? [[name, mode, owner, size].join(" ")] : [];
    });
  };
  const read = async (path: string): Promise<string> =>
    (await run(["tar", "-xO"], { input: (await daemon.berth("cp", `etc:${path}`, "-")).bytes })).stdout;
  const tarOfHosts = await run(["tar", "-C", "/etc", "-c", "hosts"]);
  const put = (name = "etc") => daemon.run(client, ["cp", "-", `${name}:/etc`], { input: tarOfHosts.bytes });

  // As in Docker, one that was never started has what its image has, or an empty file.
  assert.equal(await read("/etc/hosts"), "");
  assert.equal((await put()).status, 0);
  await daemon.text(client, ["start", "-a", "etc"]);

  assert.match(await read("/etc/hosts"), /localhost[^]*\n192\.0\.2\.1 added\n$/);
  assert.equal(await read("/etc/hostname"), "its-name\n");
  assert.equal(await read("/etc/resolv.conf"), "nameserver 192.0.2.2\n");
  const sizes = { hosts: (await read("/etc/hosts")).length, hostname: 9, "resolv.conf": 21 };
  const lines = Object.entries(sizes).map(([name, size]) => `etc/${name} -rw-r--r-- 0/0 ${size}`);
  assert.deepEqual((await list("/etc")).sort(), lines.sort());
  assert.deepEqual(await list("/etc/hosts"), [`hosts -rw-r--r-- 0/0 ${sizes.hosts}`]);
  for (const name of ["etc", await container("etc-running")])
    assert.match((await put(name)).stderr, /etc\/hosts: device or resource busy/, name);
  assert.match(await read("/etc/hosts"), /added/);
});

for (const state of ["running", "stopped"] as const)
  test(`what is mounted stays mounted, whatever is copied over it (${state})`, async () => {
    const bound = daemon.path(`bound-${state}`);
    await writeFile(bound, "of the host\n");
    const mounts = ["-v", `${bound}:/bound`, "-v", `/vol-${state}`];
    const name = await container(`mounted-${state}`, undefined, ...mounts);
    if (state === "stopped") await daemon.text(client, ["stop", "-t", "0", name]);
    const dir = daemon.path(`over-${state}`);
    await mkdir(`${dir}/vol-${state}`, { recursive: true });
    await writeFile(`${dir}/vol-${state}/made`, "made\n");
    await daemon.text(client, ["cp", `${dir}/.`, `${name}:/`]);
    await writeFile(`${dir}/bound`, "other\n");
    const { status, stderr } = await daemon.berth("cp", `${dir}/bound`, `${name}:/bound`);
    assert.equal(status, 1);
    assert.match(stderr, /\/bound: device or resource busy/);
    await daemon.text(client, ["start", name]);
    assert.equal(await daemon.text(client, ["exec", name, "cat", "/bound"]), "of the host");
    assert.match(
      await daemon.text(client, ["exec", name, "mount"]),
      new RegExp(` /bound .* /vol-${state} `, "s"),
    );
  });

test("what is read-only stays as it is", async () => {
  const shared = daemon.path("shared");
  await mkdir(shared);
  const name = await container("locked", undefined, "--read-only", "-v", `${shared}:/ro:ro`);
  const file = daemon.path("file");
  await writeFile(file, "x");
  const root = await daemon.berth("cp", file, `${name}:/file`);
  assert.match(root.stderr, /container rootfs is marked read-only/);
  await daemon.berth("stop", "-t", "0", name);
  const stopped = await daemon.berth("cp", file, `${name}:/file`);
  assert.match(stopped.stderr, /container rootfs is marked read-only/);
  const bound = await daemon.berth("cp", file, `${name}:/ro/file`);
  assert.match(bound.stderr, /marked read-only/);
  assert.deepEqual(await readdir(shared), []);
});

test("links in a container and names in an archive do not lead out of it", async () => {
  const precious = daemon.path("precious");
  await mkdir(precious);
  await writeFile(`${precious}/kept`, "old");
  const name = await container(
    "hostile",
    `ln -s ${precious} /out; ln -s ../../../../../.. /up; exec sleep 600`,
  );
  await daemon.berth("exec", name, "sh", "-c", "while ! test -L /up; do :; done");
  const file = daemon.path("new");
  await writeFile(file, "new");
  await daemon.berth("cp", file, `${name}:/out/kept`);
  assert.equal(await readFile(`${precious}/kept`, "utf8"), "old");
  const through = await daemon.request("GET", `/containers/${name}/archive?path=/up${precious}/kept`);
  assert.equal(through.status, 404);
  const magic = await daemon.request("GET", `/containers/${name}/archive?path=/proc/1/root${precious}/kept`);
  assert.ok(magic.status >= 400, JSON.stringify(magic));
});

for (const c of clients)
  test(`the whole root and what is bound can be copied (${c.name})`, async () => {
    const shared = daemon.path(`bound-${c.name}`);
    await mkdir(shared);
    await writeFile(`${shared}/f`, "bound\n");
    const name = await container(`root-${c.name}`, undefined, "-v", `${shared}:/data`, "--tmpfs", "/scratch");
    await daemon.text(c, ["exec", name, "sh", "-c", "echo t >/scratch/t; ln -s /data /alias"]);
    const root = daemon.path(`root-${c.name}`);
    await daemon.text(c, ["cp", `${name}:/`, root]);
    assert.deepEqual(await namesIn(`${root}/proc`), []);
    assert.equal(await readFile(`${root}/data/f`, "utf8"), "bound\n");
    await daemon.text(c, ["cp", `${name}:/scratch/t`, `${root}-t`]);
    assert.equal(await readFile(`${root}-t`, "utf8"), "t\n");
    await daemon.text(c, ["cp", `${name}:/alias/`, `${root}-alias`]);
    assert.deepEqual(await namesIn(`${root}-alias`), ["f"]);
    await daemon.text(c, ["kill", name]);
    await daemon.text(c, ["wait", name]);
    await daemon.text(c, ["cp", `${root}-t`, `${name}:/data/new`]);
    assert.equal(await readFile(`${shared}/new`, "utf8"), "t\n");
    await daemon.text(c, ["cp", `${name}:/data/f`, `${root}-f`]);
    assert.equal(await readFile(`${root}-f`, "utf8"), "bound\n");
  });

for (const c of clients)
  test(`what the kernel shows in /proc and /sys is no files to be copied, running or stopped (${c.name})`, async () => {
    const name = await container(`kernel-${c.name}`);
    await daemon.text(c, ["exec", name, "ln", "-s", "/proc", "/alias"]);
    for (const state of ["running", "stopped"]) {
      for (const [i, path] of ["/proc", "/sys", "/proc/.", "/alias/"].entries()) {
        const to = daemon.path(`kernel-${c.name}-${state}-${i}`);
        await daemon.text(c, ["cp", `${name}:${path}`, to]);
        assert.deepEqual(await namesIn(to), [], `${path}, ${state}`);
      }
      const made = await daemon.run(c, ["cp", `${name}:/proc/cpuinfo`, daemon.path("cpuinfo")]);
      assert.match(made.stderr, /Could not find the file \/proc\/cpuinfo in container/, state);
      await daemon.text(c, ["stop", "-t", "0", name]);
    }
  });

test("a hostile archive is refused or stays in the container", async () => {
  const name = await container("archive");
  const outside = daemon.path("outside");
  await mkdir(outside);
  const content = Buffer.from("evil");
  const file = (path: string): Buffer =>
    Buffer.concat([
      tarHeader(tarEntry({ type: "file", name: path, sizeBytes: content.length })),
      content,
      tarPadding(content.length),
    ]);
  const put = (...blocks: Uint8Array[]) =>
    daemon.run(client, ["cp", "-", `${name}:/tmp`], {
      input: Buffer.concat([...blocks, TAR_END]),
    });
  const up = await put(file("../../../outside/evil"));
  assert.match(up.stderr, /is outside of the directory/);
  const link = tarHeader(tarEntry({ type: "symlink", name: "l", linkName: outside }));
  await put(link, file("l/evil"));
  const hard = tarHeader(tarEntry({ type: "hardlink", name: "h", linkName: "../../etc/passwd" }));
  assert.match((await put(hard)).stderr, /leads outside of the directory/);
  assert.deepEqual(await readdir(outside), []);
});
