// What a container is kept from, and what it is given: namespaces, mounts, capabilities, seccomp, users, limits.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { readFile, readlink, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { after, afterEach, before, describe, test } from "node:test";
import { clients, procStatus, TestDaemon } from "./harness.ts";

// Capabilities and the like come from the request, not from the client: one client is enough, the others' flags are
// tried by the tests that follow the loop.
const client = clients[0] as (typeof clients)[number];
const CGROUP_V2 = existsSync("/sys/fs/cgroup/cgroup.controllers");

let daemon: TestDaemon;
before(async () => {
  daemon = await TestDaemon.start();
});
afterEach(() => daemon.removeContainers());
after(() => daemon.close());

const text = (...args: string[]) => daemon.text(client, args);
const outcome = (...args: string[]) => daemon.run(client, args);
const inside = (script: string, ...flags: string[]) =>
  text("run", "--rm", ...flags, "busybox", "sh", "-c", script);

describe("namespaces", () => {
  test("the program is process 1 and sees no other", async () => {
    assert.equal(await inside("echo $$; echo /proc/[0-9]*"), "1\n/proc/1");
  });

  test("all namespaces but the user's are the container's own", async () => {
    await text("run", "-d", "--name", "ns", "busybox", "sleep", "1000");
    const { Pid } = (await daemon.inspect("ns")).State;
    for (const name of ["pid", "mnt", "net", "uts", "ipc"])
      assert.notEqual(
        await readlink(`/proc/${Pid}/ns/${name}`),
        await readlink(`/proc/self/ns/${name}`),
        name,
      );
    assert.equal(await readlink(`/proc/${Pid}/ns/user`), await readlink("/proc/self/ns/user"));
    await text("rm", "-f", "ns");
  });

  test("the host name is the short id, or what --hostname says", async () => {
    await text("run", "--name", "named", "busybox", "hostname");
    const { Id } = await daemon.inspect("named");
    assert.equal(await text("logs", "named"), Id.slice(0, 12));
    await text("rm", "named");
    assert.equal(await inside("hostname; cat /etc/hostname", "--hostname", "box"), "box\nbox");
  });

  test("--pid host, --uts host and --ipc host share the host's", async () => {
    assert.equal(
      await inside("readlink /proc/self/ns/pid", "--pid", "host"),
      await readlink("/proc/self/ns/pid"),
    );
    assert.equal(
      await inside("readlink /proc/self/ns/ipc", "--ipc", "host"),
      await readlink("/proc/self/ns/ipc"),
    );
    assert.equal(await inside("hostname", "--uts", "host"), hostname());
  });

  test("--pid container: joins another container's processes", async () => {
    await text("run", "-d", "--name", "target", "busybox", "sleep", "1234");
    assert.match(await inside("ps -o args", "--pid", "container:target"), /sleep 1234/);
    await text("rm", "-f", "target");
  });

  test("--init puts a reaper first and passes its child's exit code on", async () => {
    assert.equal(
      await inside("echo $$; cat /proc/1/comm", "--init").then((t) => t.split("\n")[0] !== "1"),
      true,
    );
    assert.equal((await outcome("run", "--rm", "--init", "busybox", "sh", "-c", "exit 23")).status, 23);
    // What lost its parent as a zombie is taken away some time later; without a reaper this would wait for ever.
    const reaped =
      "(sleep 0.01 & exec sleep 0.02) & wait; while ps -o stat | grep -q Z; do sleep 0.02; done; echo reaped";
    assert.equal(await inside(reaped, "--init"), "reaped");
  });
});

