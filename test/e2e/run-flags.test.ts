// Flags of `run` and `create`: what each does inside the container, what `inspect` records of it, what is refused and
// what is warned about. Recorded against Docker; docs/run-flags.md lists them all.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rm, rmdir, writeFile } from "node:fs/promises";
import { after, afterEach, before, describe, test } from "node:test";
import { type Client, clients, TestDaemon } from "./harness.ts";

const CGROUP_V2 = existsSync("/sys/fs/cgroup/cgroup.controllers");

let daemon: TestDaemon;
before(async () => {
  daemon = await TestDaemon.start();
});
afterEach(() => daemon.removeContainers());
after(async () => {
  await daemon.close();
  // compat: a parent that a container asked for stays, as with Docker.
  const root = "/sys/fs/cgroup";
  for (const path of CGROUP_V2 ? [root] : (await readdir(root)).map((name) => `${root}/${name}`))
    if (existsSync(`${path}/berth-e2e-flags`)) await rmdir(`${path}/berth-e2e-flags`);
});

const berth = clients[0] as Client;

/** Reads a cgroup's file on a v1 or a v2 machine. */
const limit = (v1: string, v2: string): string => `cat /sys/fs/cgroup/${CGROUP_V2 ? v2 : v1}`;

/** Flags, what runs, what it prints. */
const EFFECTS: readonly (readonly [flags: readonly string[], script: string, output: string | RegExp])[] = [
  [["--init"], "cat /proc/1/cmdline | tr '\\0' ' ' | cut -c1-21", "/sbin/docker-init -- "],
  [["--init=false"], "echo $$", "1"],
  [
    ["-e", "A=1", "-e", "B=", "-e", "NOSUCHVAR", "-e", "HOME=/x"],
    "env | grep -E '^(A|B|NOS|HOME)'",
    /^(?=[^]*A=1)(?=[^]*B=$)(?=[^]*HOME=\/x)(?![^]*NOS)/m,
  ],
  [["-w", "/new/dir", "-u", "1000"], "pwd; stat -c '%u:%g %a' /new/dir", "/new/dir\n0:0 755"],
  [["-w", "/tmp/../etc/"], "pwd", "/etc"],
  [["-u", "dev"], "id", "uid=1000(dev) gid=1000(dev) groups=1000(dev),2000(extra)"],
  [["-u", "1234"], "id", "uid=1234 gid=0(root) groups=0(root)"],
  [["-u", "1234:55"], "id", "uid=1234 gid=55 groups=55"],
  [["-u", "dev:extra"], "id", /^uid=1000\(dev\) gid=2000\(extra\)/],
  [["-u", "dev", "--group-add", "nogroup", "--group-add", "77"], "id -G", /77.*65534|65534.*77/],
  [
    ["-h", "box.example.org"],
    "hostname; cat /etc/hostname; grep -c 'box.example.org box' /etc/hosts",
    "box.example.org\nbox.example.org\n1",
  ],
  [
    ["-h", "box", "--domainname", "example.org"],
    "cat /proc/sys/kernel/domainname; grep -c 'box.example.org box' /etc/hosts",
    "example.org\n1",
  ],
  [
    ["--add-host", "a:1.2.3.4", "--add-host", "b=::1", "--add-host", "c=[fe80::1]"],
    "grep -E '[[:space:]](a|b|c)$' /etc/hosts | tr '\\t' ' '",
    "1.2.3.4 a\n::1 b\nfe80::1 c",
  ],
  [
    ["--add-host", "gate:host-gateway"],
    "ip route | grep default | cut -d' ' -f3; grep gate$ /etc/hosts | cut -f1",
    /^(\S+)\n\1$/,
  ],
  [
    ["--dns", "192.0.2.1", "--dns-search", "a.b", "--dns-option", "ndots:3"],
    "grep -v -e ^# -e '^$' /etc/resolv.conf",
    "nameserver 192.0.2.1\nsearch a.b\noptions ndots:3",
  ],
  [["--dns-search", "."], "grep -c ^search /etc/resolv.conf || true", "0"],
  [
    ["--read-only"],
    "touch /x /tmp/x /etc/hosts 2>&1 | grep -c Read-only; touch /dev/x /dev/shm/x && echo ok",
    "3\nok",
  ],
  [["--shm-size", "8m"], "df -k /dev/shm | tail -1 | awk '{print $2}'", "8192"],
  [["--ulimit", "nofile=100:200", "--ulimit", "core=0"], "ulimit -Sn; ulimit -Hn; ulimit -c", "100\n200\n0"],
  [
    ["--sysctl", "net.core.somaxconn=77", "--sysctl", "kernel.msgmax=4096"],
    "cat /proc/sys/net/core/somaxconn /proc/sys/kernel/msgmax",
    "77\n4096",
  ],
  [["--device", "/dev/null:/dev/mine:r"], "stat -c %t:%T /dev/mine; cat /dev/mine | wc -c", "1:3\n0"],
  [["--oom-score-adj", "500"], "cat /proc/self/oom_score_adj", "500"],
  [["--pid", "host"], "test $$ -gt 1 && echo host", "host"],
  [["--ipc", "none"], "ls /dev/shm 2>/dev/null | wc -l; grep -c ' /dev/shm ' /proc/mounts || true", "0\n0"],
  [["--cgroupns", "private"], "cut -d: -f3 /proc/self/cgroup | sort -u", "/"],
  [["--security-opt", "no-new-privileges:true"], "grep NoNewPrivs /proc/self/status", "NoNewPrivs:\t1"],
  [
    ["--security-opt", "systempaths=unconfined"],
    "grep -c -E ' /proc/(kcore|sys) ' /proc/mounts || true",
    "0",
  ],
  [
    ["--cap-drop", "all", "--cap-add", "chown", "--cap-add", "CAP_KILL"],
    "grep CapEff /proc/self/status",
    "CapEff:\t0000000000000021",
  ],
  [
    ["--cap-add", "ALL", "--cap-drop", "chown"],
    "grep CapEff /proc/self/status | grep -c -E '[02468ace]$'",
    "1",
  ],
  [["--entrypoint", ""], "echo no entrypoint", "no entrypoint"],
  [
    ["-m", "64m", "--memory-reservation", "32m"],
    limit("memory/memory.limit_in_bytes", "memory.max"),
    "67108864",
  ],
  [["--pids-limit", "50"], limit("pids/pids.max", "pids.max"), "50"],
  [["--pids-limit", "-1"], limit("pids/pids.max", "pids.max"), "max"],
  [["--cpus", "1.5"], limit("cpu/cpu.cfs_quota_us", "cpu.max"), CGROUP_V2 ? "150000 100000" : "150000"],
  [
    ["--cpu-period", "50000", "--cpu-quota", "25000"],
    limit("cpu/cpu.cfs_quota_us", "cpu.max"),
    CGROUP_V2 ? "25000 50000" : "25000",
  ],
  [["--cpuset-cpus", "0"], "grep Cpus_allowed_list /proc/self/status", "Cpus_allowed_list:\t0"],
  [
    ["--cgroup-parent", "/berth-e2e-flags"],
    "grep -c /berth-e2e-flags/ /proc/self/cgroup | grep -v '^0$' | wc -l",
    "1",
  ],
];

