// Fields of the OCI specification as a container's process finds them: from config.json through the planner and the real keel to the
// real kernel. What the plan says is plan/*.test.ts's; here is what it does.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { closeSync, existsSync, mkdirSync, readFileSync, writeFileSync, openSync, renameSync } from "node:fs";
import type { Socket } from "node:net";
import { getPriority } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { SysError } from "../../lib/errors.ts";
import { planExecProcess } from "../plan/exec.ts";
import type { PlanInput } from "../plan/input.ts";
import { planContainer } from "../plan/plan.ts";
import { decodeSpec } from "../spec/bundle/parse.ts";
import type { OciLinux, OciMount, OciProcess, OciSpec } from "../spec/oci.ts";
import { inner } from "../../linux/ops.ts";
import { openAttach } from "./client.ts";
import { Bed, demultiplex, readAll, readUntil, type Run, type RunOptions, skip } from "./_bed.ts";

interface Change {
  process?: Partial<OciProcess>;
  linux?: Partial<OciLinux>;
  mounts?: OciMount[];
  plan?: Partial<PlanInput>;
  spec?: Partial<OciSpec>;
}

const NAMESPACES = (["pid", "network", "ipc", "uts", "mount"] as const).map((type) => ({ type }));
const PROC: OciMount = { destination: "/proc", type: "proc", source: "proc" };

