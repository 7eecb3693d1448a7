import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { Fault } from "../../../lib/errors.ts";
import { stringifyJson } from "../../../lib/json/parse.ts";
import { generateSpec } from "../generate.ts";
import { fakeSpecHost } from "../host-fake.ts";
import type { OciProcess, OciSpec } from "../oci.ts";
import type { BundleFacts } from "./facts.ts";
import { decodeSpec, parseProcess, parseResources, parseSpec } from "./parse.ts";

const facts: BundleFacts = {
  hasSelinux: () => false,
  hasResctrl: () => false,
  hasNamespaceType: () => true,
  isOwnNamespace: (_, path) => path === "/proc/1/ns/net",
};

/** What `runc spec` writes, in short. */
const plain = {
  ociVersion: "1.2.1",
  process: {
    user: { uid: 0, gid: 0 },
    args: ["sh"],
    env: ["PATH=/bin"],
    cwd: "/",
    capabilities: { bounding: ["CAP_KILL"] },
    rlimits: [{ type: "RLIMIT_NOFILE", hard: 1024, soft: 1024 }],
  },
  root: { path: "rootfs", readonly: true },
  hostname: "box",
  mounts: [{ destination: "/proc", type: "proc", source: "proc" }],
  linux: {
    namespaces: ["pid", "network", "ipc", "uts", "mount", "cgroup"].map((type) => ({ type })),
    maskedPaths: ["/proc/kcore"],
  },
} as const;

type Json = Record<string, unknown>;
/** The plain document with a value at a path such as `process.rlimits`; undefined removes it. */
function changed(path: string, value: unknown): Json {
  const document = structuredClone(plain) as unknown as Json;
  const names = path.split(".");
  let at = document;
  for (const name of names.slice(0, -1)) at = (at[name] ??= {}) as Json;
  const last = names.at(-1) as string;
  if (value === undefined) delete at[last];
  else at[last] = value;
  return document;
}

const refused = (path: string, value: unknown): string => {
  try {
    decodeSpec(changed(path, value), { facts });
  } catch (error) {
    assert.ok(error instanceof Fault, String(error));
    assert.equal(error.kind, "invalidParameter");
    return error.message;
  }
  return "taken";
};
const taken = (path: string, value: unknown) => decodeSpec(changed(path, value), { facts });

