// A daemon with `userns-remap`: root in a container is nobody of the host's, and everything that shows or moves its files shows
// the container's owners. Accounts and set-aside ids are files of the test's own, seen by its daemon only.
import assert from "node:assert/strict";
import { existsSync, lstatSync, statSync } from "node:fs";
import { chown, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { clients, procStatus, TestDaemon } from "./harness.ts";

const UID = 300_000;
const GID = 400_000;
const POOL = 500_000;

/** Runs a command that finds these accounts in /etc. */
async function accounts(dir: string): Promise<(argv: string[]) => string[]> {
  const files = {
    passwd:
      "root:x:0:0::/root:/bin/sh\ndockremap:x:990:990::/:/bin/false\nnobody:x:65534:65534::/:/bin/false\n",
    group: "root:x:0:\ndockremap:x:990:\nnogroup:x:65534:\n",
    subuid: `dockremap:${UID}:65536\ncontainers:${POOL}:65536\n`,
    subgid: `dockremap:${GID}:65536\ncontainers:${POOL}:65536\n`,
  };
  for (const [name, text] of Object.entries(files)) await writeFile(join(dir, name), text);
  const binds = Object.keys(files).map((name) => `mount --bind '${dir}/${name}' /etc/${name}`);
  return (argv) => ["unshare", "-m", "sh", "-ec", [...binds, 'exec "$@"'].join("; "), "sh", ...argv];
}

describe("userns-remap", () => {
  let daemon: TestDaemon;
  let dir: string;
  const [berth, docker = berth] = clients as [(typeof clients)[0], (typeof clients)[0]?];
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), "berth-accounts-"));
    daemon = await TestDaemon.start({
      config: { "userns-remap": "default" },
      wrap: await accounts(dir),
      dataDir: `data/${UID}.${GID}`,
    });
  });
  after(async () => {
    await daemon.close();
    await rm(dir, { recursive: true, force: true });
  });

  const run = (...args: string[]): Promise<string> => daemon.text(berth, ["run", "--rm", ...args]);
  /** Returns when a container that was just started has done what comes before `touch /ready`. */
  const ready = (id: string): Promise<string> =>
    daemon.text(berth, ["exec", id, "sh", "-c", "until [ -e /ready ]; do sleep 0.02; done"]);

  test("info says so, and the data root is the remapped root's own", async () => {
    const info = (await daemon.request("GET", "/info")).body as {
      SecurityOptions: string[];
      DockerRootDir: string;
    };
    assert.ok(info.SecurityOptions.includes("name=userns"));
    assert.equal(info.DockerRootDir, join(daemon.dataRoot, `${UID}.${GID}`));
    assert.equal(statSync(info.DockerRootDir).gid, GID);
  });

  test("root in a container is nobody of the host's", async () => {
    for (const client of clients) {
      const id = await daemon.text(client, [
        "run",
        "-d",
        "busybox",
        "sh",
        "-c",
        "touch /made; chown dev /made; touch /mine /ready; sleep 1000",
      ]);
      await ready(id);
      const { State } = await daemon.inspect(id);
      assert.match(await procStatus(State.Pid, "Uid"), new RegExp(`^${UID}\\s`));
      assert.match(await procStatus(State.Pid, "Gid"), new RegExp(`^${GID}\\s`));
      assert.equal(await daemon.text(client, ["exec", id, "id", "-u"]), "0");
      assert.equal(
        await daemon.text(client, ["exec", "-u", "dev", id, "id"]),
        "uid=1000(dev) gid=1000(dev) groups=1000(dev),2000(extra)",
      );
      assert.equal(
        await daemon.text(client, [
          "exec",
          id,
          "stat",
          "-c",
          "%u:%g %n",
          "/bin/busybox",
          "/home/dev",
          "/etc/hosts",
          "/",
        ]),
        "0:0 /bin/busybox\n1000:1000 /home/dev\n0:0 /etc/hosts\n0:0 /",
      );
      const upper = join(daemon.dataRoot, `${UID}.${GID}`, "containers", State.Pid === 0 ? "" : id, "upper");
      assert.deepEqual(
        [lstatSync(join(upper, "made")).uid, lstatSync(join(upper, "mine")).gid],
        [UID + 1000, GID],
      );
      await daemon.text(client, ["rm", "-f", id]);
    }
  });

  test("cp, diff, export and commit show the container's owners, running and stopped", async () => {
    const id = await daemon.text(berth, [
      "run",
      "-d",
      "busybox",
      "sh",
      "-c",
      "touch /made; chown 1000:2000 /made; touch /ready; sleep 1000",
    ]);
    await ready(id);
    await writeFile(join(dir, "put"), "put\n");
    for (const state of ["running", "stopped"]) {
      const target = `/tmp/put-${state}`;
      await daemon.text(docker, ["cp", "-a", join(dir, "put"), `${id}:${target}`]);
      const listed = async (path: string): Promise<string> => {
        const tar = await daemon.run(docker, ["cp", `${id}:${path}`, "-"]);
        await writeFile(join(dir, "got.tar"), tar.bytes);
        const argv = ["--numeric-owner", "-tvf", join(dir, "got.tar")];
        return (await daemon.run({ name: "berth", argv: ["tar"] }, argv)).stdout;
      };
      assert.match(await listed("/made"), / 1000\/2000 /, state);
      assert.match(await listed("/etc/hosts"), /^-rw-r--r-- 0\/0 +[1-9]/, state);
      const diff = await daemon.text(docker, ["diff", id]);
      assert.match(diff, /^A \/made$/m);
      assert.match(diff, new RegExp(`^A ${target}$`, "m"));
      assert.doesNotMatch(diff, /^[AC] \/bin/m);
      if (state === "running") {
        assert.equal(await daemon.text(berth, ["exec", id, "stat", "-c", "%u:%g", target]), "0:0");
        await daemon.text(berth, ["stop", "-t", "0", id]);
      }
    }
    const exported = await daemon.run(docker, ["export", id]);
    await writeFile(join(dir, "export.tar"), exported.bytes);
    const listing = await daemon.run({ name: "berth", argv: ["tar"] }, [
      "--numeric-owner",
      "-tvf",
      join(dir, "export.tar"),
    ]);
    assert.match(listing.stdout, / 1000\/2000 .* made$/m);
    assert.match(listing.stdout, / 0\/0 .* bin\/busybox$/m);
    await daemon.text(docker, ["commit", id, "committed"]);
    assert.equal(
      await run("committed", "stat", "-c", "%u:%g %n", "/made", "/tmp/put-stopped"),
      "1000:2000 /made\n0:0 /tmp/put-stopped",
    );
    await daemon.text(berth, ["rm", id]);
  });

  test("volumes belong to the container's root, binds to whom they belong on the host", async () => {
    assert.equal(
      await run(
        "-v",
        "vol:/home/dev",
        "busybox",
        "sh",
        "-c",
        "touch /home/dev/x; stat -c '%u:%g' /home/dev /home/dev/x",
      ),
      "1000:1000\n0:0",
    );
    const { body } = await daemon.request("GET", "/volumes/vol");
    const { Mountpoint } = body as { Mountpoint: string };
    assert.deepEqual([statSync(Mountpoint).uid, statSync(join(Mountpoint, "x")).uid], [UID + 1000, UID]);
    assert.equal(await run("-v", "empty:/e", "busybox", "stat", "-c", "%u:%g", "/e"), "0:0");
    const bind = join(dir, "bind");
    await mkdir(bind, { mode: 0o755 });
    const refused = await daemon.run(berth, [
      "run",
      "--rm",
      "-v",
      `${bind}:/b`,
      "busybox",
      "sh",
      "-c",
      "stat -c %u /b; touch /b/x",
    ]);
    assert.equal(refused.status, 1);
    assert.equal(refused.stdout, "65534\n");
    const made = join(dir, "made/below");
    assert.equal(await run("-v", `${made}:/b`, "busybox", "sh", "-c", "stat -c %u /b; touch /b/x"), "0");
    assert.deepEqual([statSync(join(dir, "made")).uid, statSync(join(made, "x")).uid], [UID, UID]);
    const id = await daemon.text(berth, ["create", "-v", "vol:/v", "busybox", "true"]);
    await daemon.text(docker, ["cp", join(dir, "put"), `${id}:/v/put`]);
    assert.equal(statSync(join(Mountpoint, "put")).uid, UID);
    await daemon.text(berth, ["rm", id]);
    await daemon.text(berth, ["volume", "rm", "vol", "empty"]);
  });

  test("--userns=host gives the host's ids, with the same layers", async () => {
    for (const client of clients) {
      const text = await daemon.text(client, [
        "run",
        "--rm",
        "--userns=host",
        "--privileged",
        "busybox",
        "sh",
        "-c",
        "cat /proc/self/uid_map; stat -c %u /bin/busybox",
      ]);
      assert.match(text, /^\s*0\s+0\s+4294967295\n0$/);
    }
  });

  test("what needs the host's ids is refused in docker's words", async () => {
    const cases: [string[], RegExp][] = [
      [["--privileged"], /privileged mode is incompatible with user namespaces/],
      [["--network", "host"], /cannot share the host's network namespace when user namespaces are enabled/],
      [["--pid", "host"], /cannot share the host PID namespace when user namespaces are enabled/],
    ];
    for (const [flags, message] of cases) {
      const outcome = await daemon.run(docker, ["run", "--rm", ...flags, "busybox", "true"]);
      assert.equal(outcome.status, 125);
      assert.match(outcome.stderr, message);
    }
  });

  test("terminal, tmpfs, devices, limits, network and shared namespaces", async () => {
    const script =
      "tty; stat -c '%u:%g' $(tty) /dev/null /dev/shm /scratch; ulimit -Hn; cat /proc/sys/net/ipv4/ip_unprivileged_port_start; ip -4 addr show eth0 | grep -c inet";
    const { stdout } = await daemon.onTerminal(berth, [
      "run",
      "--rm",
      "-t",
      "--tmpfs",
      "/scratch:uid=1000,gid=2000",
      "--ulimit",
      "nofile=300:400",
      "busybox",
      "sh",
      "-c",
      script,
    ]).ended;
    assert.equal(stdout.replaceAll("\r", ""), "/dev/pts/0\n0:5\n0:0\n0:0\n1000:2000\n400\n0\n1\n");
    const id = await daemon.text(berth, [
      "run",
      "-d",
      "--ipc",
      "shareable",
      "busybox",
      "sh",
      "-c",
      "echo shared > /dev/shm/f; touch /ready; sleep 1000",
    ]);
    await ready(id);
    const shared = await run(
      "--network",
      `container:${id}`,
      "--pid",
      `container:${id}`,
      "--ipc",
      `container:${id}`,
      "busybox",
      "sh",
      "-c",
      "cat /dev/shm/f; readlink /proc/self/ns/user; readlink /proc/1/ns/user",
    );
    const [content, own, other] = shared.split("\n");
    assert.equal(content, "shared");
    assert.equal(own, other);
    await daemon.text(berth, ["rm", "-f", id]);
  });

  test("a build has the same ids in its steps and the container's in its layers", async () => {
    const context = join(dir, "context");
    await mkdir(context);
    await writeFile(join(context, "file"), "x");
    await writeFile(
      join(context, "Dockerfile"),
      "FROM busybox\nCOPY --chown=1000:2000 file /file\nRUN cat /proc/self/uid_map > /map && touch /by-root && touch /by-dev && chown dev /by-dev && rm /etc/group\nUSER dev\nRUN touch /tmp/own\n",
    );
    for (const client of clients) {
      await daemon.text(client, ["build", "-q", "--no-cache", "-t", "built", context]);
      const text = await daemon.text(client, [
        "run",
        "--rm",
        "-u",
        "0",
        "built",
        "sh",
        "-c",
        "stat -c '%u:%g %n' /file /by-root /by-dev /tmp/own; ls /etc/group; cat /map",
      ]);
      assert.match(text, /^1000:2000 \/file\n0:0 \/by-root\n1000:0 \/by-dev\n1000:1000 \/tmp\/own\n/);
      assert.match(text, new RegExp(`\\s0\\s+${UID}\\s+65536$`));
    }
  });

  test("containers keep their ids over a restart of the daemon", async () => {
    const id = await daemon.text(berth, ["run", "-d", "busybox", "sleep", "1000"]);
    await daemon.kill();
    await daemon.up();
    assert.equal(await daemon.text(berth, ["exec", id, "stat", "-c", "%u", "/bin/busybox"]), "0");
    await daemon.text(berth, ["restart", "-t", "0", id]);
    assert.equal(await daemon.text(berth, ["exec", id, "stat", "-c", "%u", "/bin/busybox"]), "0");
    await daemon.text(berth, ["rm", "-f", id]);
    assert.equal(existsSync(join(daemon.dataRoot, `${UID}.${GID}`, "containers", id)), false);
  });
});