describe("a container of a config.json", { skip }, () => {
  let bed: Bed;
  before(async () => {
    bed = await Bed.open();
  });
  after(async () => {
    await bed.close();
  });

  function specOf(change: Change): OciSpec {
    const { spec } = decodeSpec(
      {
        ociVersion: "1.2.1",
        process: {
          cwd: "/",
          args: ["true"],
          env: ["PATH=/bin"],
          user: { uid: 0, gid: 0 },
          ...change.process,
        },
        root: { path: bed.root },
        mounts: [
          PROC,
          { destination: "/dev", type: "tmpfs", options: ["mode=755"] },
          ...(change.mounts ?? []),
        ],
        linux: { namespaces: NAMESPACES, ...change.linux },
        ...change.spec,
      },
      { bundle: bed.dir },
    );
    return spec;
  }

  function optionsOf(change: Change): { options: RunOptions; warnings: string[]; spec: OciSpec } {
    const spec = specOf(change);
    const { shim, warnings } = planContainer({
      id: "box",
      spec,
      root: { kind: "dir", path: bed.root },
      rootTarget: bed.target,
      stateDir: bed.dir,
      log: { kind: "none" },
      hasBarrier: true,
      ...change.plan,
    });
    const { ops, cloneFlags, joins } = shim;
    return { options: { plan: { ops, cloneFlags, joins } }, warnings, spec };
  }

  const sh = (script: string, change: Change = {}): Promise<string> =>
    run({ ...change, process: { args: ["sh", "-c", script], ...change.process } });

  async function run(change: Change): Promise<string> {
    const { stdout, stderr } = await bed.run(optionsOf(change).options);
    return `${stdout}${stderr}`;
  }

  /** Why a container cannot be started. */
  async function refusal(change: Change): Promise<SysError> {
    const failed = await bed.run(optionsOf(change).options).catch((e: unknown) => e);
    assert.ok(failed instanceof SysError, "it started");
    return failed;
  }

  async function execIn(box: Run, spec: OciSpec, process: Partial<OciProcess>): Promise<string> {
    const own = spec.process as OciProcess;
    const plan = planExecProcess(spec, { ...own, ...process }, { execId: "e", isTty: false });
    const { stream } = await bed.exec(box, [], { stdout: true, stderr: true }, { ops: plan.ops });
    const { stdout, stderr } = demultiplex(await readAll(stream as Socket));
    return `${stdout}${stderr}`;
  }

  /** The options of mounts in a container, by mount point. */
  async function mountsOf(mounts: OciMount[], change: Change = {}): Promise<Map<string, string>> {
    const text = await sh("cat /proc/self/mountinfo", { ...change, mounts });
    return new Map(
      text
        .trim()
        .split("\n")
        .map((line) => [line.split(" ")[4] ?? "", line.split(" ").slice(5).join(" ")]),
    );
  }

  function sourceDir(name: string): string {
    const dir = join(bed.dir, name);
    mkdirSync(join(dir, "sub"), { recursive: true });
    writeFileSync(join(dir, "file"), "from the host\n");
    return dir;
  }

  test("runs under its scheduler, I/O priority and personality, and so does what joins it", async () => {
    const process = {
      scheduler: { policy: "SCHED_BATCH", nice: 7 },
      ioPriority: { class: "IOPRIO_CLASS_IDLE", priority: 0 },
    };
    const linux: Partial<OciLinux> = { personality: { domain: "LINUX32" } };
    const script = "cut -d' ' -f 19,41 /proc/self/stat; ionice -p $$; uname -m";
    assert.match(await sh(script, { process, linux }), /^7 3\nidle.*\ni686\n$/);
    const { options, spec } = optionsOf({ process: { ...process, args: ["sleep", "100"] }, linux });
    const box = await bed.create(options);
    await box.shim.start();
    const said = await execIn(box, spec, { args: ["sh", "-c", script], scheduler: { policy: "SCHED_IDLE" } });
    const own = getPriority(); // of who runs the tests
    assert.match(said, new RegExp(`^${own} 5\\nidle.*\\ni686\\n$`));
    await box.shim.signal(9);
    await box.exit;
    const bad = await refusal({ process: { scheduler: { policy: "SCHED_DEADLINE", runtime: 1 } } });
    assert.equal(bad.op, "sched_setattr");
  });

  test("takes its memory from the nodes of its policy", async () => {
    const text = await sh("head -1 /proc/self/numa_maps", {
      linux: { memoryPolicy: { mode: "MPOL_BIND", nodes: "0", flags: ["MPOL_F_STATIC_NODES"] } },
    });
    assert.match(text, / bind=static:0 /);
    assert.match(
      await sh("head -1 /proc/self/numa_maps", { linux: { memoryPolicy: { mode: "MPOL_PREFERRED" } } }),
      / (local|prefer|default)/,
    );
  });

  test("execs run on the CPUs that execCPUAffinity says, the first process on all", async () => {
    const { options, spec } = optionsOf({
      process: { args: ["sleep", "100"], execCPUAffinity: { initial: "0", final: "0" } },
    });
    const box = await bed.create(options);
    await box.shim.start();
    const args = ["grep", "Cpus_allowed_list", "/proc/self/status"];
    assert.equal(await execIn(box, spec, { args }), "Cpus_allowed_list:\t0\n");
    const initial = { args, execCPUAffinity: { initial: "1" } };
    assert.equal(await execIn(box, spec, initial), "Cpus_allowed_list:\t1\n");
    assert.notEqual(
      readFileSync(`/proc/${box.pid}/status`, "utf8").match(/Cpus_allowed_list:\t(.*)/)?.[1],
      "0",
    );
    await box.shim.signal(9);
    await box.exit;
  });

  test("has clocks of its own in a time namespace, and joins another's", async () => {
    const time = { namespaces: [...NAMESPACES, { type: "time" as const }] };
    const offsets = { monotonic: { secs: 7881, nanosecs: 2718281 }, boottime: { secs: 1337 } };
    const linux: Partial<OciLinux> = { ...time, timeOffsets: offsets };
    const { options, spec } = optionsOf({ process: { args: ["sleep", "100"] }, linux });
    const box = await bed.create(options);
    await box.shim.start();
    const cat = { args: ["cat", "/proc/self/timens_offsets"] };
    const wanted = /^monotonic +7881 +2718281\nboottime +1337 +0\n$/;
    assert.match(await execIn(box, spec, cat), wanted);
    const joined = {
      namespaces: [...NAMESPACES, { type: "time" as const, path: `/proc/${box.pid}/ns/time` }],
    };
    assert.match(await run({ process: cat, linux: joined }), wanted);
    assert.match(await run({ process: cat, linux: time }), /^monotonic +0 +0\nboottime +0 +0\n$/);
    await box.shim.signal(9);
    await box.exit;
  });

  test("is not bound to the CPUs that whoever started it is bound to", async () => {
    const args = ["grep", "Cpus_allowed_list", "/proc/self/status"];
    const own = execFileSync("grep", ["Cpus_allowed_list", "/proc/self/status"], { encoding: "utf8" });
    const { options, spec } = optionsOf({ process: { args: ["sh", "-c", `${args.join(" ")}; sleep 100`] } });
    const ops = options.plan?.ops ?? [];
    const pinned = [
      ...ops.slice(0, 1),
      inner.cpuAffinity(Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0)),
      ...ops.slice(1),
    ];
    const box = await bed.create({ plan: { ...options.plan, ops: pinned } });
    const { stream } = await openAttach(box.socketPath, { stdout: true });
    await box.shim.start();
    assert.match(await readUntil(stream as Socket, (text) => text.endsWith("\n")), new RegExp(own.trim()));
    assert.equal(await execIn(box, spec, { args }), own);
    await box.shim.signal(9);
    await box.exit;
  });

  test("of a variable that is there twice the last one counts", async () => {
    assert.equal(
      await sh("env | grep ONE", { process: { env: ["PATH=/bin", "ONE=1", "ONE=2"] } }),
      "ONE=2\n",
    );
  });

  test("ambient capabilities reach a user other than root, and only those that the kernel allows", async () => {
    const process: Partial<OciProcess> = {
      user: { uid: 1000, gid: 1000, additionalGids: [7, 8], umask: 0o77 },
      capabilities: {
        bounding: ["CAP_KILL", "CAP_CHOWN"],
        permitted: ["CAP_KILL"],
        inheritable: ["CAP_KILL", "CAP_CHOWN"],
        effective: ["CAP_KILL"],
        ambient: ["CAP_KILL", "CAP_CHOWN"],
      },
    };
    const script = "grep -E 'Cap|Groups' /proc/self/status; umask";
    const { warnings } = optionsOf({ process });
    assert.deepEqual(
      warnings.filter((w) => w.includes("ambient")),
      ["can't raise ambient capability CAP_CHOWN: it is not both permitted and inheritable"],
    );
    const text = await sh(script, { process });
    for (const line of [
      "CapEff:\t0000000000000020",
      "CapAmb:\t0000000000000020",
      "CapBnd:\t0000000000000021",
      "Groups:\t7 8",
    ])
      assert.ok(text.includes(line), `${line} in ${text}`);
    assert.match(text, /^0077$/m);
    const none = { ...process, capabilities: { ...process.capabilities, ambient: [] } };
    assert.match(await sh(script, { process: none }), /CapEff:\t0000000000000000/);
  });

  test("mounts have the options of the specification's table", async () => {
    const options = (...names: string[]): OciMount => ({
      destination: "/mnt",
      type: "tmpfs",
      source: "tmpfs",
      options: names,
    });
    const cases: [names: string[], expected: RegExp][] = [
      [["ro", "nosuid", "nodev", "noexec"], /^ro,nosuid,nodev,noexec,relatime /],
      [["noatime", "nodiratime"], /^rw,noatime,nodiratime /],
      [["strictatime"], /^rw /],
      [["nosymfollow"], /^rw,relatime,nosymfollow /],
      [
        ["sync", "dirsync", "lazytime", "silent", "loud"],
        /^rw,relatime - tmpfs tmpfs rw,sync,dirsync,lazytime/,
      ],
      [["defaults", "ro", "rw", "nosuid", "suid"], /^rw,relatime /],
      [["rro", "rnosuid", "rnoatime"], /^ro,nosuid,noatime /],
      [["shared"], /^rw,relatime shared:\d+ /],
      [["unbindable"], /^rw,relatime unbindable /],
      [["slave", "mode=700", "size=4k"], /size=4k,mode=700/],
    ];
    for (const [names, expected] of cases) {
      const found = (await mountsOf([options(...names)])).get("/mnt");
      assert.match(found ?? "none", expected, names.join(","));
    }
  });

  test("binds: what belongs to the mount, to the tree, and what is taken away again", async () => {
    const source = sourceDir("tree");
    execFileSync("mount", ["-t", "tmpfs", "-o", "nosuid", "tmpfs", join(source, "sub")]);
    try {
      const bind = (...names: string[]): OciMount => ({ destination: "/mnt", source, options: names });
      const cases: [names: string[], top: RegExp, below: RegExp | undefined][] = [
        [["rbind", "ro"], /^ro,relatime/, /^rw,nosuid,relatime/],
        [["rbind", "rro"], /^ro,relatime/, /^ro,nosuid,relatime/],
        [["rbind", "ro", "rnodev"], /^ro,nodev,relatime/, /^rw,nosuid,nodev,relatime/],
        [["rbind", "rsuid", "rstrictatime"], /^rw /, /^rw /],
        [["rbind", "rnoatime", "ratime"], /^rw,relatime/, /^rw,nosuid,relatime/],
        [["bind", "noatime"], /^rw,noatime/, undefined],
        [
          ["rbind", "rnosymfollow", "rro", "rrw"],
          /^rw,relatime,nosymfollow/,
          /^rw,nosuid,relatime,nosymfollow/,
        ],
      ];
      for (const [names, top, below] of cases) {
        const found = await mountsOf([bind(...names)]);
        assert.match(found.get("/mnt") ?? "none", top, names.join(","));
        if (below) assert.match(found.get("/mnt/sub") ?? "none", below, names.join(","));
        else assert.equal(found.get("/mnt/sub"), undefined);
      }
      const kept = { destination: "/mnt", source: join(source, "sub"), options: ["bind", "ro"] };
      assert.match((await mountsOf([kept])).get("/mnt") ?? "", /^ro,nosuid,relatime/);
      const cleared = { ...kept, options: ["bind", "suid", "rw"] };
      assert.match((await mountsOf([cleared])).get("/mnt") ?? "", /^rw,relatime/);
      const again = [kept, { destination: "/mnt", options: ["bind", "remount", "rw", "nodev"] }];
      assert.match((await mountsOf(again)).get("/mnt") ?? "", /^rw,nosuid,nodev,relatime/);
    } finally {
      execFileSync("umount", [join(source, "sub")]);
    }
    const data = { destination: "/mnt", source, options: ["bind", "size=4k"] };
    assert.throws(() => optionsOf({ mounts: [data] }), /cannot have any filesystem-specific options/);
  });

  test("a remount changes the file system that is there", async () => {
    const mounts = [
      { destination: "/mnt", type: "tmpfs", source: "tmpfs", options: ["size=8k"] },
      { destination: "/mnt", options: ["remount", "ro", "size=16k"] },
    ];
    assert.match((await mountsOf(mounts)).get("/mnt") ?? "", /^ro,relatime - tmpfs tmpfs ro,size=16k/);
  });

  test("files to bind on are made, missing ones of the image and all", async () => {
    const source = sourceDir("single");
    const mounts = [{ destination: "/new/dir/copy", source: join(source, "file"), options: ["bind", "ro"] }];
    assert.equal(await sh("cat /new/dir/copy", { mounts }), "from the host\n");
  });

  test("a descriptor of the caller's is bound, also when its path is another by now", async () => {
    const source = sourceDir("gone");
    const fd = openSync(source, "r");
    try {
      renameSync(source, join(bed.dir, "moved"));
      const mounts = [{ destination: "/mnt", source: `/proc/self/fd/${fd}`, options: ["rbind"] }];
      assert.equal(await sh("cat /mnt/file", { mounts }), "from the host\n");
    } finally {
      closeSync(fd);
    }
    const closed = [{ destination: "/mnt", source: "/proc/self/fd/9999", options: ["rbind"] }];
    assert.throws(() => optionsOf({ mounts: closed }), /descriptor 9999 .* is not open/);
    const alien = {
      ociVersion: "1.2.1",
      mounts: [{ destination: "/m", source: "/dev/fd/3", options: ["bind"] }],
    };
    const spec = { ...specOf({}), ...alien };
    assert.throws(() => optionsOf({ plan: { spec } }), /a descriptor of whoever looks/);
  });

  test("tmpcopyup begins with what the image has there, owners and modes included", async () => {
    const at = join(bed.root, "var/data");
    mkdirSync(join(at, "deep"), { recursive: true, mode: 0o755 });
    writeFileSync(join(at, "deep/file"), "text\n", { mode: 0o644 });
    execFileSync("chown", ["-R", "1000:1001", join(at, "deep")]);
    execFileSync("chmod", ["0710", at]);
    const mounts = (...options: string[]) => [
      { destination: "/var/data", type: "tmpfs", source: "tmpfs", options },
    ];
    const script =
      "stat -c '%a %u:%g %n' /var/data /var/data/deep /var/data/deep/file; cat /var/data/deep/file; echo x >/var/data/new";
    const expected =
      "710 0:0 /var/data\n755 1000:1001 /var/data/deep\n644 1000:1001 /var/data/deep/file\ntext\n";
    assert.equal(await sh(script, { mounts: mounts("tmpcopyup") }), expected);
    assert.ok(!existsSync(join(at, "new")), "the image stays as it was");
    assert.match(await sh(script, { mounts: mounts("tmpcopyup", "ro") }), /Read-only file system/);
    assert.throws(
      () => optionsOf({ mounts: [{ destination: "/x", type: "proc", options: ["tmpcopyup"] }] }),
      /tmpfs only/,
    );
  });

  test("an overlay is mounted where the file says", async () => {
    for (const name of ["lower", "upper", "work"])
      mkdirSync(join(bed.dir, "over", name), { recursive: true });
    writeFileSync(join(bed.dir, "over/lower/file"), "lower\n");
    const dirs = ["lower", "upper", "work"].map((name) => `${name}dir=${join(bed.dir, "over", name)}`);
    const mounts = [{ destination: "/mnt", type: "overlay", source: "overlay", options: dirs }];
    assert.equal(await sh("cat /mnt/file; echo new >/mnt/new", { mounts }), "lower\n");
    assert.equal(readFileSync(join(bed.dir, "over/upper/new"), "utf8"), "new\n");
  });

  test("a read-only /dev has its nodes all the same", async () => {
    const mounts = [{ destination: "/dev", type: "tmpfs", options: ["ro", "mode=755"] }];
    const text = await sh("grep ' /dev ' /proc/mounts; ls /dev/null; echo x >/dev/x", {
      spec: { mounts: [PROC, ...mounts] },
    });
    assert.match(text, /^tmpfs \/dev tmpfs ro,/);
    assert.match(text, /\/dev\/null\n.*Read-only file system/);
  });

  test("mqueue and devpts are the container's own", async () => {
    const mounts = [
      {
        destination: "/dev/pts",
        type: "devpts",
        source: "devpts",
        options: ["newinstance", "ptmxmode=0666", "mode=0620"],
      },
      { destination: "/dev/mqueue", type: "mqueue", source: "mqueue", options: ["nosuid"] },
      { destination: "/sys", type: "sysfs", source: "sysfs", options: ["ro"] },
    ];
    const text = await sh("ls /dev/pts /dev/mqueue; ls /sys/class/net", { mounts });
    assert.match(text, /ptmx/);
    assert.match(text, /^lo$/m);
    assert.doesNotMatch(text, /eth0/);
  });

  test("nothing but a procfs is mounted at /proc, and in it only what lxcfs replaces", async () => {
    const source = sourceDir("fake");
    const bind = (destination: string) => ({ destination, source: join(source, "file"), options: ["bind"] });
    assert.throws(() => optionsOf({ mounts: [bind("/proc")] }), /not of type proc/);
    assert.throws(() => optionsOf({ mounts: [{ destination: "/proc", type: "tmpfs" }] }), /not of type proc/);
    assert.throws(() => optionsOf({ mounts: [bind("/proc/self/attr/exec")] }), /inside \/proc/);
    assert.throws(() => optionsOf({ mounts: [bind("/x/../proc/kcore")] }), /inside \/proc/);
    assert.equal(await sh("cat /proc/cpuinfo", { mounts: [bind("/proc/cpuinfo")] }), "from the host\n");
    const hosts = { destination: "/proc", source: "/proc", options: ["rbind", "ro"] };
    assert.match(await sh("ls -d /proc/1", { spec: { mounts: [hosts] } }), /\/proc\/1/);
  });

  test("the root propagates as the file says", async () => {
    const rootOf = async (rootfsPropagation: string | undefined) => {
      const linux = rootfsPropagation === undefined ? {} : { rootfsPropagation };
      return (await mountsOf([], { linux })).get("/") ?? "";
    };
    assert.match(await rootOf("shared"), /shared:\d+/);
    assert.match(await rootOf("rshared"), /shared:\d+/);
    assert.match(await rootOf("unbindable"), /unbindable/);
    for (const word of ["private", "rprivate", undefined])
      assert.doesNotMatch(await rootOf(word), /shared|master/);
    // a slave has to have a master: a host directory on a shared mount
    const volume = join(bed.dir, "shared");
    mkdirSync(volume);
    execFileSync("mount", ["-t", "tmpfs", "tmpfs", volume]);
    try {
      execFileSync("mount", ["--make-shared", volume]);
      bed.makeRoot(join(volume, "root"));
      const onShared = { plan: { root: { kind: "dir" as const, path: join(volume, "root") } } };
      for (const rootfsPropagation of ["slave", "rslave"]) {
        const found = (await mountsOf([], { ...onShared, linux: { rootfsPropagation } })).get("/") ?? "";
        assert.match(found, /master:\d+/, rootfsPropagation);
        assert.doesNotMatch(found, /shared:/);
      }
      assert.doesNotMatch(readFileSync("/proc/self/mountinfo", "utf8"), new RegExp(`${volume}/root`));
      assert.doesNotMatch((await mountsOf([], onShared)).get("/") ?? "", /shared|master/);
    } finally {
      execFileSync("umount", ["-l", volume]); // copies in dying namespaces may hold it
    }
  });

  test("paths that are masked or read-only twice are so once", async () => {
    const paths = ["/proc/cpuinfo", "/proc/cpuinfo"];
    const text = await sh("grep -c cpuinfo /proc/self/mountinfo; cat /proc/cpuinfo | wc -c", {
      linux: { maskedPaths: paths },
    });
    assert.equal(text, "1\n0\n");
  });

  test("without pivot_root the host is out of sight, too", async () => {
    const own = () =>
      readFileSync("/proc/self/mountinfo", "utf8").match(
        /^(?:\S+ ){4}(?:\/|\/proc|\/sys|\/tmp\/berth\S*) .*$/gm,
      );
    const before = own();
    const script = "ls /; cut -d' ' -f5 /proc/self/mountinfo | sort -u; cd ..; pwd";
    const text = await sh(script, { plan: { hasNoPivot: true } });
    assert.match(text, /^bin$/m);
    assert.doesNotMatch(text, /^\/tmp\/berth|agent\.sock|^boot$/m);
    assert.deepEqual(own(), before);
  });
});