describe("a foreign config.json", () => {
  test("is taken as it is, without what nobody knows", () => {
    const { spec, warnings } = decodeSpec(
      { ...plain, windows: {}, "com.example": [1], __proto__: null },
      { facts },
    );
    assert.deepEqual(spec, plain);
    assert.deepEqual(warnings, []);
  });

  test("cannot set what is Berth's own or Windows'", () => {
    const { spec } = taken("process.user", { uid: 1, gid: 2, username: "root", additionalGroups: ["wheel"] });
    assert.deepEqual(spec.process?.user, { uid: 1, gid: 2 });
    const args = [{ index: 0, value: 1, op: "SCMP_CMP_EQ", bits: 32 }];
    const seccomp = {
      defaultAction: "SCMP_ACT_ALLOW",
      syscalls: [{ names: ["x"], action: "SCMP_ACT_LOG", args }],
    };
    assert.deepEqual(taken("linux.seccomp", seccomp).spec.linux?.seccomp?.syscalls?.[0]?.args, [
      { index: 0, value: 1, op: "SCMP_CMP_EQ" },
    ]);
  });

  test("errors say where, what is there and what may be", () => {
    const cases: [path: string, value: unknown, message: RegExp][] = [
      [
        "process.rlimits",
        [{ type: "RLIMIT_CPU", hard: "1" }],
        /process\.rlimits\[0\]\.hard: it is a text \(allowed: a whole number/,
      ],
      [
        "process.rlimits",
        [{ hard: 1, soft: 1 }],
        /process\.rlimits\[0\]\.type: it is missing \(allowed: required\)/,
      ],
      ["process.args", "sh", /process\.args: it is a text \(allowed: a list\)/],
      ["process.args", ["sh", 5], /process\.args\[1\]: it is 5 \(allowed: a text\)/],
      ["process.args", ["a\0b"], /process\.args\[0\]: it contains a null byte/],
      [
        "process.user",
        { uid: 2 ** 32, gid: 0 },
        /process\.user\.uid: 4294967296 is out of range \(allowed: a whole number from 0 to 4294967295\)/,
      ],
      ["process.user", { uid: -1, gid: 0 }, /process\.user\.uid: -1 is out of range/],
      ["process.user", { uid: 1.5, gid: 0 }, /process\.user\.uid: it is 1\.5/],
      ["process.oomScoreAdj", 1001, /process\.oomScoreAdj: 1001 is out of range/],
      ["process.terminal", 1, /process\.terminal: it is 1 \(allowed: true or false\)/],
      [
        "linux.namespaces",
        [{ type: "nonsense" }],
        /linux\.namespaces\[0\]\.type: "nonsense" is not known \(allowed: one of pid,/,
      ],
      ["linux", [], /linux: it is a list \(allowed: an object\)/],
      ["linux.sysctl", { "net.x": 5 }, /linux\.sysctl\["net\.x"\]: it is 5/],
      [
        "linux.devices",
        [{ path: "/dev/x", type: "z" }],
        /linux\.devices\[0\]\.type: "z" is not known \(allowed: one of c, u, b, p\)/,
      ],
      ["mounts", [{}], /mounts\[0\]\.destination: it is missing/],
    ];
    for (const [path, value, message] of cases) assert.match(refused(path, value), message);
    assert.throws(() => decodeSpec("x", { facts }), /invalid config\.json: document: it is a text/);
    assert.throws(() => parseSpec("{", { facts }), Fault);
    assert.throws(() => parseSpec("[".repeat(100_000), { facts }), /exceeded max depth/);
  });

  test("says which versions it is of", () => {
    for (const version of ["1.0.0", "1.0.2-dev", "1.1.0+dev", "1.2.1", "1.3.0"])
      assert.deepEqual(taken("ociVersion", version).warnings, [], version);
    assert.match(taken("ociVersion", "1.9.0").warnings[0] ?? "", /newer than 1\.3/);
    for (const version of ["2.0.0", "0.9.0", "1.0", "one", ""])
      assert.match(refused("ociVersion", version), /ociVersion: /);
    assert.match(refused("ociVersion", undefined), /ociVersion: it is missing/);
  });

  test("must have a root and a process that can be started", () => {
    assert.match(refused("root", undefined), /root must be specified/);
    assert.match(refused("process", undefined), /process property must not be empty/);
    assert.match(refused("process.cwd", ""), /Cwd property must not be empty/);
    assert.match(refused("process.cwd", "tmp"), /Cwd must be an absolute path/);
    assert.match(refused("process.args", []), /args must not be empty/);
    assert.match(refused("process.env", ["A"]), /process\.env\[0\]: invalid environment variable "A"/);
  });

  test("namespaces: each once, absolute paths, and what needs one of its own", () => {
    const without = (type: string) => plain.linux.namespaces.filter((n) => n.type !== type);
    assert.match(refused("linux.namespaces", [{ type: "pid" }, { type: "pid" }]), /duplicated ns "pid"/);
    assert.match(refused("linux.namespaces", [{ type: "pid", path: "x" }]), /"x" is not absolute/);
    assert.match(
      refused("linux.namespaces", without("uts")),
      /unable to set hostname without a private UTS namespace/,
    );
    assert.match(
      refused("linux.namespaces", without("mount")),
      /unable to restrict sys entries without a private MNT/,
    );
    assert.match(
      refused("linux.uidMappings", [{ containerID: 0, hostID: 1, size: 1 }]),
      /user namespace isn't enabled/,
    );
    assert.match(
      refused("linux.namespaces", [...plain.linux.namespaces, { type: "user" }]),
      /nor mappings to apply/,
    );
    const offsets = { monotonic: { secs: 1 } };
    assert.match(refused("linux.timeOffsets", offsets), /time namespace isn't enabled in the config/);
    assert.match(
      refused("linux.timeOffsets", { realtime: {} }),
      /"realtime" is not known \(allowed: one of monotonic, boottime\)/,
    );
  });

  test("sysctls: only those of the container's own namespaces", () => {
    assert.equal(refused("linux.sysctl", { "net.ipv4.ip_forward": "1", "kernel/shmmax": "1" }), "taken");
    assert.match(
      refused("linux.sysctl", { "kernel.hostname": "x" }),
      /conflicts with the OCI "hostname" field/,
    );
    assert.match(refused("linux.sysctl", { "vm.swappiness": "1" }), /is not in a separate kernel namespace/);
    assert.match(
      refused("linux.sysctl", { "user.max_user_namespaces": "0" }),
      /without a user namespace not allowed/,
    );
    assert.match(refused("linux.sysctl", { "net/../../1/mem": "1" }), /invalid sysctl name/);
    const linux = { namespaces: [{ type: "mount" }], sysctl: { "net.ipv4.ip_forward": "1" } };
    const hostless = { ...plain, hostname: "" };
    assert.throws(
      () => decodeSpec({ ...hostless, linux }, { facts }),
      /not allowed in host network namespace/,
    );
    const joined = { ...linux, namespaces: [{ type: "mount" }, { type: "network", path: "/proc/1/ns/net" }] };
    assert.throws(
      () => decodeSpec({ ...hostless, linux: joined }, { facts }),
      /not allowed in host network namespace/,
    );
  });

  test("limits, scheduler, affinity, memory policy by the kernel's rules", () => {
    const limit = { type: "RLIMIT_NOFILE", hard: 1, soft: 1 };
    assert.match(refused("process.rlimits", [limit, limit]), /RLIMIT_NOFILE is given twice/);
    assert.match(
      refused("process.rlimits", [{ ...limit, type: "RLIMIT_X" }]),
      /invalid rlimit type: RLIMIT_X/,
    );
    assert.match(
      refused("process.rlimits", [{ ...limit, soft: 2 }]),
      /soft limit 2 is above the hard limit 1/,
    );
    assert.match(
      refused("process.scheduler", { policy: "SCHED_OTHER", nice: 20 }),
      /invalid scheduler\.nice: 20/,
    );
    assert.match(
      refused("process.scheduler", { policy: "SCHED_OTHER", priority: 1 }),
      /only be specified for SchedFIFO/,
    );
    assert.match(
      refused("process.scheduler", { policy: "SCHED_RR", runtime: 1 }),
      /only be specified for SchedDeadline/,
    );
    assert.match(
      refused("process.ioPriority", { class: "IOPRIO_CLASS_BE", priority: 8 }),
      /8 is out of range/,
    );
    assert.match(refused("process.execCPUAffinity", { initial: "3-1" }), /initial: invalid range "3-1"/);
    assert.match(
      refused("linux.memoryPolicy", { mode: "MPOL_LOCAL", nodes: "0-7" }),
      /mode requires 0 nodes but got 8/,
    );
    assert.match(refused("linux.memoryPolicy", { mode: "MPOL_BIND" }), /requires at least one node/);
    assert.match(refused("linux.intelRdt", { closID: "x" }), /Intel RDT is not enabled/);
    assert.match(refused("linux.intelRdt", { closID: "a/b" }), /invalid intelRdt\.ClosID/);
    assert.match(refused("linux.intelRdt", { schemata: ["L3:0=f\nMB:0=1"] }), /contains a newline/);
    assert.match(refused("linux.intelRdt", { memBwSchema: "L3:0=f" }), /does not start with MB:/);
  });

  test("mounts: relative destinations become absolute with a warning, mappings only for binds", () => {
    const { spec, warnings } = taken("mounts", [{ destination: "data", type: "tmpfs" }]);
    assert.equal(spec.mounts?.[0]?.destination, "/data");
    assert.match(warnings[0] ?? "", /mount destination data is not absolute/);
    const map = [{ containerID: 0, hostID: 1, size: 1 }];
    assert.match(
      refused("mounts", [{ destination: "/x", type: "tmpfs", uidMappings: map, gidMappings: map }]),
      /only supported for bind/,
    );
    assert.match(
      refused("mounts", [{ destination: "/x", type: "bind", uidMappings: map }]),
      /both uid and gid mappings/,
    );
    assert.match(refused("linux.rootfsPropagation", "both"), /rootfsPropagation=both is not supported/);
  });

  test("capabilities that Linux does not know are left out with a warning", () => {
    const { spec, warnings } = taken("process.capabilities", {
      bounding: ["CAP_KILL", "CAP_FLY"],
      ambient: ["CAP_FLY"],
    });
    assert.deepEqual(spec.process?.capabilities, { bounding: ["CAP_KILL"], ambient: [] });
    assert.deepEqual(warnings, ["ignoring unknown or unavailable capabilities: [CAP_FLY]"]);
  });

  test("a field in other capitals is taken, and added to what is there by its own name", () => {
    const cpus = (resources: object) => taken("linux.resources", resources).spec.linux?.resources?.cpu;
    assert.deepEqual(cpus({ CPU: { Cpus: "0", MEMS: "1" } }), { cpus: "0", mems: "1" });
    assert.deepEqual(cpus({ cpu: { shares: 2, mems: "0" }, CPU: { Cpus: "0", mems: "1" } }), {
      shares: 2,
      cpus: "0",
      mems: "1",
    });
    assert.deepEqual(taken("Hostname", "other").spec.hostname, "other");
    assert.match(refused("linux.resources", { CPU: { Cpus: "x" } }), /linux\.resources\.cpu\.cpus: invalid/);
  });

  test("resources: what becomes a file's name or a line is no more than that", () => {
    const cases: [object, RegExp][] = [
      [
        { devices: [{ allow: true, access: "rwx" }] },
        /linux\.resources\.devices\[0\]\.access: invalid access "rwx"/,
      ],
      [{ devices: [{ allow: true, access: "r\nb 8:0" }] }, /invalid access/],
      [{ devices: [{ allow: true, access: "a" }] }, /invalid access/],
      [{ hugepageLimits: [{ pageSize: "../2MB", limit: 1 }] }, /invalid page size "\.\.\/2MB"/],
      [{ cpu: { cpus: "0-x" } }, /linux\.resources\.cpu\.cpus: invalid list "0-x"/],
      [{ rdma: { "mlx 0": {} } }, /"mlx 0" is no name of a device/],
      [{ network: { priorities: [{ name: "a/b", priority: 1 }] } }, /network\.priorities: "a\/b" is no name/],
    ];
    for (const [resources, message] of cases) assert.match(refused("linux.resources", resources), message);
    const good = {
      devices: [
        { allow: false, access: "rwm" },
        { allow: true, type: "c", access: "m" },
        { allow: false, type: "c", major: 1, minor: 11, access: "rwa" },
      ],
      hugepageLimits: [
        { pageSize: "2MB", limit: 1 },
        { pageSize: "64KB", limit: 1 },
      ],
      cpu: { cpus: "0-1,3", mems: "0" },
      rdma: { mlx5_1: { hcaHandles: 1 } },
    };
    assert.equal(refused("linux.resources", good), "taken");
    assert.throws(() => parseResources('{"cpu":{"cpus":"x"}}'), /resources\.cpu\.cpus: invalid list/);
  });

  test("seccomp: words, listener, and nothing for a profile that says nothing", () => {
    const rule = { names: ["mkdir"], action: "SCMP_ACT_NOTIFY" };
    const profile = { defaultAction: "SCMP_ACT_ALLOW", syscalls: [rule] };
    assert.match(refused("linux.seccomp", profile), /listenerPath: it is missing/);
    assert.equal(refused("linux.seccomp", { ...profile, listenerPath: "/s" }), "taken");
    assert.match(
      refused("linux.seccomp", { ...profile, listenerPath: "/s", defaultAction: "SCMP_ACT_NOTIFY" }),
      /default action/,
    );
    const write = { names: ["write"], action: "SCMP_ACT_NOTIFY" };
    assert.match(
      refused("linux.seccomp", { ...profile, syscalls: [write], listenerPath: "/s" }),
      /for the write syscall/,
    );
    assert.match(
      refused("linux.seccomp", { defaultAction: "SCMP_ACT_ALLOW", architectures: ["x86"] }),
      /x86 is not a valid arch/,
    );
    assert.match(
      refused("linux.seccomp", { defaultAction: "SCMP_ACT_ALLOW", flags: ["X"] }),
      /seccomp flag "X" is not known/,
    );
    assert.equal(taken("linux.seccomp", { defaultAction: "", syscalls: [] }).spec.linux?.seccomp, undefined);
  });

  test("relative paths start from the bundle", () => {
    const mounts = [
      { destination: "/a", source: "data", options: ["rbind"] },
      { destination: "/b", type: "tmpfs", source: "tmpfs" },
    ];
    const { spec } = decodeSpec({ ...plain, mounts }, { facts, bundle: "/bundle" });
    assert.equal(spec.root?.path, "/bundle/rootfs");
    assert.deepEqual(
      spec.mounts?.map((m) => m.source),
      ["/bundle/data", "tmpfs"],
    );
  });

  test("a destination that begins with the root's own path is one in the root", () => {
    const at = (destination: string) =>
      decodeSpec({ ...plain, mounts: [{ destination, type: "tmpfs" }] }, { facts, bundle: "/b" }).spec
        .mounts?.[0]?.destination;
    assert.deepEqual([at("/b/rootfs/x"), at("/b/rootfs2/x"), at("/x")], ["/x", "/b/rootfs2/x", "/x"]);
  });

  test("numbers of 64 bits keep all digits where they matter", () => {
    const args = [{ index: 0, value: 18446744073709551615n, op: "SCMP_CMP_EQ" }];
    const seccomp = {
      defaultAction: "SCMP_ACT_ALLOW",
      syscalls: [{ names: ["x"], action: "SCMP_ACT_LOG", args }],
    };
    const rlimits = [{ type: "RLIMIT_CORE", hard: 18446744073709551615n, soft: 0 }];
    const text = stringifyJson({
      ...changed("linux.seccomp", seccomp),
      process: { ...plain.process, rlimits },
    });
    const { spec } = parseSpec(text, { facts });
    assert.equal(spec.linux?.seccomp?.syscalls?.[0]?.args?.[0]?.value, 18446744073709551615n);
    assert.equal(spec.process?.rlimits?.[0]?.hard, 2 ** 64);
  });
});

test("what the engine generates is a good config.json, too", () => {
  const input = {
    id: "c0ffee",
    args: ["sleep", "1"],
    env: ["A=b"],
    user: "1000:1000",
    hostname: "box",
    tty: true,
    consoleSize: { rows: 24, columns: 80 },
    ulimits: [{ name: "core", soft: -1, hard: -1 }],
    resources: { memory: 64 << 20, deviceCgroupRules: ["c 1:3 rwm"] },
    tmpfs: [{ destination: "/run", options: "size=64m" }],
    binds: [{ source: "/srv", destination: "/srv", readonly: true }],
    devices: [{ pathOnHost: "/dev/fuse" }],
    sysctls: { "net.core.somaxconn": "1024" },
  };
  for (const more of [{}, { privileged: true }, { readonlyRootfs: true, capAdd: ["ALL"], oomScoreAdj: -5 }]) {
    const { spec } = generateSpec({ ...input, ...more } as never, fakeSpecHost());
    const parsed = parseSpec(stringifyJson(spec), { facts });
    assert.deepEqual(parsed.warnings, []);
    const { username: _, ...user } = (spec.process as OciProcess).user;
    const expected = JSON.parse(JSON.stringify({ ...spec, process: { ...spec.process, user } })) as OciSpec;
    for (const rule of expected.linux?.seccomp?.syscalls ?? [])
      for (const arg of rule.args ?? []) delete arg.bits;
    assert.deepEqual(JSON.parse(JSON.stringify(parsed.spec)), expected);
  }
});

test("nothing but a Fault comes out, whatever is in the file", () => {
  const leaf = fc.oneof(
    fc.jsonValue(),
    fc.constantFrom(-1, 2 ** 53, 1e300, "SCMP_ACT_NOTIFY", "bind", "../..", "\0", "1-"),
  );
  const paths = [
    "process",
    "process.user",
    "process.rlimits",
    "process.scheduler",
    "process.capabilities",
    "mounts",
    "hooks",
    "linux",
    "linux.seccomp",
    "linux.namespaces",
    "linux.resources",
    "linux.devices",
    "linux.sysctl",
    "annotations",
    "linux.timeOffsets",
    "linux.memoryPolicy",
    "linux.netDevices",
    "ociVersion",
    "root",
    "process.execCPUAffinity",
  ];
  const nested = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 3 },
      leaf,
      fc.array(tie("value"), { maxLength: 3 }),
      fc.dictionary(word, tie("value"), { maxKeys: 5 }),
    ),
  })).value;
  fc.assert(
    fc.property(fc.constantFrom(...paths), nested, (path, value) => {
      try {
        decodeSpec(changed(path, value), { facts });
      } catch (error) {
        assert.ok(error instanceof Fault, String(error));
      }
    }),
    { numRuns: 3000 },
  );
  fc.assert(
    fc.property(fc.oneof(fc.json(), fc.string()), (text) => {
      for (const parse of [parseSpec, parseProcess, parseResources])
        try {
          parse(text);
        } catch (error) {
          assert.ok(error instanceof Fault, String(error));
        }
    }),
    { numRuns: 1000 },
  );
});

/** Names that fields have, so that the values get where they are looked at. */
const word = fc.constantFrom(
  ..."type path uid gid names action args index value op defaultAction syscalls destination options source uidMappings".split(
    " ",
  ),
  ..."policy nice flags initial final mode nodes soft hard bounding ambient prestart createRuntime __proto__ constructor".split(
    " ",
  ),
);

test("exec's process and update's resources have the same rules", () => {
  const { process, warnings } = parseProcess(
    '{"cwd":"/","args":["x"],"capabilities":{"bounding":["CAP_X"]}}',
    { facts },
  );
  assert.deepEqual(process, {
    cwd: "/",
    args: ["x"],
    user: { uid: 0, gid: 0 },
    capabilities: { bounding: [] },
  });
  assert.equal(warnings.length, 1);
  assert.throws(() => parseProcess('{"cwd":"x","args":["x"]}', { facts }), /Cwd must be an absolute path/);
  assert.deepEqual(parseResources('{"memory":{"limit":1},"x":1}'), { memory: { limit: 1 } });
  assert.throws(() => parseResources('{"memory":{"limit":"1"}}'), /resources\.memory\.limit: it is a text/);
});
