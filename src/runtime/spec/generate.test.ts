import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Fault } from "../../lib/errors.ts";
import { ALL_FEATURES, fakeSpecHost, UNIFIED_HOST } from "./host-fake.ts";
import { defaultMaskedPaths, generateSpec, mergeEnv } from "./generate.ts";
import { loadSpecHost, parseCpuList, type SpecHost, splitDeviceNumber } from "./host.ts";
import type { SpecInput } from "./input.ts";
import { mergeTmpfsOptions } from "./mounts.ts";
import type { OciSpec } from "./oci.ts";
import { RLIM_INFINITY, rlimitNumber, rlimitValue } from "./rlimits.ts";
import { dottedSysctl, sysctlPath } from "./sysctl.ts";

const generate = (input: Partial<SpecInput>, change: Partial<SpecHost> = {}) =>
  generateSpec({ id: "c1", args: ["x"], env: [], ...input }, fakeSpecHost(change));
const spec = (input: Partial<SpecInput>, change: Partial<SpecHost> = {}): OciSpec =>
  generate(input, change).spec;
const mount = (s: OciSpec, destination: string) => s.mounts?.find((m) => m.destination === destination);
const refuses = (input: Partial<SpecInput>, text: string | RegExp, change: Partial<SpecHost> = {}) =>
  assert.throws(
    () => spec(input, change),
    (e: unknown) =>
      e instanceof Fault &&
      e.kind === "invalidParameter" &&
      (typeof text === "string" ? e.message === text : text.test(e.message)),
    String(text),
  );

test("defaults are Docker's", () => {
  const s = spec({ hostname: "web" });
  assert.deepEqual(
    s.mounts?.map((m) => m.destination),
    ["/proc", "/dev", "/dev/pts", "/sys", "/sys/fs/cgroup", "/dev/mqueue", "/dev/shm"],
  );
  assert.ok(mount(s, "/dev/shm")?.options?.includes("size=67108864"));
  assert.equal(s.process?.capabilities?.bounding?.length, 14);
  assert.equal(s.process?.capabilities?.inheritable, undefined);
  assert.equal(s.process?.noNewPrivileges, undefined);
  assert.equal(s.process?.oomScoreAdj, 0);
  assert.equal(s.process?.cwd, "/");
  assert.equal(s.linux?.cgroupsPath, "/docker/c1");
  assert.deepEqual(
    s.linux?.namespaces?.map((n) => n.type),
    ["mount", "network", "uts", "pid", "ipc"],
  );
  assert.deepEqual(s.linux?.sysctl, {
    "net.ipv4.ping_group_range": "0 2147483647",
    "net.ipv4.ip_unprivileged_port_start": "0",
  });
  assert.equal(s.linux?.seccomp?.defaultAction, "SCMP_ACT_ERRNO");
  assert.ok(s.linux?.maskedPaths?.includes("/sys/devices/virtual/powercap"));
  assert.deepEqual(defaultMaskedPaths({ thermalPaths: ["/t"] }).at(-1), "/t");
});

test("cgroup v2 machines get an own cgroup namespace", () => {
  const types = (s: OciSpec) => s.linux?.namespaces?.map((n) => n.type);
  assert.ok(types(spec({}, { cgroups: UNIFIED_HOST }))?.includes("cgroup"));
  assert.ok(
    !types(spec({ namespaces: { cgroup: { kind: "host" } } }, { cgroups: UNIFIED_HOST }))?.includes("cgroup"),
  );
});

test("privileged: all capabilities of the daemon and no more, all devices, no masks, no filter, writable /sys", () => {
  const s = spec({ privileged: true }, { boundingMask: 2 ** 41 - 1 - 2 ** 24 });
  assert.equal(s.process?.capabilities?.bounding?.length, 40);
  assert.ok(!s.process?.capabilities?.bounding?.includes("CAP_SYS_RESOURCE"));
  assert.deepEqual(
    s.linux?.devices?.map((d) => d.path),
    ["/dev/fuse", "/dev/sda", "/dev/snd/seq", "/dev/snd/timer"],
  );
  assert.deepEqual(s.linux?.resources?.devices, [{ allow: true, access: "rwm" }]);
  assert.deepEqual([s.linux?.maskedPaths, s.linux?.readonlyPaths], [[], []]);
  assert.equal(s.linux?.seccomp, undefined);
  assert.ok(!mount(s, "/sys")?.options?.includes("ro"));
  assert.ok(!mount(s, "/sys/fs/cgroup")?.options?.includes("ro"));
});

