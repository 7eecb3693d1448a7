import assert from "node:assert/strict";
import { after, test } from "node:test";
import fc from "fast-check";
import { DEFAULT_CAPABILITIES } from "../caps/names.ts";
import { Fault } from "../../lib/errors.ts";
import type { OciSeccomp, OciSeccompArg, OciSyscall } from "../spec/oci.ts";
import { cachedResolve, cachedSeccomp } from "./cache.ts";
import { compileSeccomp } from "./compile.ts";
import { DEFAULT_PROFILE } from "./default-profile.ts";
import { interpretFilter } from "./interpreter.ts";
import { openLibseccomp } from "./libseccomp-oracle.ts";
import { resolveProfile } from "./profile.ts";
import { syscallTable } from "./syscalls.ts";

const X86_64 = 0xc000_003e;
const I386 = 0x4000_0003;
const AARCH64 = 0xc000_00b7;
const ARM = 0x4000_0028;
const ALLOW = 0x7fff_0000;
const errno = (n: number) => 0x0005_0000 + n;
const [EPERM, ENOSYS] = [1, 38];

const target = { arch: "amd64", capabilities: DEFAULT_CAPABILITIES, kernel: "6.12.0-1-amd64" };
const defaults = resolveProfile(DEFAULT_PROFILE, target) as OciSeccomp;
const { program } = compileSeccomp(defaults, "amd64");
const nr = (name: string) => syscallTable("x86_64").get(name) as number;
const run = (name: string, ...args: number[]) =>
  interpretFilter(program, { number: nr(name), arch: X86_64, args: args.map(BigInt) }).returns;

const libseccomp = openLibseccomp();
after(() => libseccomp?.[Symbol.dispose]());

test("default profile allows what programs need and refuses what reaches the host", () => {
  for (const name of ["read", "execve", "openat2", "futex_waitv", "clone", "socketpair", "statx", "mseal"]) {
    assert.equal(run(name), ALLOW, name);
  }
  for (const name of [
    "mount",
    "bpf",
    "kexec_load",
    "init_module",
    "setns",
    "keyctl",
    "userfaultfd",
    "io_uring_setup",
  ]) {
    assert.equal(run(name), errno(EPERM), name);
  }
  assert.equal(run("clone3"), errno(ENOSYS));
  assert.equal(run("chroot"), ALLOW, "CAP_SYS_CHROOT is a default");
  assert.equal(run("arch_prctl"), ALLOW);
});

test("default profile looks at arguments: families, namespaces, personalities", () => {
  for (const family of [1, 2, 10, 16, 17, 37, 39, 41])
    assert.equal(run("socket", family), ALLOW, `${family}`);
  for (const family of [38, 40]) assert.equal(run("socket", family), errno(EPERM), `${family}`);
  const sneaky = interpretFilter(program, { number: nr("socket"), arch: X86_64, args: [(1n << 32n) | 38n] });
  assert.equal(sneaky.returns, errno(EPERM), "upper half of an int argument");
  assert.equal(run("clone", 0x0120_0011), ALLOW);
  for (const flag of [0x0002_0000, 0x1000_0000, 0x2000_0000, 0x4000_0000]) {
    assert.equal(run("clone", flag | 17), errno(EPERM), flag.toString(16));
  }
  assert.equal(run("personality", 0xffff_ffff), ALLOW);
  assert.equal(run("personality", 0x0004_0000), errno(EPERM), "ADDR_NO_RANDOMIZE");
});

test("numbers beyond the profile's newest call give ENOSYS, foreign architectures are killed", () => {
  const at = (number: number, arch: number) => interpretFilter(program, { number, arch }).returns;
  assert.equal(at(466, X86_64), ALLOW, "removexattrat, the newest");
  assert.equal(at(467, X86_64), errno(ENOSYS));
  assert.equal(at(100_000, X86_64), errno(ENOSYS));
  assert.equal(at(400, X86_64), errno(EPERM), "a hole below it");
  assert.equal(at(1000, I386), errno(ENOSYS));
  assert.equal(at(1, AARCH64), 0);
  const native = compileSeccomp({ ...defaults, architectures: [] }, "amd64").program;
  assert.equal(interpretFilter(native, { number: 1, arch: I386 }).returns, 0);
  assert.equal(
    interpretFilter(native, { number: 0x4000_0001, arch: X86_64 }).returns,
    0,
    "x32 not asked for",
  );
  assert.equal(
    interpretFilter(native, { number: 0xffff_ffff, arch: X86_64 }).returns,
    errno(EPERM),
    "a skipped call",
  );
});