describe("file systems", () => {
  test("the root is an overlay, writable, and nobody else's", async () => {
    assert.match(
      await inside("grep ' / ' /proc/mounts; echo x > /mine; cat /mine"),
      /^overlay \/ overlay rw,[^]*\nx$/,
    );
    assert.equal(await inside("ls /mine 2>/dev/null | wc -l"), "0");
    // What others mount meanwhile is theirs: all that the daemon mounts has something of its directory in its line.
    const hostMounts = async () => {
      const lines = (await readFile("/proc/self/mountinfo", "utf8")).split("\n");
      return lines.filter((line) => line.includes(daemon.dir)).sort();
    };
    const before = await hostMounts();
    await text("run", "-d", "--name", "mounted", "busybox", "sleep", "1000");
    assert.deepEqual(await hostMounts(), before, "nothing is mounted on the host");
    await text("rm", "-f", "mounted");
  });

  test("the standard mounts are there with Docker's options", async () => {
    const mounts = await inside("cat /proc/mounts");
    for (const line of [
      /^proc \/proc proc rw,nosuid,nodev,noexec,relatime 0 0$/m,
      /^tmpfs \/dev tmpfs rw,nosuid,size=65536k,mode=755/m,
      /^devpts \/dev\/pts devpts rw,nosuid,noexec,relatime,gid=5,mode=620,ptmxmode=666/m,
      /^sysfs \/sys sysfs ro,nosuid,nodev,noexec,relatime 0 0$/m,
      /^mqueue \/dev\/mqueue mqueue rw,nosuid,nodev,noexec,relatime/m,
      /^shm \/dev\/shm tmpfs rw,nosuid,nodev,noexec,relatime,size=65536k/m,
    ])
      assert.match(mounts, line);
    assert.equal(
      await inside("ls /dev | tr '\\n' ' '"),
      "core fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero ",
    );
  });

  test("kernel files are masked or read-only", async () => {
    for (const path of ["/proc/kcore", "/proc/keys", "/proc/timer_list"])
      if (existsSync(path)) assert.equal(await inside(`cat ${path} | wc -c`), "0", path);
    for (const path of ["/proc/acpi", "/sys/firmware"])
      if (existsSync(path)) assert.equal(await inside(`ls ${path} | wc -l`), "0", path);
    for (const path of ["/proc/sys/kernel/hostname", "/proc/irq/default_smp_affinity"])
      assert.match(
        (await outcome("run", "--rm", "busybox", "sh", "-c", `echo x > ${path}`)).stderr,
        /Read-only file system/,
        path,
      );
    assert.match(
      (
        await outcome(
          "run",
          "--rm",
          "busybox",
          "mkdir",
          CGROUP_V2 ? "/sys/fs/cgroup/x" : "/sys/fs/cgroup/memory/x",
        )
      ).stderr,
      /Read-only file system/,
    );
  });

  test("--read-only leaves only the mounts writable", async () => {
    const refused = await outcome("run", "--rm", "--read-only", "busybox", "touch", "/x");
    assert.match(refused.stderr, /Read-only file system/);
    assert.equal(
      await inside("echo y > /tmp/x; cat /tmp/x", "--read-only", "--tmpfs", "/tmp:size=1m,mode=1777"),
      "y",
    );
  });

  test("-v binds a directory of the host, :ro without the right to write", async () => {
    await writeFile(daemon.path("shared"), "of the host\n");
    assert.equal(
      await inside("cat /data/shared; echo new > /data/made", "-v", `${daemon.dir}:/data`),
      "of the host",
    );
    assert.equal(await readFile(daemon.path("made"), "utf8"), "new\n");
    const refused = await outcome(
      "run",
      "--rm",
      "-v",
      `${daemon.dir}:/data:ro`,
      "busybox",
      "touch",
      "/data/x",
    );
    assert.match(refused.stderr, /Read-only file system/);
    const missing = await outcome(
      "run",
      "--rm",
      "--mount",
      "type=bind,src=/no/such,dst=/x",
      "busybox",
      "true",
    );
    assert.equal(missing.status, 125);
    assert.match(missing.stderr, /bind source path does not exist: \/no\/such/);
  });

  test("a symbolic link in the image does not lead a mount out of the root", async () => {
    const dockerfile = `FROM busybox\nRUN rm -rf /data && ln -s ${daemon.dir} /data\n`;
    await daemon.text(client, ["build", "-t", "evil", "-"], { input: dockerfile });
    await text("run", "--rm", "-v", `${daemon.path("data/containers")}:/data/inner`, "evil", "true");
    assert.equal(existsSync(daemon.path("inner")), false);
    await text("rmi", "evil");
  });
});