test("security options: profiles, no-new-privileges, and what nobody knows", () => {
  assert.equal(spec({ securityOpts: ["seccomp=unconfined"] }).linux?.seccomp, undefined);
  const json = JSON.stringify({
    defaultAction: "SCMP_ACT_ALLOW",
    syscalls: [{ names: ["ptrace"], action: "SCMP_ACT_ERRNO" }],
  });
  assert.equal(spec({ securityOpts: [`seccomp=${json}`] }).linux?.seccomp?.defaultAction, "SCMP_ACT_ALLOW");
  assert.equal(
    spec({ privileged: true, securityOpts: [`seccomp:${json}`] }).linux?.seccomp?.defaultAction,
    "SCMP_ACT_ALLOW",
    "even a privileged container is filtered when asked for",
  );
  assert.equal(spec({ seccompProfile: "unconfined" }).linux?.seccomp, undefined);
  assert.ok(spec({ seccompProfile: "unconfined", securityOpts: ["seccomp=builtin"] }).linux?.seccomp);
  assert.equal(spec({ securityOpts: ["no-new-privileges:true"] }).process?.noNewPrivileges, true);
  assert.equal(
    spec({ noNewPrivileges: true, securityOpts: ["no-new-privileges=false"] }).process?.noNewPrivileges,
    undefined,
  );
  const profile = (input: Parameters<typeof spec>[0], host?: Parameters<typeof generate>[1]) =>
    generate(input, host).spec.process?.apparmorProfile;
  const confined = { hasAppArmor: true, defaultProfile: "berth-default" };
  assert.equal(profile({ securityOpts: ["apparmor=mine", "label=disable"] }), undefined);
  assert.equal(profile({ securityOpts: ["apparmor=mine"] }, confined), "mine");
  assert.equal(profile({}, confined), "berth-default");
  assert.equal(profile({ privileged: true }, confined), "unconfined");
  refuses({ securityOpts: ["foo=bar"] }, 'invalid --security-opt 2: "foo=bar"');
  refuses({ securityOpts: ["foo"] }, 'invalid --security-opt 1: "foo"');
});

test("user mounts replace defaults, are sorted by depth, and win over the files in /etc", () => {
  const s = spec({
    binds: [
      { source: "/h/deep", destination: "/a/b/c/" },
      { source: "/h/a", destination: "/a", readonly: true },
      { source: "/h/hosts", destination: "/etc/hosts" },
      { source: "/h/shm", destination: "/dev/shm" },
    ],
    etcFiles: { hosts: "/c/hosts", hostname: "/c/hostname" },
  });
  assert.deepEqual(
    s.mounts?.slice(6).map((m) => `${m.source} ${m.destination} ${m.options}`),
    [
      "/h/a /a rbind,rro,rprivate",
      "/h/hosts /etc/hosts rbind,rprivate",
      "/h/shm /dev/shm rbind,rprivate",
      "/c/hostname /etc/hostname rbind,rprivate",
      "/h/deep /a/b/c rbind,rprivate",
    ],
  );
  refuses({ binds: [{ source: "/", destination: "x" }] }, /mount path must be absolute/);
  refuses(
    { binds: [{ source: "/", destination: "/a/.." }] },
    "invalid specification: destination can't be '/'",
  );
});

test("propagation: shared and slave need a source that propagates", () => {
  const shared = spec({ binds: [{ source: "/shared/x", destination: "/x", propagation: "rshared" }] });
  assert.equal(shared.linux?.rootfsPropagation, "shared");
  refuses(
    { binds: [{ source: "/own", destination: "/x", propagation: "shared" }] },
    "path /own is mounted on / but it is not a shared mount",
  );
  refuses(
    { binds: [{ source: "/own", destination: "/x", propagation: "slave" }] },
    "path /own is mounted on / but it is not a shared or slave mount",
  );
});