for (const client of clients)
  describe(`${client.name}: inside`, () => {
    for (const [flags, script, output] of EFFECTS)
      test(flags.join(" "), async () => {
        const said = await daemon.text(client, ["run", "--rm", ...flags, "busybox", "sh", "-c", script]);
        if (typeof output === "string") assert.equal(said, output);
        else assert.match(said, output);
      });
  });

/** Flags, and members of HostConfig or Config as `inspect` shows them. */
const RECORDED: readonly (readonly [flags: readonly string[], host: object, config?: object])[] = [
  [
    [],
    {
      Runtime: "runc",
      IpcMode: "private",
      PidMode: "",
      UTSMode: "",
      UsernsMode: "",
      CgroupnsMode: CGROUP_V2 ? "private" : "host",
      RestartPolicy: { Name: "no", MaximumRetryCount: 0 },
      PidsLimit: null,
      OomKillDisable: false,
      MemorySwappiness: null,
      ShmSize: 64 << 20,
    },
  ],
  [["--init=false"], { Init: false }],
  [["--pids-limit", "-1"], { PidsLimit: null }],
  [["-m", "32m"], { Memory: 32 << 20, MemorySwap: 64 << 20 }],
  [["--memory-swap", "-1"], { MemorySwap: -1 }],
  [["--cpus", "0.5"], { NanoCpus: 500_000_000 }],
  [
    ["--privileged"],
    { Privileged: true, SecurityOpt: ["label=disable"], MaskedPaths: null, ReadonlyPaths: null },
  ],
  [["--pid", "host"], { PidMode: "host", SecurityOpt: ["label=disable"] }],
  [["--ipc", "host", "--security-opt", "label=type:x_t"], { SecurityOpt: ["label=type:x_t"] }],
  [["--runtime", "io.containerd.runc.v2"], { Runtime: "io.containerd.runc.v2" }],
  [["--add-host", "b=1.2.3.5"], { ExtraHosts: ["b:1.2.3.5"] }],
  [
    ["--cap-add", "net_admin", "--cap-drop", "CAP_KILL"],
    { CapAdd: ["CAP_NET_ADMIN"], CapDrop: ["CAP_KILL"] },
  ],
  [
    ["--device", "/dev/null:rw"],
    { Devices: [{ PathOnHost: "/dev/null", PathInContainer: "/dev/null", CgroupPermissions: "rw" }] },
  ],
  [
    ["--gpus", "all"],
    { DeviceRequests: [{ Driver: "", Count: -1, DeviceIDs: null, Capabilities: [["gpu"]], Options: {} }] },
  ],
  [["--ulimit", "nofile=100:200"], { Ulimits: [{ Name: "nofile", Hard: 200, Soft: 100 }] }],
  [["--annotation", "a=b"], { Annotations: { a: "b" } }],
  [["--restart", "on-failure:3"], { RestartPolicy: { Name: "on-failure", MaximumRetryCount: 3 } }],
  [["--stop-signal", "USR1", "--stop-timeout", "7"], {}, { StopSignal: "USR1", StopTimeout: 7 }],
  [["-w", "/a/../b/"], {}, { WorkingDir: "/b" }],
  [["--entrypoint", ""], {}, { Entrypoint: null, Cmd: ["true"] }],
  [["-l", "a=1", "-l", "b"], {}, { Labels: { a: "1", b: "" } }],
];