test("capabilities unlock the calls they are about", () => {
  const verdict = (capabilities: string[], name: string) => {
    const resolved = resolveProfile(DEFAULT_PROFILE, { ...target, capabilities }) as OciSeccomp;
    return interpretFilter(compileSeccomp(resolved, "amd64").program, { number: nr(name), arch: X86_64 })
      .returns;
  };
  for (const name of ["mount", "setns", "clone3", "unshare", "bpf"]) {
    assert.equal(verdict(["CAP_SYS_ADMIN"], name), ALLOW, name);
  }
  assert.equal(verdict(["CAP_BPF"], "bpf"), ALLOW);
  assert.equal(verdict([], "chroot"), errno(EPERM));
  assert.equal(verdict(["CAP_SYS_TIME"], "clock_settime"), ALLOW);
});

test("default program is short, and a verdict without arguments takes few steps", () => {
  assert.ok(program.length / 8 < 450, `${program.length / 8} instructions`);
  let most = 0;
  for (const number of syscallTable("x86_64").values()) {
    most = Math.max(most, interpretFilter(program, { number, arch: X86_64 }).steps);
  }
  assert.ok(most <= 24, `${most} steps`);
});

test("arm64 gets its own numbers", () => {
  const resolved = resolveProfile(DEFAULT_PROFILE, { ...target, arch: "arm64" }) as OciSeccomp;
  const { program } = compileSeccomp(resolved, "arm64");
  const at = (name: string, arch = AARCH64) =>
    interpretFilter(program, { number: syscallTable("aarch64").get(name) as number, arch }).returns;
  assert.equal(at("openat"), ALLOW);
  assert.equal(at("mount"), errno(EPERM));
  assert.equal(at("openat", X86_64), 0);
  const arm = (number: number) => interpretFilter(program, { number, arch: ARM }).returns;
  const armNr = (name: string) => syscallTable("arm").get(name) as number;
  assert.deepEqual(
    [armNr("openat"), armNr("statx"), armNr("set_tls"), armNr("futex_waitv")],
    [322, 397, 0xf0005, 449],
  );
  for (const name of ["openat", "set_tls", "cacheflush", "clock_gettime64", "arm_fadvise64_64"])
    assert.equal(arm(armNr(name)), ALLOW, name);
  assert.equal(arm(armNr("mount")), errno(EPERM));
  assert.equal(arm(467), errno(ENOSYS));
  assert.equal(arm(0xf0006), errno(EPERM), "get_tls");
});

/** The rules read one by one: what compileSeccomp promises, in its simplest form. */
function verdictBySemantics(seccomp: OciSeccomp, name: string, args: readonly bigint[]): number {
  const rules = (seccomp.syscalls ?? []).filter((r) => r.names.includes(name));
  const plain = rules.find((r) => !r.args?.length);
  if (plain) return actionValue(plain);
  const hit = rules.find((r) => {
    const list = r.args ?? [];
    const shared = new Set(list.map((a) => a.index)).size < list.length;
    return shared ? list.some((a) => holds(a, args)) : list.every((a) => holds(a, args));
  });
  return hit ? actionValue(hit) : actionValue({ action: seccomp.defaultAction, names: [] });
}

const actionValue = (r: OciSyscall) => (r.action === "SCMP_ACT_ALLOW" ? ALLOW : errno(r.errnoRet ?? 1));

function holds(arg: OciSeccompArg, args: readonly bigint[]): boolean {
  const actual = args[arg.index] ?? 0n;
  const value = BigInt(arg.value);
  const tests: Record<string, boolean> = {
    NE: actual !== value,
    LT: actual < value,
    LE: actual <= value,
    EQ: actual === value,
    GE: actual >= value,
    GT: actual > value,
    MASKED_EQ: (actual & value) === BigInt(arg.valueTwo ?? 0),
  };
  return tests[arg.op.slice("SCMP_CMP_".length)] as boolean;
}