test("tmpfs options: the last of two contradicting ones counts, foreign ones are refused", () => {
  const s = spec({ tmpfs: [{ destination: "/t", options: "exec,size=1m,size=2m,mode=1770" }] });
  assert.deepEqual(mount(s, "/t")?.options, ["nosuid", "nodev", "rprivate", "exec", "size=2m", "mode=1770"]);
  assert.deepEqual(mergeTmpfsOptions(["ro", "defaults", "rw"]), ["rw"]);
  refuses({ tmpfs: [{ destination: "/t", options: "bogus" }] }, 'invalid tmpfs option ["bogus"]');
  refuses({ tmpfs: [{ destination: "/" }] }, "invalid specification: destination can't be '/'");
});

test("read-only root leaves Docker's working mounts writable", () => {
  const s = spec({ readonlyRootfs: true, etcFiles: { hosts: "/c/hosts" } });
  assert.equal(s.root?.readonly, true);
  for (const path of ["/proc", "/dev", "/dev/pts", "/dev/shm", "/dev/mqueue"]) {
    assert.ok(!mount(s, path)?.options?.includes("ro"), path);
  }
  assert.ok(mount(s, "/etc/hosts")?.options?.includes("ro"));
});

test("ipc modes decide about /dev/shm", () => {
  assert.equal(mount(spec({ namespaces: { ipc: { kind: "none" } } }), "/dev/shm"), undefined);
  assert.equal(mount(spec({ namespaces: { ipc: { kind: "host" } } }), "/dev/shm")?.source, "/dev/shm");
  const joined = spec({ namespaces: { ipc: { kind: "path", path: "/proc/5/ns/ipc" } } });
  assert.equal(mount(joined, "/dev/shm"), undefined);
  assert.ok(mount(spec({ shmSize: 1024 }), "/dev/shm")?.options?.includes("size=1024"));
});

test("devices: nodes and rules of a device, a directory, and of --device-cgroup-rule", () => {
  const s = spec({
    devices: [
      { pathOnHost: "/dev/fuse", pathInContainer: "/dev/f", permissions: "rw" },
      { pathOnHost: "/dev/snd", pathInContainer: "/dev/sound" },
    ],
    resources: { deviceCgroupRules: ["b 8:* r", "a *:* m"] },
  });
  assert.deepEqual(
    s.linux?.devices?.map((d) => d.path),
    ["/dev/f", "/dev/sound/seq", "/dev/sound/timer"],
  );
  assert.deepEqual(s.linux?.resources?.devices?.slice(-5), [
    { allow: true, type: "c", major: 10, minor: 229, access: "rw" },
    { allow: true, type: "c", major: 116, minor: 1, access: "rwm" },
    { allow: true, type: "c", major: 116, minor: 33, access: "rwm" },
    { allow: true, type: "b", major: 8, minor: -1, access: "r" },
    { allow: true, type: "a", major: -1, minor: -1, access: "m" },
  ]);
  refuses(
    { devices: [{ pathOnHost: "/dev/none", pathInContainer: "/dev/none" }] },
    'error gathering device information while adding custom device "/dev/none": no such file or directory',
  );
  refuses({ resources: { deviceCgroupRules: ["x 1:1 r"] } }, "invalid device cgroup rule format: 'x 1:1 r'");
});

test("limits become OCI resources", () => {
  const resources = (r: SpecInput["resources"]) => spec({ ...(r ? { resources: r } : {}) }).linux?.resources;
  assert.deepEqual(resources({ memory: 10 << 20 })?.memory, { limit: 10 << 20, swap: 20 << 20 });
  assert.deepEqual(resources({ memory: 10 << 20, memorySwap: -1 })?.memory, { limit: 10 << 20 });
  assert.deepEqual(resources({ nanoCpus: 2.5e9 })?.cpu, { period: 100_000, quota: 250_000 });
  assert.deepEqual(resources({ pidsLimit: 0 })?.pids, { limit: -1 });
  assert.equal(resources({})?.pids, undefined);
  assert.deepEqual(resources({ blkioDeviceReadBps: [{ path: "/dev/sda", rate: 5 }] })?.blockIO, {
    throttleReadBpsDevice: [{ major: 8, minor: 0, rate: 5 }],
  });
});