for (const client of clients)
  describe(`${client.name}: inspect records`, () => {
    for (const [flags, host, config = {}] of RECORDED)
      test(flags.join(" ") || "the defaults", async () => {
        const id = await daemon.text(client, ["create", ...flags, "busybox", "true"]);
        const { HostConfig, Config } = await daemon.inspect(id);
        for (const [key, value] of Object.entries(host)) assert.deepEqual(HostConfig[key], value, key);
        for (const [key, value] of Object.entries(config)) assert.deepEqual(Config[key], value, key);
      });
  });

/** Flags of a `run` that is refused, its exit code where it is not 125, and what the error says. */
const REFUSED: readonly (readonly [flags: readonly string[], says: RegExp])[] = [
  [["-u", "nosuch"], /daemon: unable to find user nosuch: no matching entries in passwd file$/m],
  [["-u", "dev:nosuch"], /daemon: unable to find group nosuch: no matching entries in group file$/m],
  [["-u", "4294967296"], /daemon: uids and gids must be in range 0-2147483647$/m],
  [["--group-add", "nosuch"], /unable to find group nosuch/],
  [["-w", "/etc/passwd"], /Cannot mkdir: \/etc\/passwd is not a directory/],
  [["-h", "x".repeat(65)], /hostname "x+" is too long \(maximum 64 bytes\)/],
  [["--uts", "host", "-h", "x"], /conflicting options: hostname and the UTS mode/],
  [["--uts", "host", "--domainname", "x"], /conflicting options: domain name and the UTS mode/],
  [["--network", "container:x", "-h", "x"], /conflicting options: hostname and the network mode/],
  [["--network", "container:x", "--dns", "1.1.1.1"], /conflicting options: dns and the network mode/],
  [
    ["--network", "container:x", "--add-host", "a:1.1.1.1"],
    /conflicting options: custom host-to-IP mapping and the network mode/,
  ],
  [
    ["--network", "container:x", "-p", "80"],
    /conflicting options: port publishing and the container type network mode/,
  ],
  [
    ["--network", "container:x", "--expose", "80"],
    /conflicting options: port exposing and the container type network mode/,
  ],
  [
    ["--platform", "linux/arm64", "--pull", "never"],
    /was found but does not provide the specified platform \(linux\/arm64\)/,
  ],
  [["--platform", "a/b/c/d"], /"a\/b\/c\/d": cannot parse platform specifier: invalid argument/],
  [
    ["--pull", "sometimes"],
    /invalid pull option: 'sometimes': must be one of "always", "missing" or "never"/,
  ],
  [["--shm-size=-1"], /invalid (argument|size)/],
  [["--ulimit", "nofile=300:200"], /ulimit soft limit must be less than or equal to hard limit: 300 > 200/],
  [["--sysctl", "kernel.panic=1"], /sysctl 'kernel.panic=1' is not allowed/],
  [
    ["--network", "host", "--sysctl", "net.ipv4.ip_forward=1"],
    /sysctl "net.ipv4.ip_forward" not allowed in host network namespace/,
  ],
  [["--ipc", "host", "--sysctl", "kernel.msgmax=1"], /sysctl "kernel.msgmax" .*not allowed/],
  [["--device", "/etc/passwd"], /custom device "\/etc\/passwd": not a device node/],
  [["--device-cgroup-rule", "c 7 rwm"], /invalid device cgroup format 'c 7 rwm'/],
  [["--device-read-bps", "/dev/null:x"], /invalid rate for device: \/dev\/null:x/],
  [["--gpus", "all"], /could not select device driver "" with capabilities: \[\[gpu\]\]/],
  [
    ["--gpus", "driver=nvidia,capabilities=utility"],
    /could not select device driver "nvidia" with capabilities: \[\[utility gpu\]\]/,
  ],
  [
    ["--device", "vendor.com/class=x"],
    /CDI device injection failed: unresolvable CDI devices vendor.com\/class=x/,
  ],
  [["--pid", "private"], /--pid: invalid PID mode/],
  [["--ipc", "nosuch"], /invalid IPC mode: nosuch/],
  [["--userns", "private"], /--userns: invalid USER mode/],
  [["--cgroupns", "x"], /--cgroupns: invalid CGROUP mode/],
  [["--pid", "container:nobody"], /No such container: nobody/],
  [["-m", "5m"], /Minimum memory limit allowed is 6MB/],
  [
    ["-m", "64m", "--memory-swap", "32m"],
    /Minimum memoryswap limit should be larger than memory limit, see usage/,
  ],
  [["--memory-swap", "64m"], /You should always set the Memory limit when using Memoryswap limit, see usage/],
  [
    ["-m", "64m", "--memory-reservation", "128m"],
    /Minimum memory limit can not be less than memory reservation limit, see usage/,
  ],
  [["--memory-reservation", "1m"], /Minimum memory reservation allowed is 6MB/],
  [["--memory-swappiness", "101"], /Valid memory swappiness range is 0-100/],
  [["--cpus", "1000"], /range of CPUs is from 0.01 to \d+.00, as there are only \d+ CPUs available/],
  [["--cpus", "1", "--cpu-quota", "5000"], /Conflicting options: Nano CPUs and CPU Quota cannot both be set/],
  [["--cpu-period", "10"], /CPU cfs period can not be less than 1ms/],
  [["--cpu-quota", "10"], /CPU cfs quota can not be less than 1ms/],
  [["-c", "1"], /the minimum allowed cpu-shares is 2/],
  [["--cpuset-cpus", "900"], /Requested CPUs are not available - requested 900, available: /],
  [["--cpuset-cpus", "1-0"], /Invalid value 1-0 for cpuset cpus: invalid format: 1-0/],
  [["--oom-score-adj", "1001"], /Invalid value 1001, range for oom score adj is \[-1000, 1000\]/],
  [["--blkio-weight-device", "/dev/null:5"], /invalid weight for device: \/dev\/null:5/],
  [["--runtime", "nosuch"], /unknown or invalid runtime name: nosuch/],
  [["--cap-add", "nosuch"], /invalid CapAdd: unknown capability: "CAP_NOSUCH"/],
  [["--security-opt", "nosuch"], /Invalid --security-opt: "nosuch"/],
  [["--security-opt", "nosuch=1"], /invalid --security-opt 2: "nosuch=1"/],
  [["--security-opt", "no-new-privileges=x"], /invalid --security-opt 2: "no-new-privileges=x"/],
  [
    ["--storage-opt", "size=1G"],
    /--storage-opt is supported only for overlay over xfs with 'pquota' mount option/,
  ],
  [["--storage-opt", "nosuch=1"], /unknown option nosuch/],
  [["--isolation", "hyperv"], /invalid isolation \(hyperv\): linux only supports 'default'/],
  [["--rm", "--restart", "always"], /conflicting options: cannot specify both --restart and --rm/],
  [["--io-maxiops", "5"], /"--io-maxiops" is only supported on a Docker daemon running on windows/],
  [["--health-interval", "1us", "--no-healthcheck"], /--no-healthcheck conflicts with --health-\* options/],
];

