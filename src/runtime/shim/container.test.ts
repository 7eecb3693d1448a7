// What a container's first process finds: namespaces, root, mounts, users, limits. The real keel, the real kernel.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { SysError } from "../../lib/errors.ts";
import { host, inner, type Op } from "../../linux/ops.ts";
import { ALL_NAMESPACES, Bed, CAPS, CLONE, ENV, isAlive, skip } from "./_bed.ts";

const ENOENT = 2;
const EACCES = 13;
const EINVAL = 22;
const ATTR_RDONLY = 1;
const noCaps = { bounding: 0, effective: 0, permitted: 0, inheritable: 0, ambient: 0 };
const dockerCaps = { bounding: CAPS, effective: CAPS, permitted: CAPS, inheritable: 0, ambient: 0 };

/** A BPF program that answers EPERM to the given system calls and allows the rest. */
function denyProgram(numbers: readonly number[]): Buffer {
  const insn = (code: number, jt: number, jf: number, k: number): Buffer => {
    const b = Buffer.alloc(8);
    b.writeUInt16LE(code, 0);
    b[2] = jt;
    b[3] = jf;
    b.writeUInt32LE(k, 4);
    return b;
  };
  return Buffer.concat([
    insn(0x20, 0, 0, 0),
    ...numbers.map((n, i) => insn(0x15, numbers.length - i, 0, n)),
    insn(0x06, 0, 0, 0x7fff0000),
    insn(0x06, 0, 0, 0x00050001),
  ]);
}

/** The host's mounts but for those that other programs make meanwhile: the system's, and whatever is of a test. */
function hostMounts(): string {
  const lines = readFileSync("/proc/self/mountinfo", "utf8").split("\n");
  return lines
    .filter((line) => /^(?:\S+ ){4}\/(?:proc|sys|dev)?(?:\/\S*)? | \S*keel|berth-shim-/.test(line))
    .join("\n");
}