test("contradictions are refused with Docker's texts", () => {
  const limit = (resources: SpecInput["resources"], text: string) =>
    refuses(resources ? { resources } : {}, text);
  limit({ memory: 1024 }, "Minimum memory limit allowed is 6MB");
  limit(
    { memory: 20 << 20, memorySwap: 10 << 20 },
    "Minimum memoryswap limit should be larger than memory limit, see usage",
  );
  limit(
    { memorySwap: 10 << 20 },
    "You should always set the Memory limit when using Memoryswap limit, see usage",
  );
  limit({ swappiness: 101 }, "Invalid value: 101, valid memory swappiness range is 0-100");
  limit(
    { memory: 10 << 20, memoryReservation: 20 << 20 },
    "Minimum memory limit can not be less than memory reservation limit, see usage",
  );
  limit(
    { nanoCpus: 1e9, cpuPeriod: 1000 },
    "Conflicting options: Nano CPUs and CPU Period cannot both be set",
  );
  limit({ nanoCpus: 9e9 }, "range of CPUs is from 0.01 to 4.00, as there are only 4 CPUs available");
  limit(
    { cpuPeriod: 10 },
    "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)",
  );
  limit({ cpusetCpus: "0-7" }, "Requested CPUs are not available - requested 0-7, available: 0-3");
  for (const list of ["a", "1-0", "0,", "-1"])
    limit({ cpusetCpus: list }, `Invalid value ${list} for cpuset cpus: invalid format: ${list}`);
  limit({ cpusetMems: "3" }, "Requested memory nodes are not available - requested 3, available: 0");
  limit({ cpuShares: -1 }, "invalid CPU shares (-1): value must be a positive integer");
  limit({ cpuShares: 1 }, "the minimum allowed cpu-shares is 2");
  limit({ cpuShares: 262_145 }, "the maximum allowed cpu-shares is 262144");
  limit(
    { cpuRealtimePeriod: 5, cpuRealtimeRuntime: 50 },
    "cpu real-time runtime cannot be higher than cpu real-time period",
  );
  limit({ blkioWeight: 5 }, "Range of blkio weight is from 10 to 1000");
  refuses({ shmSize: -1 }, "SHM size can not be less than 0");
  refuses({ oomScoreAdj: 1001 }, "Invalid value 1001, range for oom score adj is [-1000, 1000]");
  refuses({ hostname: "x".repeat(65) }, /is too long \(maximum 64 bytes\)/);
  refuses({ cwd: "srv" }, "the working directory 'srv' is invalid, it needs to be an absolute path");
  refuses({ capAdd: ["nope"] }, 'invalid CapAdd: unknown capability: "CAP_NOPE"');
  refuses({ ulimits: [{ name: "nope", soft: 1, hard: 1 }] }, "invalid ulimit type: nope");
  refuses(
    { ulimits: [{ name: "nofile", soft: 2, hard: 1 }] },
    /soft limit must be less than or equal to hard limit/,
  );
});

test("profiles and labels that are not applied are told", () => {
  const told = (option: string) => generate({ securityOpts: [option] }).warnings;
  assert.deepEqual(told("apparmor=unconfined"), []);
  assert.deepEqual(told("label=disable"), []);
  assert.deepEqual(told("apparmor=web"), [
    'AppArmor is not enabled on this machine: the profile "web" is not applied.',
  ]);
  assert.match(told("label=type:web_t")[0] ?? "", /SELinux is not enabled .* "type:web_t" is not applied/);
  const there = { hasAppArmor: true, hasSelinux: true };
  assert.deepEqual(generate({ securityOpts: ["apparmor=web"] }, there).warnings, []);
  const label = generate({ securityOpts: ["label=type:web_t"] }, there);
  assert.match(label.warnings[0] ?? "", /SELinux is not used by this daemon: the label "type:web_t"/);
});