for (const client of clients)
  describe(`${client.name}: refuses`, () => {
    for (const [flags, says] of REFUSED)
      test(flags.join(" "), async () => {
        const refused = await daemon.run(client, ["run", "--rm", ...flags, "busybox", "true"]);
        assert.match(refused.stderr, says);
        const { body } = await daemon.request("GET", "/containers/json?all=1");
        assert.deepEqual(body, [], "nothing is left");
        // compat: for Docker's client a command line that it does not understand is no failure of `run`.
        const isClients = /is only supported on a Docker daemon/.test(refused.stderr);
        assert.equal(refused.status, isClients ? 1 : 125, refused.stderr);
      });
  });

for (const client of clients)
  test(`${client.name}: refuses restart policies that cannot be`, async () => {
    for (const [policy, says] of [
      [
        "sometimes",
        /unknown policy 'sometimes'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'/,
      ],
      ["always:3", /maximum retry count can only be used with 'on-failure'/],
      ["on-failure:-1", /maximum retry count cannot be negative/],
      ["on-failure:x", /maximum retry count must be an integer/],
      [":3", /no policy provided before colon/],
    ] as const) {
      const refused = await daemon.run(client, ["run", "--restart", policy, "busybox", "true"]);
      assert.match(refused.stderr, says);
      assert.equal(refused.status, 125);
    }
  });