const interesting = fc.oneof(
  fc.constantFrom(0n, 1n, 37n, 38n, 0xffff_ffffn, 0x1_0000_0000n, 0x1_0000_0026n, (1n << 64n) - 1n),
  fc.bigInt(0n, (1n << 64n) - 1n),
);
const anyArg = fc.record({
  index: fc.integer({ min: 0, max: 5 }),
  op: fc.constantFrom(
    ...(["NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ"] as const).map((o) => `SCMP_CMP_${o}` as const),
  ),
  value: interesting,
  valueTwo: interesting,
});
const anyProfile = fc
  .array(
    fc.record({
      names: fc.uniqueArray(fc.constantFrom("read", "write", "socket", "ioctl", "clone", "prctl", "openat"), {
        minLength: 1,
      }),
      action: fc.constantFrom("SCMP_ACT_ALLOW" as const, "SCMP_ACT_ERRNO" as const),
      errnoRet: fc.constantFrom(2, 13),
      args: fc.array(anyArg, { maxLength: 3 }),
    }),
    { maxLength: 8 },
  )
  .map(
    (syscalls): OciSeccomp => ({
      defaultAction: "SCMP_ACT_ERRNO",
      architectures: ["SCMP_ARCH_X86_64"],
      syscalls,
    }),
  );

test("compileSeccomp does what the rules say for any arguments", () => {
  const calls = fc.array(fc.array(interesting, { minLength: 6, maxLength: 6 }), {
    minLength: 5,
    maxLength: 20,
  });
  fc.assert(
    fc.property(anyProfile, calls, (seccomp, argLists) => {
      const { program } = compileSeccomp(seccomp, "amd64");
      const known = (seccomp.syscalls ?? []).flatMap((r) => r.names.map(nr));
      for (const name of ["read", "socket", "ioctl", "clone", "prctl", "openat"]) {
        if (nr(name) > Math.max(-1, ...known)) continue; // ENOSYS, tested above
        for (const args of argLists) {
          const { returns } = interpretFilter(program, { number: nr(name), arch: X86_64, args });
          assert.equal(returns, verdictBySemantics(seccomp, name, args));
        }
      }
    }),
    { numRuns: 300 },
  );
});

const ABIS = [
  ["x86_64", X86_64],
  ["x32", X86_64],
  ["x86", I386],
] as const;

/** Argument lists that hit both sides of the default profile's conditions. */
const PROBES = [
  0n,
  2n,
  8n,
  38n,
  39n,
  40n,
  41n,
  0x2_0000n,
  0x2_0008n,
  0x1000_0011n,
  0x7e02_0000n,
  0xffff_ffffn,
];

test("default profile has the same effect as libseccomp's program", {
  skip: libseccomp === undefined,
}, () => {
  const wide = structuredClone(defaults);
  for (const rule of wide.syscalls ?? []) for (const arg of rule.args ?? []) delete arg.bits;
  const ours = compileSeccomp(wide, "amd64").program;
  const { program: theirs, unknown } = (libseccomp as NonNullable<typeof libseccomp>)(wide);
  let compared = 0;
  for (const [abi, arch] of ABIS) {
    for (const [name, number] of syscallTable(abi)) {
      if (unknown.has(name)) continue;
      for (const value of PROBES) {
        const data = { number, arch, args: [value, value, value, 0n, 0n, 0n] };
        const mine = interpretFilter(ours, data).returns;
        if (mine === errno(ENOSYS) && name !== "clone3") continue; // runc's addition, not libseccomp's
        assert.equal(mine, interpretFilter(theirs, data).returns, `${abi} ${name}(${value})`);
        compared++;
      }
    }
  }
  assert.ok(compared > 10_000, `${compared} comparisons`);
  assert.ok(ours.length < theirs.length / 2, `${ours.length / 8} against ${theirs.length / 8} instructions`);
});