test("--userns=auto gives each container a range of its own, and volumes that all can share", async () => {
  const dir = await mkdtemp(join(tmpdir(), "berth-accounts-"));
  const daemon = await TestDaemon.start({ wrap: await accounts(dir) });
  const [berth] = clients as [(typeof clients)[0]];
  const run = (...args: string[]): Promise<string> => daemon.text(berth, ["run", "--rm", ...args]);
  try {
    const base = async (id: string): Promise<number> =>
      Number((await procStatus((await daemon.inspect(id)).State.Pid, "Uid")).split("\t")[0]);
    const start = (...args: string[]): Promise<string> =>
      daemon.text(berth, ["run", "-d", "--userns", "auto:size=30000", ...args, "busybox", "sleep", "1000"]);
    const a = await start("-v", "shared:/s");
    const b = await start("-v", "shared:/s");
    assert.deepEqual([await base(a), await base(b)], [POOL, POOL + 30_000]);
    await daemon.text(berth, ["exec", "-u", "dev", a, "touch", "/tmp/own"]);
    await daemon.text(berth, ["exec", a, "sh", "-c", "touch /s/root /s/dev; chown dev /s/dev"]);
    const listing = ["stat", "-c", "%u %n", "/s/root", "/s/dev"];
    for (const text of [
      await daemon.text(berth, ["exec", b, ...listing]),
      await run("-v", "shared:/s", "busybox", ...listing),
    ])
      assert.equal(text, "0 /s/root\n1000 /s/dev");
    assert.equal(
      await run(
        "--userns",
        "auto:size=2000",
        "-v",
        "filled:/home/dev",
        "busybox",
        "stat",
        "-c",
        "%u",
        "/home/dev",
      ),
      "1000",
    );
    // Files that its user makes in a directory with `idmap` are the owner's; the others have its own ids.
    const callers = join(dir, "callers");
    await mkdir(callers);
    await chown(callers, 70_000, 70_001);
    const idmapped = ["--userns", "auto:size=2000", "-v", `${callers}:/c:idmap`, "busybox", "sh", "-c"];
    const made = "touch /c/a /c/b; chown dev /c/b; stat -c %u:%g /c /c/a /c/b";
    assert.equal(await run(...idmapped, made), "0:0\n0:0\n1000:0");
    for (const [name, uid] of [
      ["a", 70_000],
      ["b", 1000],
    ] as const) {
      const file = statSync(join(callers, name));
      assert.deepEqual([file.uid, file.gid], [uid, 70_001]);
    }
    const full = await daemon.run(berth, ["run", "--rm", "--userns", "auto", "busybox", "true"]);
    assert.equal(full.status, 125);
    assert.match(full.stderr, /set aside for "containers" in \/etc\/subuid are used up/);
    await daemon.text(berth, ["rm", "-f", a]);
    const again = await start();
    assert.equal(await base(again), POOL, "the range of a container that is gone is given again");
    assert.match(
      (await daemon.run(berth, ["run", "--userns", "auto:size=x", "busybox"])).stderr,
      /invalid USER mode/,
    );
    const { status } = await daemon.request("POST", "/containers/create", {
      Image: "busybox",
      HostConfig: { UsernsMode: "auto:size=0" },
    });
    assert.equal(status, 400);
  } finally {
    await daemon.close();
    await rm(dir, { recursive: true, force: true });
  }
});

test("a daemon whose user has no ids set aside says so and does not start", async () => {
  const daemon = await TestDaemon.start({ hasImage: false });
  try {
    const other = daemon.launch(["--userns-remap", "daemon", "--pidfile", daemon.path("other.pid")]);
    const { status, stderr } = await other.ended;
    assert.equal(status, 1);
    assert.match(stderr, /no ids are set aside for "daemon" in \/etc\/subuid/);
    assert.equal(existsSync(daemon.path("other.pid")), false);
  } finally {
    await daemon.close();
  }
});