describe("devices", { skip: CGROUP_V2 && "cgroup v1's controllers" }, () => {
  test("--device-cgroup-rule opens what a container may make a node for and not use", async () => {
    const script = "mknod /dev/mine c 7 1; head -c 0 /dev/mine 2>&1 | grep -c 'not permitted'";
    const refusals = async (...flags: string[]) =>
      (await daemon.run(berth, ["run", "--rm", ...flags, "busybox", "sh", "-c", script])).stdout;
    assert.equal(await refusals(), "1\n");
    assert.equal(await refusals("--device-cgroup-rule", "c 7:* rwm"), "0\n");
  });

  test("the throttles of a disk are in force", async () => {
    const disk = (await readdir("/sys/block")).find((name) => existsSync(`/dev/${name}`));
    assert.ok(disk, "this machine has a disk");
    const number = (await readFile(`/sys/block/${disk}/dev`, "utf8")).trim();
    const rates = { "read-bps": "1mb", "write-bps": "2mb", "read-iops": "30", "write-iops": "40" };
    const flags = Object.entries(rates).flatMap(([kind, rate]) => [
      `--device-${kind}`,
      `/dev/${disk}:${rate}`,
    ]);
    const files = Object.keys(rates).map((kind) => `blkio.throttle.${kind.replace("-", "_")}_device`);
    const args = ["run", "--rm", "-w", "/sys/fs/cgroup/blkio", ...flags, "busybox", "cat", ...files];
    const lines = [1 << 20, 2 << 20, 30, 40].map((rate) => `${number} ${rate}`);
    assert.equal(await daemon.text(berth, args), lines.join("\n"));
  });
});

test("--network host has the host's names, and with --add-host those instead", async () => {
  const hosts = (...flags: string[]) =>
    daemon.text(berth, ["run", "--rm", "--network", "host", ...flags, "busybox", "cat", "/etc/hosts"]);
  assert.equal(await hosts(), (await readFile("/etc/hosts", "utf8")).replace(/\n$/, ""));
  assert.match(await hosts("--add-host", "a:1.2.3.4"), /^1\.2\.3\.4\ta$/m);
});