test("a hard limit or a score that the daemon cannot give is told", () => {
  const host = { boundingMask: 0, hardLimit: () => 20_000, oomScoreAdj: 0 };
  const nofile = (hard: number) => generate({ ulimits: [{ name: "nofile", soft: 5, hard }] }, host).warnings;
  assert.deepEqual(nofile(20_000), []);
  assert.deepEqual(nofile(-1), [
    "ulimit nofile: the hard limit cannot be raised above 20000 without CAP_SYS_RESOURCE, 20000 is used.",
  ]);
  assert.deepEqual(generate({ oomScoreAdj: 1 }, host).warnings, []);
  assert.match(generate({ oomScoreAdj: -1 }, host).warnings[0] ?? "", /-1 .*CAP_SYS_RESOURCE, 0 is used/);
  const privileged = { ...host, boundingMask: 2 ** 41 - 1 };
  const both = { ulimits: [{ name: "nofile", soft: 5, hard: -1 }], oomScoreAdj: -1 };
  assert.deepEqual(generate(both, privileged).warnings, []);
});

test("limits that the machine lacks are left out with Docker's warnings", () => {
  const features = {
    ...ALL_FEATURES,
    swapLimit: false,
    cpuShares: false,
    pidsLimit: false,
    oomKillDisable: false,
  };
  const { spec, warnings } = generate(
    { resources: { memory: 10 << 20, cpuShares: 5, pidsLimit: 9, oomKillDisable: true } },
    { features },
  );
  assert.deepEqual(spec.linux?.resources?.memory, { limit: 10 << 20 });
  assert.deepEqual([spec.linux?.resources?.cpu, spec.linux?.resources?.pids], [undefined, undefined]);
  assert.deepEqual(warnings, [
    "Your kernel does not support swap limit capabilities or the cgroup is not mounted. Memory limited without swap.",
    "Your kernel does not support OomKillDisable. OomKillDisable discarded.",
    "Your kernel does not support CPU shares or the cgroup is not mounted. Shares discarded.",
    "Your kernel does not support PIDs limit capabilities or the cgroup is not mounted. PIDs limit discarded.",
  ]);
});

test("sysctls must belong to a namespace of the container's own", () => {
  assert.equal(spec({ sysctls: { "kernel/shmmax": "1" } }).linux?.sysctl?.["kernel.shmmax"], "1");
  assert.ok(spec({ sysctls: { "net.core.somaxconn": "1", "fs.mqueue.msg_max": "5" } }));
  refuses(
    { sysctls: { "kernel.pid_max": "1" } },
    'sysctl "kernel.pid_max" is not in a separate kernel namespace',
  );
  refuses(
    { sysctls: { "net.core.somaxconn": "1" }, namespaces: { net: { kind: "host" } } },
    'sysctl "net.core.somaxconn" not allowed in host network namespace',
  );
  refuses(
    { sysctls: { "kernel.sem": "1" }, namespaces: { ipc: { kind: "host" } } },
    'sysctl "kernel.sem" is not allowed in the hosts ipc namespace',
  );
  for (const name of ["net..x", "net/../kernel/panic", "net.//.//kernel", "net. x"])
    refuses({ sysctls: { [name]: "1" } }, /sysctl/);
  assert.equal(sysctlPath("net.ipv4.conf.eth0/10.forwarding"), "net/ipv4/conf/eth0.10/forwarding");
  assert.equal(dottedSysctl("net/ipv4/conf/eth0.10/forwarding"), "net.ipv4.conf.eth0/10.forwarding");
});

test("init comes in front of the command only in an own pid namespace", () => {
  const s = spec({ initPath: "/keel" });
  assert.deepEqual(s.process?.args, ["/sbin/docker-init", "--", "x"]);
  assert.deepEqual(mount(s, "/sbin/docker-init")?.options, ["bind", "ro"]);
  const shared = spec({ initPath: "/keel", namespaces: { pid: { kind: "host" } } });
  assert.deepEqual(shared.process?.args, ["x"]);
  assert.equal(mount(shared, "/sbin/docker-init"), undefined);
});

test("environment: defaults first, given values win, a name alone removes", () => {
  assert.deepEqual(spec({ hostname: "h", tty: true, env: ["A=1", "TERM=vt100"] }).process?.env, [
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOSTNAME=h",
    "TERM=vt100",
    "A=1",
  ]);
  assert.deepEqual(mergeEnv(["A=1", "B=2"], ["A", "C=3", "B=4"]), ["B=4", "C=3"]);
});