describe("a container", { skip }, () => {
  let bed: Bed;
  before(async () => {
    bed = await Bed.open();
  });
  after(async () => {
    await bed.close();
  });

  test("has namespaces of its own and pid 1", async () => {
    const text = await bed.sh(
      "echo $$; for n in mnt uts ipc pid net cgroup; do readlink /proc/self/ns/$n; done; hostname",
      {
        settings: [inner.hostname("box.example")],
      },
    );
    const lines = text.trim().split("\n");
    assert.equal(lines[0], "1");
    assert.equal(lines[7], "box.example");
    const own = ["mnt", "uts", "ipc", "pid", "net", "cgroup"].map((n) => readlinkSync(`/proc/self/ns/${n}`));
    lines.slice(1, 7).forEach((line, i) => assert.notEqual(line, own[i]));
  });

  test("leaves the host's mounts as they were", async () => {
    const before = hostMounts();
    const run = await bed.create({ argv: ["sleep", "100"] });
    await run.shim.start();
    assert.equal(hostMounts(), before);
    await run.shim.signal(9);
    await run.exit;
    assert.equal(hostMounts(), before);
    assert.deepEqual(readdirSync(bed.target), []);
  });

  test("sees only its own root and inherits no descriptor", async () => {
    const text = await bed.sh(
      "cut -d' ' -f 5- /proc/self/mountinfo; ls /; for i in 0 1 2 3 4 5 6 7 8 9 10 11 12; do [ -e /proc/1/fd/$i ] && echo fd $i; done",
    );
    assert.equal(text.match(/^\/ /gm)?.length, 1);
    assert.doesNotMatch(text, /state|agent\.sock|\/tmp\/berth/);
    assert.deepEqual(text.match(/^fd \d+$/gm), ["fd 0", "fd 1", "fd 2"]);
  });

  test("masks paths, makes others read-only, and ignores missing ones", async () => {
    const text = await bed.sh(
      "ls /proc/acpi /proc/scsi 2>&1; wc -c </proc/cpuinfo; echo 1 >/proc/sys/kernel/domainname; touch /proc/acpi/x; echo $?",
      {
        mounts: [
          inner.mask("/proc/cpuinfo"),
          inner.mask("/proc/acpi"),
          inner.mask("/proc/scsi"),
          inner.mask("/proc/no-such-file"),
          inner.readonly("/proc/sys"),
          inner.readonly("/no/such/dir"),
        ],
      },
    );
    assert.match(text, /^0$/m);
    assert.match(text, /can't create \/proc\/sys\/kernel\/domainname: Read-only file system/);
    assert.match(text, /^1$/m);
  });

  test("mounts an overlay of layers given relative to their directory, and keeps writes in the upper", async () => {
    const layers = join(bed.dir, "layers");
    for (const d of ["a/etc", "b/bin", "upper", "work"]) mkdirSync(join(layers, d), { recursive: true });
    writeFileSync(join(layers, "a/etc/top"), "top\n");
    bed.makeRoot(join(layers, "base"));
    const overlay = { kind: "overlay" as const, layersDir: layers, lower: ["a", "b", "base"] };
    const text = await bed.sh("cat /etc/top; echo new >/etc/new; cat /etc/new; mount | grep ' / '", {
      root: inner.root({ ...overlay, upper: join(layers, "upper"), work: join(layers, "work") }, bed.target),
    });
    assert.match(text, /^top\nnew\noverlay on \/ type overlay/);
    assert.equal(readFileSync(join(layers, "upper/etc/new"), "utf8"), "new\n");
    assert.ok(!existsSync(join(layers, "base/etc/new")));
    const single = await bed
      .sh("touch /etc/x", { root: inner.root({ ...overlay, lower: ["base"] }, bed.target), mounts: [] })
      .catch((e: Error) => e.message);
    // The image has no /proc: a read-only root cannot grow one.
    assert.match(single, /Read-only file system/);
  });

  test("has a read-only root when asked", async () => {
    const text = await bed.sh("echo x >/file", { settings: [inner.rootReadonly()] });
    assert.match(text, /Read-only file system/);
  });

  test("binds host files and directories, read-only also below", async () => {
    const source = join(bed.dir, "source");
    mkdirSync(join(source, "deep"), { recursive: true });
    writeFileSync(join(source, "file"), "from the host\n");
    execFileSync("mount", ["-t", "tmpfs", "tmpfs", join(source, "deep")]);
    try {
      const text = await bed.sh(
        "cat /data/file /single/copy; echo x >/data/file; echo x >/data/deep/x; echo y >/plain/deep/y && echo wrote",
        {
          mounts: [
            inner.bind(source, "/data", { recursive: true, attr: ATTR_RDONLY, attrRecursive: true }),
            inner.bind(join(source, "file"), "/single/copy"),
            inner.bind(source, "/plain", { recursive: true }),
          ],
        },
      );
      assert.match(text, /^from the host\nfrom the host\n/);
      assert.equal(text.match(/Read-only file system/g)?.length, 2);
      assert.match(text, /wrote/);
    } finally {
      execFileSync("umount", [join(source, "deep")]);
    }
  });

  test("binds what another container has: one mount, and nothing of the host's whatever the path leads to", async () => {
    const donor = await bed.create({
      mounts: [
        inner.mount("tmpfs", "tmpfs", "/shared", 0, "size=64k"),
        inner.symlink("/shared", "/way"),
        inner.symlink("/../../../../etc/hostname", "/escape"),
        inner.symlink("/proc/1/root/etc/hostname", "/magic"),
      ],
    });
    const ns = `/proc/${donor.pid}/ns/mnt`;
    const join = (script: string, source: string): Promise<string> =>
      bed.sh(script, { mounts: [inner.bindFrom(ns, source, "/here")] });
    await join("echo said >/here/file; df -k /here | tail -1 | awk '{print $2}'", "/shared").then((size) =>
      assert.equal(size, "64\n"),
    );
    assert.equal(await join("cat /here/file; echo $$", "/way"), "said\n1\n", "and is back in its own");
    for (const source of ["/escape", "/magic"]) {
      const error = await join("true", source).catch((e: unknown) => e);
      assert.ok(error instanceof SysError, `${source} is not there, or must not be followed`);
    }
    const gone = await bed
      .sh("true", { mounts: [inner.bindFrom("/proc/self/ns/nosuch", "/", "/here")] })
      .catch((e: unknown) => e);
    assert.ok(gone instanceof SysError && gone.op === "bindFrom", String(gone));
  });

  test("gives a tmpfs the mode of the directory it covers, if there is one, unless told otherwise", async () => {
    const text = await bed.sh("stat -c '%n %a' /covered /new /told", {
      mounts: [
        inner.mkdir("/covered", 0o1750),
        inner.mount("tmpfs", "tmpfs", "/covered", 0),
        inner.mount("tmpfs", "tmpfs", "/new", 0, "size=64k"),
        inner.mount("tmpfs", "tmpfs", "/told", 0, "mode=0711"),
      ],
    });
    assert.equal(text, "/covered 1750\n/new 1777\n/told 711\n");
  });

  test("becomes the image's user with its groups, home and capabilities", async () => {
    const text = await bed.sh(
      "id; echo $HOME; grep -E 'Cap|NoNewPrivs' /proc/self/status; echo out >/dev/stdout",
      {
        settings: [inner.credentials("web", ["777"], dockerCaps), inner.noNewPrivs()],
      },
    );
    assert.match(
      text,
      /^uid=1000\(web\) gid=1001\(webs\) groups=10\(wheel\),29\(audio\),777,1001\(webs\)\n\/home\/web\n/,
    );
    assert.match(text, /CapBnd:\t00000000a80425fb/);
    assert.match(text, /CapEff:\t0000000000000000/); // not root: gone at exec, without ambient ones
    assert.match(text, /CapInh:\t0000000000000000/);
    assert.match(text, /NoNewPrivs:\t1/);
    assert.match(text, /out\n$/);
  });

  test("keeps ambient capabilities over exec, and HOME where the environment has one", async () => {
    const bit = 1 << 10; // CAP_NET_BIND_SERVICE
    const text = await bed.sh("grep CapEff /proc/self/status; echo $HOME", {
      settings: [
        inner.credentials("1000", [], {
          bounding: bit,
          effective: bit,
          permitted: bit,
          inheritable: bit,
          ambient: bit,
        }),
      ],
      mounts: [],
      plan: {},
    });
    assert.match(text, /CapEff:\t0000000000000400\n\/home\/web/);
    const { stdout } = await bed.run({
      argv: ["sh", "-c", "echo $HOME"],
      env: [...ENV, "HOME=/mine"],
      settings: [inner.credentials("web", [], noCaps)],
    });
    assert.equal(stdout.toString(), "/mine\n");
  });

  test("is refused for users and groups that the image does not have, in Docker's words", async () => {
    const failure = async (user: string, groups: string[] = []): Promise<unknown> =>
      bed
        .run({ isImmediate: true, settings: [inner.credentials(user, groups, noCaps)] })
        .catch((e: unknown) => e);
    const first = await failure("nobody");
    assert.ok(first instanceof SysError);
    assert.equal(first.text, "unable to find user nobody: no matching entries in passwd file");
    assert.equal(
      ((await failure("web:nope")) as SysError).text,
      "unable to find group nope: no matching entries in group file",
    );
    assert.equal(
      ((await failure("0", ["nope"])) as SysError).text,
      "unable to find group nope: no matching entries in group file",
    );
    assert.equal(
      ((await failure("4294967296")) as SysError).text,
      "uids and gids must be in range 0-2147483647",
    );
  });

  test("obeys a seccomp filter", async () => {
    const mkdirs = [83, 258]; // mkdir, mkdirat on x86-64
    const text = await bed.sh("mkdir /tmp/refused; grep -E '^Seccomp:' /proc/self/status", {
      settings: [inner.noNewPrivs(), inner.seccomp(denyProgram(mkdirs))],
    });
    assert.match(text, /Operation not permitted/);
    assert.match(text, /Seccomp:\t2/);
  });

  test("has its limits, umask, working directory and OOM score", async () => {
    const RLIMIT_NOFILE = 7;
    const text = await bed.sh("ulimit -n; ulimit -Hn; umask; pwd; cat /proc/self/oom_score_adj", {
      settings: [
        inner.rlimit(RLIMIT_NOFILE, 100, 200),
        inner.umask(0o27),
        inner.chdir("/made/here", { create: true }),
        inner.oomScoreAdj(321),
      ],
    });
    assert.equal(text, "100\n200\n0027\n/made/here\n321\n");
    assert.equal(lstatSync(join(bed.root, "made/here")).mode & 0o777, 0o755);
  });

  test("gets the host's hard limit and a warning where it cannot be raised", async () => {
    const RLIMIT_NOFILE = 7;
    const low = [inner.rlimit(RLIMIT_NOFILE, 50, 50), inner.rlimit(RLIMIT_NOFILE, 100, 100)];
    const run = await bed.create({ argv: ["sh", "-c", "ulimit -n; sleep 100"], settings: low });
    const canRaise =
      (Number.parseInt(
        readFileSync("/proc/self/status", "utf8").match(/CapEff:\s+(\w+)/)?.[1] as string,
        16,
      ) /
        2 ** 24) &
      1;
    if (canRaise) assert.deepEqual(run.warnings, []);
    else
      assert.match(
        run.warnings[0] as string,
        /^rlimit resource 7: hard limit cannot be raised without CAP_SYS_RESOURCE/,
      );
    await run.shim.signal(9);
    await run.exit;
  });

  test("sets sysctls of its namespaces and nothing outside the tree", async () => {
    const text = await bed.sh("cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/msgmax", {
      settings: [],
      mounts: [
        inner.sysctl("net/ipv4/ip_forward", "1"),
        inner.sysctl("kernel/msgmax", "4321"),
        inner.loopbackUp(),
      ],
    });
    assert.equal(text, "1\n4321\n");
    for (const name of ["../self/comm", "/proc/self/comm", "net/no/such"]) {
      const error = await bed.create({ mounts: [inner.sysctl(name, "x")] }).catch((e: unknown) => e);
      assert.ok(error instanceof SysError && error.op === "sysctl", String(error));
    }
  });

  test("joins a network namespace that was made before", async () => {
    const plan = bed.makePlan({
      argv: ["sh", "-c", "readlink /proc/self/ns/net; cat /sys/class/net/lo/flags 2>/dev/null"],
      plan: { cloneFlags: ALL_NAMESPACES & ~CLONE.net, joins: [{ type: CLONE.net, reg: 3 }] },
      isImmediate: true,
    });
    const { results } = await bed.keel.run([host.netnsNew(3), host.shim(plan)]);
    const [shimPid] = results[1] as [number];
    assert.ok(shimPid > 1);
    const other = await bed.sh("readlink /proc/self/ns/net", { plan: { joins: [] } });
    assert.match(other, /^net:\[\d+\]/);
  });

  test("joins another container's namespaces, its pid namespace too", async () => {
    const first = await bed.create({ argv: ["sleep", "100"] });
    await first.shim.start();
    const joins = [CLONE.pid, CLONE.net, CLONE.ipc].map((type) => ({
      type,
      path: `/proc/${first.pid}/ns/${type === CLONE.pid ? "pid" : type === CLONE.net ? "net" : "ipc"}`,
    }));
    const { stdout, run } = await bed.run({
      argv: ["sh", "-c", "cat /proc/1/cmdline | tr '\\0' ' '; echo; echo $$; readlink /proc/self/ns/net"],
      plan: { cloneFlags: CLONE.ns | CLONE.uts, joins },
    });
    const [cmdline, pid, net] = stdout.toString().trim().split("\n");
    assert.equal(cmdline?.trim(), "sleep 100");
    assert.ok(Number(pid) > 1);
    assert.equal(net, readlinkSync(`/proc/${first.pid}/ns/net`));
    assert.ok(run.pid > 1 && isAlive(first.pid));
    await first.shim.signal(9);
    await first.exit;
  });

  test("answers Docker's words for programs that cannot be executed", async () => {
    writeFileSync(join(bed.root, "bin/plain"), "no program", { mode: 0o644 });
    const start = async (argv: string[]): Promise<{ error: SysError; code: number }> => {
      const run = await bed.create({ argv });
      const error = await run.shim.start().catch((e: unknown) => e);
      const exit = await run.exit;
      assert.ok(error instanceof SysError && exit !== "lost");
      assert.equal(error.op, "exec");
      return { error, code: exit.exitCode };
    };
    const missing = await start(["nope"]);
    assert.deepEqual(
      [missing.error.text, missing.error.errno, missing.code],
      ['exec: "nope": executable file not found in $PATH', ENOENT, 127],
    );
    const absolute = await start(["/bin/nope"]);
    assert.deepEqual(
      [absolute.error.text, absolute.code],
      ['exec: "/bin/nope": stat /bin/nope: no such file or directory', 127],
    );
    const plain = await start(["/bin/plain"]);
    assert.deepEqual(
      [plain.error.text, plain.error.errno, plain.code],
      ['exec: "/bin/plain": permission denied', EACCES, 126],
    );
    assert.equal((await start(["/bin"])).error.text, 'exec: "/bin": is a directory');
    assert.equal((await start(["plain"])).error.text, 'exec: "plain": executable file not found in $PATH');
  });

  test("fails whole: no shim, no process, no socket stays behind a plan that cannot be done", async () => {
    const plan = bed.makePlan({ mounts: [inner.bind("/no/such/source", "/x")], isImmediate: true });
    const error = await bed.keel.run([host.shim(plan)]).catch((e: unknown) => e);
    assert.ok(error instanceof SysError);
    assert.deepEqual([error.op, error.path, error.errno], ["bind", "/no/such/source", ENOENT]);
    assert.ok(!existsSync(join(plan.stateDir, "shim.sock")));
    assert.ok(!existsSync(join(plan.stateDir, "exit.json")));
  });

  test("is refused when a plan would change the host", async () => {
    const plan = bed.makePlan({ plan: { cloneFlags: CLONE.pid } });
    const error = await bed.keel.run([host.shim(plan)]).catch((e: unknown) => e);
    assert.ok(error instanceof SysError);
    assert.deepEqual([error.op, error.errno], ["protocol", EINVAL]);
  });
});

describe("a hostile image", { skip }, () => {
  let bed: Bed;
  before(async () => {
    bed = await Bed.open();
  });
  after(async () => {
    await bed.close();
  });

  const withRoot = (prepare: (root: string) => void): string => {
    const root = join(bed.dir, `hostile-${readdirSync(bed.dir).length}`);
    bed.makeRoot(root);
    prepare(root);
    return root;
  };
  const runIn = (root: string, script: string, mounts: Op[] = []): Promise<string> =>
    bed.sh(script, { root: inner.root({ kind: "dir", path: root }, bed.target), mounts });

  test("cannot lead mounts, nodes and binds outside through symlinks", async () => {
    const outside = join(bed.dir, "outside");
    mkdirSync(outside);
    const root = withRoot((r) => {
      symlinkSync(outside, join(r, "dev"));
      symlinkSync(`../../../../../..${outside}`, join(r, "data"));
      symlinkSync("/proc/self/root/tmp", join(r, "var"));
    });
    const text = await runIn(root, "echo ok; ls /data/", [
      inner.bind("/etc/hostname", "/data/file"),
      inner.mkdir("/var/made", 0o755),
    ]).catch((e: Error) => e.message);
    assert.deepEqual(readdirSync(outside), []);
    assert.ok(!existsSync("/tmp/made"));
    assert.match(text, /ok\nfile|made|mkdir/);
  });

  test("cannot make us wait or read a device through /etc/passwd", async () => {
    const fifo = withRoot((r) => {
      rmSync(join(r, "etc/passwd"));
      execFileSync("mkfifo", [join(r, "etc/passwd")]);
    });
    const settings = [inner.credentials("web", [], noCaps)];
    const error = await bed
      .create({ root: inner.root({ kind: "dir", path: fifo }, bed.target), settings })
      .catch((e: unknown) => e);
    assert.ok(error instanceof SysError && /not a regular file/.test(error.message), String(error));
    const link = withRoot((r) => {
      rmSync(join(r, "etc/passwd"));
      symlinkSync("/../../../../etc/passwd", join(r, "etc/passwd"));
    });
    const loop = await bed
      .create({ root: inner.root({ kind: "dir", path: link }, bed.target), settings })
      .catch((e: unknown) => e);
    assert.ok(loop instanceof SysError);
  });

  test("cannot enter a host directory by its working directory (CVE-2024-21626)", async () => {
    for (let fd = 3; fd < 10; fd++) {
      const error = await bed
        .create({ settings: [inner.chdir(`/proc/self/fd/${fd}`)] })
        .catch((e: unknown) => e);
      assert.ok(error instanceof SysError && error.op === "chdir", String(error));
    }
  });

  test("cannot overwrite keel by being it (CVE-2019-5736)", async () => {
    const before = hostMounts().length;
    const run = await bed.create({
      argv: [
        "/proc/self/exe",
        "init",
        "--",
        "sh",
        "-c",
        "echo x >/proc/1/exe; echo $?; head -c 4 /proc/1/exe | tail -c 3",
      ],
    });
    const { openAttach } = await import("./client.ts");
    const { readAll, demultiplex } = await import("./_bed.ts");
    const { stream } = await openAttach(run.socketPath, { stdout: true, stderr: true });
    const bytes = readAll(stream);
    await run.shim.start();
    await run.exit;
    const { stdout, stderr } = demultiplex(await bytes);
    assert.equal(stdout.toString(), "1\nELF"); // it is keel that runs there, and it cannot be written
    assert.match(stderr.toString(), /can't create \/proc\/1\/exe: (Read-only file system|Text file busy)/);
    assert.equal(hostMounts().length, before);
  });
});