describe("warnings", () => {
  for (const client of clients)
    test(`${client.name} prints what was left out`, async () => {
      const made = await daemon.run(client, ["create", "--oom-kill-disable", "busybox", "true"]);
      assert.equal(made.status, 0);
      assert.match(
        made.stderr,
        /^WARNING: (OOM killer is disabled for the container|Your kernel does not support OomKillDisable)/,
      );
    });

  test("what is discarded is not recorded, and the answer says so", async () => {
    const weight = existsSync("/sys/fs/cgroup/blkio/blkio.weight") || CGROUP_V2;
    const body = {
      Image: "busybox",
      Cmd: ["true"],
      HostConfig: { BlkioWeight: 300, KernelMemory: 1 << 24, CpuPercent: 5 },
    };
    const made = await daemon.request("POST", "/containers/create?name=weighed", body);
    const { Warnings } = made.body as { Warnings: string[] };
    const discarded = (what: RegExp): boolean => Warnings.some((w) => what.test(w));
    assert.ok(discarded(/kernel memory limit capabilities.*Limitation discarded/));
    assert.ok(discarded(/linux does not support CPU percent. Percent discarded/));
    assert.equal(discarded(/Block I\/O weight .*Weight discarded/), !weight);
    const { HostConfig } = await daemon.inspect("weighed");
    assert.deepEqual([HostConfig["BlkioWeight"], HostConfig["CpuPercent"]], [weight ? 300 : 0, 0]);
  });

  test("ports that a container without a network of its own publishes are told of", async () => {
    const HostConfig = { NetworkMode: "host", PortBindings: { "80/tcp": [{ HostPort: "80" }] } };
    const made = await daemon.request("POST", "/containers/create?name=open", {
      Image: "busybox",
      Cmd: ["true"],
      HostConfig,
    });
    assert.deepEqual((made.body as { Warnings: string[] }).Warnings, [
      "Published ports are discarded when using host network mode",
    ]);
  });
});

describe("files", () => {
  for (const client of clients) {
    test(`${client.name}: --env-file and --label-file`, async () => {
      const env = daemon.path("env");
      await writeFile(env, '\uFEFFA=1\n# comment\n\n  B=2\nHOME\nNOSUCHVAR\nC="q"\n');
      const said = await daemon.text(client, ["run", "--rm", "--env-file", env, "busybox", "env"]);
      for (const line of ["A=1", "B=2", 'C="q"', `HOME=${daemon.dir}`])
        assert.ok(said.split("\n").includes(line), line);
      assert.doesNotMatch(said, /NOSUCHVAR/);
      for (const [content, says] of [
        ["A B=1\n", /variable 'A B' contains whitespaces/],
        ["=1\n", /no variable name on line '=1'/],
        [Buffer.from([65, 10, 255, 61, 49, 10]), /invalid utf8 bytes at line 2: \[255 61 49\]/],
      ] as const) {
        await writeFile(env, content);
        const refused = await daemon.run(client, ["run", "--env-file", env, "busybox", "true"]);
        assert.match(refused.stderr, says);
        assert.equal(refused.status, 125);
      }
      await writeFile(env, "x=1\ny\n");
      const id = await daemon.text(client, ["create", "--label-file", env, "-l", "z=3", "busybox", "true"]);
      assert.deepEqual((await daemon.inspect(id)).Config["Labels"], { x: "1", z: "3" });
    });

    test(`${client.name}: --cidfile has the id, is never overwritten, and goes when nothing was made`, async () => {
      const file = daemon.path("cid");
      await rm(file, { force: true });
      const id = await daemon.text(client, ["create", "--cidfile", file, "busybox", "true"]);
      assert.equal(await readFile(file, "utf8"), id);
      const second = await daemon.run(client, ["run", "--cidfile", file, "busybox", "true"]);
      assert.match(
        second.stderr,
        /container ID file found, make sure the other container isn't running or delete/,
      );
      assert.equal(second.status, 125);
      await rm(file);
      const refused = await daemon.run(client, ["run", "--cidfile", file, "-m", "1k", "busybox", "true"]);
      assert.equal(refused.status, 125);
      assert.equal(existsSync(file), false);
    });

    test(`${client.name}: --use-api-socket gives the socket and the credentials`, async () => {
      await mkdir(daemon.path("config"), { recursive: true });
      await writeFile(daemon.path("config/config.json"), '{"auths":{"reg.example":{"auth":"dTpw"}}}');
      const script =
        "test -S /var/run/docker.sock && echo socket; echo $DOCKER_CONFIG; cat $DOCKER_CONFIG/config.json; stat -c '%a %u' $DOCKER_CONFIG/config.json";
      const said = await daemon.text(client, [
        "run",
        "--rm",
        "--use-api-socket",
        "busybox",
        "sh",
        "-c",
        script,
      ]);
      await rm(daemon.path("config/config.json"));
      assert.match(said, /^socket\n\/run\/secrets\/docker\n[^]*"reg.example"[^]*dTpw[^]*600 0$/);
    });
  }

  test("content trust, which nobody checks any more, is refused", async () => {
    const args = ["create", "busybox", "true"];
    const byVariable = await daemon.run(berth, args, { env: { DOCKER_CONTENT_TRUST: "1" } });
    const byFlag = await daemon.run(berth, ["create", "--disable-content-trust=false", ...args.slice(1)]);
    for (const refused of [byVariable, byFlag]) {
      assert.equal(refused.status, 1);
      assert.match(refused.stderr, /content trust is not supported/);
    }
  });
});