test("a permissive profile has the same effect as libseccomp's program", {
  skip: libseccomp === undefined,
}, () => {
  const deny = (names: string[], args: OciSeccompArg[] = []): OciSyscall => ({
    names,
    action: "SCMP_ACT_ERRNO",
    errnoRet: 13,
    args,
  });
  const seccomp: OciSeccomp = {
    defaultAction: "SCMP_ACT_ALLOW",
    architectures: ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
    syscalls: [
      deny(["ptrace", "chmod", "fchmodat", "semget"]),
      deny(["personality"], [{ index: 0, op: "SCMP_CMP_GE", value: 0x2_0000 }]),
      deny(
        ["ioctl"],
        [
          { index: 1, op: "SCMP_CMP_EQ", value: 0x5412 },
          { index: 2, op: "SCMP_CMP_NE", value: 0 },
        ],
      ),
      deny(["prctl"], [{ index: 0, op: "SCMP_CMP_MASKED_EQ", value: 0xff, valueTwo: 38 }]),
      deny(["kill"], [{ index: 1, op: "SCMP_CMP_LT", value: 9 }]),
      deny(["lseek"], [{ index: 1, op: "SCMP_CMP_GT", value: 0x1_0000_0000 }]),
      deny(["madvise"], [{ index: 2, op: "SCMP_CMP_LE", value: 4 }]),
    ],
  };
  const ours = compileSeccomp(seccomp, "amd64").program;
  const { program: theirs } = (libseccomp as NonNullable<typeof libseccomp>)(seccomp);
  const values = [
    0n,
    4n,
    5n,
    8n,
    9n,
    38n,
    0x126n,
    0x5412n,
    0x2_0000n,
    0xffff_ffffn,
    0x1_0000_0000n,
    0x1_0000_0001n,
  ];
  for (const [abi, arch] of ABIS) {
    for (const [name, number] of syscallTable(abi)) {
      for (const value of values) {
        if (abi !== "x86_64" && value > 0xffff_ffffn) continue; // the kernel passes 32 bits
        if (abi === "x86" && name === "ipc") continue; // libseccomp 2.5 leaves the multiplexer alone here
        const data = { number, arch, args: [value, value, value, 0n, 0n, 0n] };
        const mine = interpretFilter(ours, data).returns;
        assert.equal(mine, interpretFilter(theirs, data).returns, `${abi} ${name}(${value})`);
      }
    }
  }
});

test("flags: speculation stays allowed unless flags are given, unknown ones are refused", () => {
  assert.equal(compileSeccomp(defaults, "amd64").flags, 4);
  assert.equal(compileSeccomp({ ...defaults, flags: [] }, "amd64").flags, 0);
  assert.equal(compileSeccomp({ ...defaults, flags: ["SECCOMP_FILTER_FLAG_LOG"] }, "amd64").flags, 2);
  assert.throws(() => compileSeccomp({ ...defaults, flags: ["X"] }, "amd64"), Fault);
});

test("compileSeccomp refuses what it cannot do", () => {
  const bad = (change: object) => () => compileSeccomp({ ...defaults, ...change }, "amd64");
  const notified = { names: ["mkdir"], action: "SCMP_ACT_NOTIFY" };
  assert.throws(bad({ syscalls: [notified] }), /needs a listenerPath/);
  const write = { ...notified, names: ["read", "write"] };
  assert.throws(bad({ syscalls: [write], listenerPath: "/s" }), /cannot be used for the write syscall/);
  assert.throws(
    bad({ defaultAction: "SCMP_ACT_NOTIFY", listenerPath: "/s" }),
    /cannot be used as default action/,
  );
  assert.throws(
    bad({ syscalls: [{ names: ["mkdir"], action: "NONSENSE" }] }),
    (e: Fault) => e.kind === "invalidParameter",
  );
  assert.throws(bad({ architectures: ["x86"] }), (e: Fault) => e.kind === "invalidParameter");
  const rules = Array.from({ length: 5000 }, (_, i) => ({
    names: ["ioctl"],
    action: "SCMP_ACT_ALLOW",
    args: [{ index: 1, op: "SCMP_CMP_EQ", value: i * 7 }],
  }));
  assert.throws(bad({ syscalls: rules }), (e: Fault) => e.code === "seccomp.too-large");
});

test("cachedSeccomp finds the same content again, cachedResolve the same object", () => {
  const a = cachedSeccomp(defaults, "amd64");
  assert.equal(cachedSeccomp(structuredClone(defaults), "amd64"), a);
  const first = cachedResolve(DEFAULT_PROFILE, target);
  assert.equal(
    cachedResolve(DEFAULT_PROFILE, { ...target, capabilities: [...DEFAULT_CAPABILITIES].reverse() }),
    first,
  );
  assert.notEqual(cachedResolve(DEFAULT_PROFILE, { ...target, capabilities: [] }), first);
});