test("rlimits know the kernel's numbers and infinity", () => {
  assert.deepEqual(["RLIMIT_CPU", "RLIMIT_NOFILE", "RLIMIT_RTTIME"].map(rlimitNumber), [0, 7, 15]);
  assert.deepEqual([RLIM_INFINITY, -1, 1024].map(rlimitValue), [-1, -1, 1024]);
});

test("device numbers and CPU lists are read as the kernel writes them", () => {
  assert.deepEqual(splitDeviceNumber(0x0803), { major: 8, minor: 3 });
  assert.deepEqual(splitDeviceNumber(0x10_0a_c8), { major: 10, minor: 0x1c8 });
  assert.deepEqual(parseCpuList("0-2,5"), [0, 1, 2, 5]);
  assert.equal(parseCpuList("0-999999999").length, 8192);
});

test("this machine's facts are readable and make a whole specification", () => {
  const host = loadSpecHost();
  assert.ok(host.boundingMask > 0 && host.cpuCount > 0);
  assert.equal(host.mountOf("/proc/self/status")?.fstype, "proc");
  assert.equal((host.deviceAt("/dev/null") as { major: number }).major, 1);
  assert.ok(host.devicesBelow("/dev").some((d) => d.path === "/dev/null"));
  const { spec } = generateSpec({ id: "c", args: ["true"], env: [], privileged: true });
  assert.ok((spec.linux?.devices?.length ?? 0) > 3);
});

test("generateSpec throws nothing but Fault", () => {
  const text = fc.oneof(
    fc.string(),
    fc.constantFrom("ALL", "/", "/dev", "0-1", "c 1:1 r", "seccomp={}", "net.x", "1"),
  );
  const texts = fc.array(text, { maxLength: 3 });
  const input = fc.record({
    cwd: text,
    user: text,
    hostname: text,
    capAdd: texts,
    capDrop: texts,
    securityOpts: texts,
    tmpfs: fc.array(fc.record({ destination: text, options: text }), { maxLength: 2 }),
    binds: fc.array(fc.record({ source: text, destination: text, propagation: text }), { maxLength: 2 }),
    sysctls: fc.dictionary(text, text),
    cgroupParent: text,
    resources: fc.record({
      cpusetCpus: text,
      deviceCgroupRules: texts,
      memory: fc.integer(),
      cpuQuota: fc.integer(),
    }),
  });
  fc.assert(
    fc.property(input, (value) => {
      try {
        spec(value);
      } catch (error) {
        assert.ok(error instanceof Fault, String((error as Error).stack));
      }
    }),
    { numRuns: 1000 },
  );
});

test("images: separators in directories are escaped, too many layers are refused", () => {
  const s = spec({ images: [{ destination: "/i", layers: ["/a:b", "/c,d"] }] });
  const mount = s.mounts?.find((m) => m.destination === "/i");
  assert.deepEqual(mount?.options, ["ro", "lowerdir=/a\\:b:/c\\,d"]);
  const layers = Array.from({ length: 100 }, (_, i) => `/a/rather/long/place/for/the/layers/of/images/${i}`);
  refuses({ images: [{ destination: "/i", layers }] }, /too many layers/);
});

test("a propagation that is only a wish becomes private where the source has none", () => {
  const bind = { source: "/own", destination: "/x", propagation: "rslave", isPropagationOptional: true };
  const s = spec({ binds: [bind] });
  assert.ok(s.mounts?.find((m) => m.destination === "/x")?.options?.includes("rprivate"));
});

test("nothing is mounted over /proc but a procfs, and only over some of its files", () => {
  refuses(
    { binds: [{ source: "/own", destination: "/proc" }] },
    '"/proc" cannot be mounted because it is not of type proc',
  );
  refuses({ tmpfs: [{ destination: "/proc/x" }] }, '"/proc/x" cannot be mounted because it is inside /proc');
  const s = spec({ binds: [{ source: "/own", destination: "/proc/meminfo" }] });
  assert.ok(s.mounts?.some((m) => m.destination === "/proc/meminfo"));
});