describe("rights", () => {
  test("root has Docker's fourteen capabilities", async () => {
    const caps = "grep Cap /proc/self/status | cut -f2 | tr '\\n' ' '";
    const set = "00000000a80425fb";
    assert.equal(await inside(caps), `0000000000000000 ${set} ${set} ${set} 0000000000000000 `);
    assert.equal(
      await inside("grep CapEff /proc/self/status", "--cap-drop", "ALL", "--cap-add", "CHOWN"),
      "CapEff:\t0000000000000001",
    );
    assert.equal(
      await inside("grep CapBnd /proc/self/status", "--cap-add", "SYS_ADMIN"),
      "CapBnd:\t00000000a82425fb",
    );
  });

  test("another user has none that work", async () => {
    assert.equal(await inside("grep CapEff /proc/self/status", "-u", "1000"), "CapEff:\t0000000000000000");
  });

  test("a seccomp filter is in force: mount and reboot are refused, unconfined has none", async () => {
    assert.equal(await inside("grep Seccomp: /proc/self/status"), "Seccomp:\t2");
    assert.match(
      (await outcome("run", "--rm", "busybox", "unshare", "-U", "true")).stderr,
      /Operation not permitted/,
    );
    assert.equal(
      await inside("grep Seccomp: /proc/self/status", "--security-opt", "seccomp=unconfined"),
      "Seccomp:\t0",
    );
  });

  test("no-new-privileges is off unless asked for", async () => {
    assert.equal(await inside("grep NoNewPrivs /proc/self/status"), "NoNewPrivs:\t0");
    assert.equal(
      await inside("grep NoNewPrivs /proc/self/status", "--security-opt", "no-new-privileges"),
      "NoNewPrivs:\t1",
    );
  });

  test("devices are refused except the harmless ones", async () => {
    assert.equal(await inside("head -c 4 /dev/zero | wc -c"), "4");
    const refused = await outcome("run", "--rm", "busybox", "sh", "-c", "mknod /disk b 8 0 && cat /disk");
    assert.match(refused.stderr, /Operation not permitted/);
  });

  test("--privileged has every capability of the daemon and the host's devices", async () => {
    assert.equal(
      await inside("grep CapBnd /proc/self/status", "--privileged"),
      `CapBnd:\t${await procStatus(process.pid, "CapBnd")}`,
    );
    assert.equal(
      await inside("grep Seccomp: /proc/self/status; test -e /dev/kmsg && echo kmsg", "--privileged"),
      "Seccomp:\t0\nkmsg",
    );
  });

  test("-u takes names, numbers and groups; --group-add adds", async () => {
    assert.equal(await inside("id", "-u", "dev"), "uid=1000(dev) gid=1000(dev) groups=1000(dev),2000(extra)");
    assert.equal(await inside("id -u; id -g", "-u", "4321:99"), "4321\n99");
    assert.equal(await inside("id -G", "-u", "dev", "--group-add", "77"), "1000 77 2000");
    const unknown = await outcome("run", "--rm", "-u", "who", "busybox", "true");
    assert.notEqual(unknown.status, 0);
    assert.match(unknown.stderr, /unable to find user who: no matching entries in passwd file/);
    assert.equal(await text("ps", "-aq"), "");
  });

  test("-w makes the directory that is missing", async () => {
    assert.equal(await inside("pwd; ls -ld /a/b | cut -c1-10", "-w", "/a/b"), "/a/b\ndrwxr-xr-x");
  });

  test("the environment has PATH, HOSTNAME and HOME, and what -e adds", async () => {
    const env = (await inside("env", "--hostname", "h", "-e", "A=1", "-e", "B=two words")).split("\n");
    for (const line of [
      "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
      "HOSTNAME=h",
      "HOME=/root",
      "A=1",
      "B=two words",
    ])
      assert.ok(env.includes(line), line);
    assert.ok((await text("run", "--rm", "-t", "busybox", "env")).includes("TERM=xterm"));
  });
});

