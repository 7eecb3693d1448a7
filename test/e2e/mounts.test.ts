// What is mounted into containers, by both command lines: binds of files, directories, sockets and devices, tmpfs, images and
// parts of volumes, in the right order, read-only as deep as asked, and never outside of the container's root.
import assert from "node:assert/strict";
import { mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { after, afterEach, before, test } from "node:test";
import { run } from "./command.ts";
import { type Client, clients, TestDaemon } from "./harness.ts";

let daemon: TestDaemon;
before(async () => {
  daemon = await TestDaemon.start();
  await mkdir(daemon.path("shared/sub"), { recursive: true });
  await writeFile(daemon.path("shared/file"), "bound\n");
});
after(() => daemon.close());
afterEach(async () => {
  await daemon.removeContainers();
  await daemon.removeVolumes();
});

const [first] = clients as readonly [Client, ...Client[]];
const sh = (...flags: string[]) => ["run", "--rm", ...flags, "busybox", "sh", "-c"];
/** Builds an image with the classic builder of the daemon. */
async function build(name: string, dockerfile: string): Promise<void> {
  const dir = daemon.path(`build-${name}`);
  await mkdir(dir);
  await writeFile(`${dir}/Dockerfile`, dockerfile);
  await daemon.text(first, ["build", "-q", "-t", name, dir]);
}

for (const c of clients) {
  const fails = async (args: readonly string[], reason: RegExp): Promise<void> => {
    const outcome = await daemon.run(c, args);
    assert.notEqual(outcome.status, 0, args.join(" "));
    assert.match(outcome.stderr + outcome.stdout, reason);
  };

  test(`-v makes a missing source, --mount refuses it (${c.name})`, async () => {
    const missing = daemon.path(`made-${c.name}`, "deep");
    await fails(
      ["create", "--mount", `type=bind,src=${missing},dst=/x`, "busybox", "true"],
      /invalid mount config for type "bind": bind source path does not exist/,
    );
    await daemon.text(c, [...sh("-v", `${missing}:/x`), "touch /x/file"]);
    const made = await stat(missing);
    assert.deepEqual([made.isDirectory(), made.mode & 0o7777, made.uid], [true, 0o755, 0]);
    assert.deepEqual(await readdir(missing), ["file"]);
    // A source that vanished after creation is refused when it is not to be made.
    const fleeting = daemon.path(`fleeting-${c.name}`);
    await mkdir(fleeting);
    await daemon.text(c, [
      "create",
      "--name",
      "late",
      "--mount",
      `type=bind,src=${fleeting},dst=/x`,
      "busybox",
      "true",
    ]);
    await run(["rmdir", fleeting]);
    await fails(["start", "late"], /bind source path does not exist/);
  });

  test(`files, sockets and devices are mounted as what they are (${c.name})`, async () => {
    const file = daemon.path("shared/file");
    assert.equal(await daemon.text(c, [...sh("-v", `${file}:/etc/motd:ro`), "cat /etc/motd"]), "bound");
    await fails([...sh("-v", `${file}:/etc/motd:ro`), "echo x > /etc/motd"], /Read-only file system/);
    await fails(["run", "--rm", "-v", `${file}:/etc`, "busybox", "true"], /not a directory/);
    await fails(
      ["run", "--rm", "-v", `${daemon.path("shared")}:/etc/passwd`, "busybox", "true"],
      /not a directory/,
    );
    const socket = daemon.path(`s-${c.name}`);
    const server = createServer().listen(socket);
    try {
      assert.equal(
        await daemon.text(c, [...sh("-v", `${socket}:/run/s`), "test -S /run/s && echo yes"]),
        "yes",
      );
    } finally {
      server.close();
    }
    assert.equal(
      await daemon.text(c, [...sh("-v", "/dev/null:/sink"), "test -c /sink && echo > /sink && echo yes"]),
      "yes",
    );
    const own = sh("-v", `${daemon.socket}:/var/run/docker.sock`);
    assert.equal(await daemon.text(c, [...own, "test -S /var/run/docker.sock && echo yes"]), "yes");
  });

  test(`nested and overlapping destinations are mounted from the outside in (${c.name})`, async () => {
    const outer = daemon.path(`outer-${c.name}`);
    await mkdir(`${outer}/in`, { recursive: true });
    await writeFile(`${outer}/in/hidden`, "");
    const flags = [
      "-v",
      "inner:/o/in",
      "-v",
      `${outer}:/o`,
      "--tmpfs",
      "/o/in/t",
      "-v",
      `${daemon.path("shared/file")}:/o/in/f`,
    ];
    assert.equal(await daemon.text(c, [...sh(...flags), "ls /o/in; grep -c ' /o' /proc/mounts"]), "f\nt\n4");
    await fails(
      ["create", "-v", `${outer}:/x`, "-v", "vv:/x/", "busybox", "true"],
      /Duplicate mount point: \/x/,
    );
    await fails(
      ["create", "-v", `${outer}:/x`, "--tmpfs", "/x", "busybox", "true"],
      /Duplicate mount point: \/x/,
    );
    const twice = ["--mount", "type=tmpfs,dst=/x", "--mount", "type=volume,src=v,dst=/x"];
    await fails(["create", ...twice, "busybox", "true"], /Duplicate mount point: \/x/);
  });

  test(`tmpfs mounts have their options, and a read-only root its volumes (${c.name})`, async () => {
    const script = "grep -E ' /(a|b) ' /proc/mounts; stat -c %a /b";
    const seen = await daemon.text(c, [
      ...sh(
        "--tmpfs",
        "/a:size=2m,exec,mode=1770",
        "--mount",
        "type=tmpfs,dst=/b,tmpfs-size=1m,tmpfs-mode=0700",
      ),
      script,
    ]);
    assert.match(seen, /tmpfs \/a tmpfs rw,nosuid,nodev,relatime,size=2048k,mode=1770/);
    assert.match(seen, /tmpfs \/b tmpfs rw,nosuid,nodev,noexec,relatime,size=1024k,mode=700 0 0\n/);
    assert.match(seen, /\n700$/);
    const ro = sh(
      "--read-only",
      "-v",
      "data:/data",
      "--tmpfs",
      "/tmp",
      "-v",
      `${daemon.path("shared")}:/shared:ro`,
    );
    assert.equal(await daemon.text(c, [...ro, "touch /data/x /tmp/y && ls /shared"]), "file\nsub");
    await fails([...ro, "touch /x"], /Read-only file system/);
    await fails([...ro, "touch /shared/x"], /Read-only file system/);
  });

  test(`an image is mounted read-only, whole or in part (${c.name})`, async () => {
    const whole = ["--mount", "type=image,src=busybox,dst=/img"];
    assert.match(await daemon.text(c, [...sh(...whole), "cat /img/etc/passwd"]), /^root:/);
    await fails([...sh(...whole), "touch /img/x"], /Read-only file system/);
    const part = ["--mount", "type=image,src=busybox,dst=/etc/part,image-subpath=etc"];
    assert.equal(await daemon.text(c, [...sh(...part), "ls /etc/part"]), "group\npasswd");
    const file = ["--mount", "type=image,src=busybox,dst=/one,image-subpath=etc/group"];
    assert.match(await daemon.text(c, [...sh(...file), "cat /one"]), /^root:/);
    await fails(["create", "--mount", "type=image,src=nosuch,dst=/x", "busybox", "true"], /[Nn]o such image/);
    await fails(
      ["run", "--rm", "--mount", "type=image,src=busybox,dst=/x,image-subpath=nosuch", "busybox", "true"],
      /no such file/i,
    );
    await daemon.text(c, ["create", "--name", "holder", ...whole, "busybox", "true"]);
    const [mount] = (await daemon.inspect("holder"))["Mounts"] as Record<string, unknown>[];
    assert.deepEqual(
      [mount?.["Type"], mount?.["Name"], mount?.["RW"], mount?.["Destination"]],
      ["image", "busybox", false, "/img"],
    );
  });

  test(`a part of a volume is mounted when it exists and stays in the volume (${c.name})`, async () => {
    const script =
      "mkdir -p /v/a/b && echo deep > /v/a/b/file && ln -s a/b /v/in && ln -s ../../.. /v/out && ln -s /etc /v/abs";
    await daemon.text(c, [...sh("-v", "parts:/v"), script]);
    const part = (sub: string) => ["--mount", `type=volume,src=parts,dst=/p,volume-subpath=${sub}`];
    assert.equal(await daemon.text(c, [...sh(...part("a/b")), "cat /p/file"]), "deep");
    assert.equal(await daemon.text(c, [...sh(...part("in")), "cat /p/file"]), "deep");
    assert.equal(await daemon.text(c, [...sh(...part("a/b/file")), "cat /p"]), "deep");
    for (const sub of ["out", "abs", "a/../out"])
      await fails(["run", "--rm", ...part(sub), "busybox", "true"], /leads out of the directory/);
    await fails(["run", "--rm", ...part("nosuch"), "busybox", "true"], /no such file/i);
    await fails(
      ["create", ...part("../x"), "busybox", "true"],
      /subpath must be a relative path within the volume/,
    );
    await fails(
      ["create", "--mount", "type=volume,dst=/p,volume-subpath=a", "busybox", "true"],
      /must not set Subpath when using anonymous volumes/,
    );
    await daemon.text(c, ["create", "--name", "copied", ...part("a"), "busybox", "true"]);
    await daemon.text(c, ["cp", "copied:/p/b/file", daemon.path("part-copy")]);
    assert.equal(await readFile(daemon.path("part-copy"), "utf8"), "deep\n");
  });

  test(`an image's own volumes are anonymous, and a symlink at a destination stays inside (${c.name})`, async () => {
    const name = `hostile-${c.name}`;
    const links =
      "RUN mkdir /real && ln -s /real /data && ln -s /../../../../../tmp /up && ln -s /proc/1/root/tmp /magic";
    await build(name, `FROM busybox\n${links}\nRUN echo own > /real/file\nVOLUME /data /fresh\n`);
    await daemon.text(c, ["run", "-d", "--name", "kept", name, "sleep", "600"]);
    const mounts = (await daemon.inspect("kept"))["Mounts"] as {
      Destination: string;
      Name: string;
      Mode: string;
    }[];
    assert.deepEqual(
      mounts.map((m) => m.Destination),
      ["/data", "/fresh"],
    );
    for (const m of mounts) assert.match(m.Name, /^[0-9a-f]{64}$/);
    assert.equal(await daemon.text(c, ["exec", "kept", "cat", "/real/file"]), "own");
    await daemon.text(c, ["rm", "-f", "-v", "kept"]);
    assert.equal(await daemon.text(c, ["volume", "ls", "-q"]), "");
    const before = await readdir("/tmp");
    for (const at of ["/up/planted", "/magic/planted"]) {
      await daemon.run(c, ["run", "--rm", "-v", `${daemon.path("shared/file")}:${at}`, name, "true"]);
      await daemon.run(c, ["run", "--rm", "-v", `planted:${at}-dir`, name, "true"]);
    }
    assert.deepEqual(
      (await readdir("/tmp")).filter((n) => n.startsWith("planted") && !before.includes(n)),
      [],
    );
  });
}

test("read-only goes as deep as the client's API version and options say", async () => {
  const source = daemon.path("deep");
  await mkdir(`${source}/below`, { recursive: true });
  assert.equal((await run(["mount", "-t", "tmpfs", "tmpfs", `${source}/below`])).status, 0);
  const bind = (options: object) => ({
    Type: "bind",
    Source: source,
    Target: "/x",
    ReadOnly: true,
    BindOptions: options,
  });
  const write = async (version: string, hostConfig: object): Promise<boolean> => {
    const body = { Image: "busybox", Cmd: ["touch", "/x/below/file"], HostConfig: hostConfig };
    const created = await daemon.request("POST", `/${version}/containers/create`, body);
    assert.equal(created.status, 201, JSON.stringify(created.body));
    const { Id } = created.body as { Id: string };
    assert.equal((await daemon.request("POST", `/containers/${Id}/start`)).status, 204);
    const waited = await daemon.request("POST", `/containers/${Id}/wait`);
    return (waited.body as { StatusCode: number }).StatusCode === 0;
  };
  try {
    assert.equal(await write("v1.44", { Binds: [`${source}:/x:ro`] }), false);
    assert.equal(await write("v1.43", { Binds: [`${source}:/x:ro`] }), true);
    assert.equal(await write("v1.51", { Mounts: [bind({})] }), false);
    assert.equal(await write("v1.43", { Mounts: [bind({})] }), true);
    assert.equal(await write("v1.51", { Mounts: [bind({ ReadOnlyNonRecursive: true })] }), true);
    assert.equal(await write("v1.51", { Mounts: [bind({ ReadOnlyForceRecursive: true })] }), false);
    assert.equal(await write("v1.51", { Mounts: [bind({ NonRecursive: true })] }), false);
    assert.equal(
      await write("v1.51", { Mounts: [{ ...bind({ NonRecursive: true }), ReadOnly: false }] }),
      true,
    );
  } finally {
    await run(["umount", `${source}/below`]);
  }
  assert.deepEqual(
    await readdir(`${source}/below`),
    ["file"],
    "without recursion the directory itself was bound",
  );
});

test("a bind of what holds the data root follows the host's mounts", async () => {
  await daemon.text(first, [
    "create",
    "--name",
    "above",
    "-v",
    `${daemon.dir}:/above`,
    "-v",
    "/etc:/e",
    "busybox",
    "true",
  ]);
  const mounts = (await daemon.inspect("above"))["Mounts"] as { Destination: string; Propagation: string }[];
  assert.deepEqual(
    mounts.map((m) => [m.Destination, m.Propagation]),
    [
      ["/above", "rslave"],
      ["/e", "rprivate"],
    ],
  );
  await daemon.text(first, ["start", "above"]);
  const refused = await daemon.run(first, ["create", "-v", `${daemon.dir}:/x:shared`, "busybox", "true"]);
  assert.match(refused.stderr, /must use either propagation mode "rslave" or "rshared"/);
});

test("what a build step writes where the image has a volume is in the image", async () => {
  const steps = "VOLUME /data\nRUN mkdir -p /data && echo kept > /data/file\n";
  await build("stepped", `FROM busybox\n${steps}`);
  assert.equal(await daemon.text(first, ["run", "--rm", "stepped", "cat", "/data/file"]), "kept");
  assert.equal(await daemon.text(first, ["volume", "ls", "-q"]), "");
});