describe("containers that join others", () => {
  const start = (name: string, ...flags: string[]) =>
    daemon.text(berth, ["run", "-d", "--name", name, ...flags, "busybox", "sleep", "1000"]);

  test("the other one is recorded by its id", async () => {
    const id = await start("donor", "--ipc", "shareable");
    await daemon.text(berth, [
      "create",
      "--name",
      "joins",
      "--pid",
      "container:donor",
      "--ipc",
      `container:${id.slice(0, 8)}`,
      "busybox",
      "true",
    ]);
    const { HostConfig } = await daemon.inspect("joins");
    assert.deepEqual([HostConfig["PidMode"], HostConfig["IpcMode"]], [`container:${id}`, `container:${id}`]);
  });

  test("--ipc container: shares memory in both directions, under one limit, and nothing is mounted on the host", async () => {
    await start("donor", "--ipc", "shareable", "--shm-size", "1m");
    await daemon.text(berth, ["exec", "donor", "sh", "-c", "echo of the donor > /dev/shm/a"]);
    const script =
      "cat /dev/shm/a; df -k /dev/shm | tail -1 | awk '{print $2}'; echo of the other > /dev/shm/b; readlink /proc/self/ns/ipc";
    const said = await daemon.text(berth, [
      "run",
      "--rm",
      "--ipc",
      "container:donor",
      "busybox",
      "sh",
      "-c",
      script,
    ]);
    const ipc = await daemon.text(berth, [
      "exec",
      "donor",
      "sh",
      "-c",
      "readlink /proc/self/ns/ipc; cat /dev/shm/b",
    ]);
    assert.equal(said, `of the donor\n1024\n${ipc.split("\n")[0]}`);
    assert.match(ipc, /\nof the other$/);
    const third = [
      "run",
      "--rm",
      "--ipc",
      "container:donor",
      "--tmpfs",
      "/dev/shm",
      "busybox",
      "ls",
      "/dev/shm",
    ];
    assert.equal(await daemon.text(berth, third), "", "its own mount there counts instead");
    assert.ok(!(await readFile("/proc/self/mountinfo", "utf8")).includes(daemon.dir));
  });

  test("a stopped one, and one that does not share, are refused", async () => {
    const id = await start("private");
    const run = (...flags: string[]) => daemon.run(berth, ["run", "--rm", ...flags, "busybox", "true"]);
    const unshared = await run("--ipc", "container:private");
    assert.match(
      unshared.stderr,
      new RegExp(
        `container ${id}: non-shareable IPC \\(hint: use IpcMode:shareable for the donor container\\)`,
      ),
    );
    await daemon.text(berth, ["kill", "private"]);
    await daemon.text(berth, ["wait", "private"]);
    for (const [flag, says] of [
      ["--pid", `failed to join PID namespace: container ${id} is not running`],
      ["--ipc", `failed to join IPC namespace: container ${id} is not running`],
      ["--network", "cannot join network namespace of a non running container: container private is exited"],
    ] as const) {
      const refused = await run(flag, "container:private");
      assert.ok(refused.stderr.includes(says), refused.stderr);
      assert.equal(refused.status, 125);
    }
  });
});