describe("limits", () => {
  const cgroupFile = (v1: string, v2: string): string => `/sys/fs/cgroup/${CGROUP_V2 ? v2 : v1}`;

  test("-m is the cgroup's limit, seen from inside", async () => {
    const file = cgroupFile("memory/memory.limit_in_bytes", "memory.max");
    assert.equal(await inside(`cat ${file}`, "-m", "32m"), String(32 << 20));
  });

  test("memory beyond the limit gets the process killed, and inspect says so", async () => {
    const { status } = await outcome(
      "run",
      "--name",
      "greedy",
      "-m",
      "16m",
      "--memory-swap",
      "16m",
      "busybox",
      "sh",
      "-c",
      "x=$(head -c 64000000 /dev/zero | tr '\\0' x)",
    );
    assert.equal(status, 137);
    assert.equal((await daemon.inspect("greedy")).State.OOMKilled, true);
    await text("rm", "greedy");
  });

  test("--pids-limit stops a fork bomb", async () => {
    const { stderr, stdout } = await outcome(
      "run",
      "--rm",
      "--pids-limit",
      "5",
      "busybox",
      "sh",
      "-c",
      "for i in 1 2 3 4 5 6 7 8 9; do sleep 1 & done; echo done",
    );
    assert.match(stderr + stdout, /can't fork|Resource temporarily unavailable/);
  });

  test("--cpus and --cpu-shares are in the cgroup", async () => {
    if (CGROUP_V2) assert.equal(await inside("cat /sys/fs/cgroup/cpu.max", "--cpus", "0.5"), "50000 100000");
    else {
      assert.equal(await inside("cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us", "--cpus", "0.5"), "50000");
      assert.equal(await inside("cat /sys/fs/cgroup/cpu/cpu.shares", "--cpu-shares", "77"), "77");
    }
  });

  test("--ulimit sets soft and hard limits", async () => {
    assert.equal(await inside("ulimit -Sn; ulimit -Hn", "--ulimit", "nofile=100:200"), "100\n200");
  });

  test("--shm-size and --sysctl and --oom-score-adj arrive", async () => {
    assert.match(await inside("grep /dev/shm /proc/mounts", "--shm-size", "8m"), /size=8192k/);
    assert.equal(
      await inside("cat /proc/sys/net/ipv4/ip_default_ttl", "--sysctl", "net.ipv4.ip_default_ttl=42"),
      "42",
    );
    assert.equal(await inside("cat /proc/self/oom_score_adj", "--oom-score-adj", "500"), "500");
  });

  test("the processes are in cgroups of the container's id and those go away with it", async () => {
    await text("run", "-d", "--name", "grouped", "busybox", "sleep", "1000");
    const { Id, State } = await daemon.inspect("grouped");
    const groups = (await readFile(`/proc/${State.Pid}/cgroup`, "utf8")).trim().split("\n");
    const own = groups.filter((line) => line.endsWith(`/docker/${Id}`));
    const wanted = CGROUP_V2 ? [""] : ["memory", "cpu", "pids", "devices", "freezer"];
    for (const name of wanted)
      assert.ok(
        own.some((l) => l.split(":")[1]?.split(",").includes(name)),
        `${name}: ${groups.join(" ")}`,
      );
    const dir = CGROUP_V2 ? `/sys/fs/cgroup/docker/${Id}` : `/sys/fs/cgroup/memory/docker/${Id}`;
    assert.equal((await readFile(`${dir}/cgroup.procs`, "utf8")).trim(), String(State.Pid));
    await text("rm", "-f", "grouped");
    assert.equal(existsSync(dir), false);
  });
});
