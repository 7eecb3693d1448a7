// What a filter does to the calls of a container's processes: from linux.seccomp of a config.json through the compiler and the real keel
// to the kernel, with a real supervisor for those that notify one.

import assert from "node:assert/strict";
import type { Socket } from "node:net";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { SysError } from "../../lib/errors.ts";
import { planExecProcess } from "../plan/exec.ts";
import { planContainer } from "../plan/plan.ts";
import { goArch } from "../spec/host.ts";
import { decodeSpec } from "../spec/bundle/parse.ts";
import type { OciProcess, OciSeccomp, OciSpec } from "../spec/oci.ts";
import { DEFAULT_PROFILE } from "../seccomp/default-profile.ts";
import { resolveProfile } from "../seccomp/profile.ts";
import { syscallTable } from "../seccomp/syscalls.ts";
import { Bed, demultiplex, readAll, type RunOptions, skip } from "./_bed.ts";
import { buildProbe, Supervisor } from "./_seccomp-programs.ts";

const NAMESPACES = (["pid", "network", "ipc", "uts", "mount"] as const).map((type) => ({ type }));
const ABI = process.arch === "arm64" ? "aarch64" : "x86_64";
const nr = (name: string): string => String(syscallTable(ABI).get(name));
const [EPERM, ENODEV, EINVAL, ENOSYS, EFAULT, ENOMEDIUM] = [1, 19, 22, 38, 14, 123];
const SIGSYS = 31;

type Rule = NonNullable<OciSeccomp["syscalls"]>[number];

describe("a filter", { skip }, () => {
  let bed: Bed;
  before(async () => {
    bed = await Bed.open();
    buildProbe(join(bed.root, "bin"));
  });
  after(async () => {
    await bed.close();
  });

  function specOf(
    seccomp: OciSeccomp | undefined,
    process: Partial<OciProcess>,
    more: Partial<OciSpec> = {},
  ): OciSpec {
    const { spec } = decodeSpec({
      ociVersion: "1.2.1",
      process: { cwd: "/", args: ["true"], env: ["PATH=/bin"], user: { uid: 0, gid: 0 }, ...process },
      root: { path: bed.root },
      mounts: [{ destination: "/proc", type: "proc", source: "proc" }],
      linux: { namespaces: NAMESPACES, ...(seccomp ? { seccomp } : {}) },
      ...more,
    });
    return spec;
  }

  function optionsOf(spec: OciSpec): RunOptions {
    const { shim } = planContainer({
      id: "box",
      spec,
      root: { kind: "dir", path: bed.root },
      rootTarget: bed.target,
      stateDir: bed.dir,
      log: { kind: "none" },
      hasBarrier: true,
      bundle: "/bundle",
    });
    const { ops, cloneFlags, joins } = shim;
    return { plan: { ops, cloneFlags, joins } };
  }

  /** What the probe says about a call, or how it ended. */
  async function probe(
    seccomp: OciSeccomp,
    args: string[],
    process: Partial<OciProcess> = {},
  ): Promise<string> {
    const { stdout, exit } = await bed.run(
      optionsOf(specOf(seccomp, { args: ["probe", ...args], ...process })),
    );
    return exit.signal === 0 ? String(stdout).trim() : `signal ${exit.signal}`;
  }

  const allowBut = (...syscalls: Rule[]): OciSeccomp => ({ defaultAction: "SCMP_ACT_ALLOW", syscalls });
  const rule = (action: Rule["action"], more: Partial<Rule> = {}): Rule => ({
    names: ["mkdir", "mkdirat"],
    action,
    ...more,
  });
  const mkdirat = () => [nr("mkdirat"), "0", "0", "0"];

  test("does each of the actions", async () => {
    const cases: [action: Rule["action"], more: Partial<Rule>, result: string][] = [
      ["SCMP_ACT_ERRNO", {}, `errno ${EPERM}`],
      ["SCMP_ACT_ERRNO", { errnoRet: ENODEV }, `errno ${ENODEV}`],
      ["SCMP_ACT_ALLOW", {}, `errno ${EFAULT}`],
      ["SCMP_ACT_LOG", {}, `errno ${EFAULT}`],
      ["SCMP_ACT_KILL", {}, `signal ${SIGSYS}`],
      ["SCMP_ACT_KILL_PROCESS", {}, `signal ${SIGSYS}`],
      ["SCMP_ACT_KILL_THREAD", {}, `signal ${SIGSYS}`],
      ["SCMP_ACT_TRAP", {}, `trap ${nr("mkdirat")} errno 0`],
      // nobody traces it
      ["SCMP_ACT_TRACE", { errnoRet: 7 }, `errno ${ENOSYS}`],
    ];
    for (const [action, more, result] of cases)
      assert.equal(await probe(allowBut(rule(action, more)), mkdirat()), result, action);
    const silent = { env: ["PATH=/bin", "NO_HANDLER=1"] };
    assert.equal(await probe(allowBut(rule("SCMP_ACT_TRAP")), mkdirat(), silent), `signal ${SIGSYS}`);
  });

  test("compares arguments with each of the operators, several at once", async () => {
    const call = (value: number | bigint, ...ops: [op: string, value: number | bigint, two?: number][]) => {
      const args = ops.map(([op, v, two], index) => ({
        index,
        op,
        value: v,
        ...(two === undefined ? {} : { valueTwo: two }),
      }));
      const filter = allowBut({
        names: ["dup3"],
        action: "SCMP_ACT_ERRNO",
        errnoRet: ENODEV,
        args: args as never,
      });
      return probe(filter, [nr("dup3"), String(value), "1000", "0"]);
    };
    const hit = `errno ${ENODEV}`;
    const miss = "errno 9"; // no such descriptor
    const cases: [op: string, limit: number, below: string, equal: string, above: string][] = [
      ["SCMP_CMP_EQ", 500, miss, hit, miss],
      ["SCMP_CMP_NE", 500, hit, miss, hit],
      ["SCMP_CMP_LT", 500, hit, miss, miss],
      ["SCMP_CMP_LE", 500, hit, hit, miss],
      ["SCMP_CMP_GT", 500, miss, miss, hit],
      ["SCMP_CMP_GE", 500, miss, hit, hit],
    ];
    for (const [op, limit, ...results] of cases)
      for (const [i, value] of [limit - 1, limit, limit + 1].entries())
        assert.equal(await call(value, [op, limit]), results[i], `${value} ${op} ${limit}`);
    assert.equal(await call(0x1f1, ["SCMP_CMP_MASKED_EQ", 0xff, 0xf1]), hit);
    assert.equal(await call(0x1f2, ["SCMP_CMP_MASKED_EQ", 0xff, 0xf1]), miss);
    assert.equal(await call(500, ["SCMP_CMP_EQ", 500], ["SCMP_CMP_EQ", 1000]), hit);
    assert.equal(await call(500, ["SCMP_CMP_EQ", 500], ["SCMP_CMP_EQ", 1001]), miss);
    assert.equal(await call(500n + (1n << 32n), ["SCMP_CMP_EQ", 500]), miss, "all 64 bits count");
  });

  test("names that no kernel knows are skipped, numbers beyond the newest known give ENOSYS", async () => {
    assert.equal(
      await probe(allowBut(rule("SCMP_ACT_ERRNO", { names: ["frobnicate", "mkdirat"] })), mkdirat()),
      `errno ${EPERM}`,
    );
    const capabilities = ["CAP_CHOWN"];
    const strict = resolveProfile(DEFAULT_PROFILE, {
      arch: goArch(process.arch),
      capabilities,
      kernel: "6.1",
    }) as OciSeccomp;
    assert.equal(await probe(strict, [nr("mount")]), `errno ${EPERM}`);
    assert.equal(await probe(strict, ["5000"]), `errno ${ENOSYS}`);
    assert.equal(await probe({ ...strict, defaultErrnoRet: ENODEV }, [nr("mount")]), `errno ${ENODEV}`);
  });

  test("works with and without no_new_privs, for root and for others", async () => {
    const filter = allowBut(rule("SCMP_ACT_ERRNO", { errnoRet: ENODEV }));
    for (const noNewPrivileges of [true, false])
      for (const uid of [0, 1000])
        assert.equal(
          await probe(filter, mkdirat(), { noNewPrivileges, user: { uid, gid: uid } }),
          `errno ${ENODEV}`,
        );
  });

  test("calls of other architectures are killed, or follow the same rules where they are named", {
    skip: ABI === "x86_64" ? false : "x86_64 only",
  }, async () => {
    const filter = allowBut(rule("SCMP_ACT_ERRNO", { errnoRet: ENODEV }));
    const i386 = [`i${syscallTable("x86").get("mkdirat")}`, "0", "0", "0"];
    const x32 = [String(Number(nr("mkdirat")) + 2 ** 30), "0", "0", "0"];
    assert.equal(await probe(filter, i386), `signal ${SIGSYS}`);
    assert.equal(await probe(filter, x32), `signal ${SIGSYS}`);
    const wide = {
      ...filter,
      architectures: ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32", "SCMP_ARCH_MIPS"],
    };
    assert.equal(await probe(wide, i386), `errno ${ENODEV}`);
    assert.equal(await probe(wide, x32), `errno ${ENODEV}`);
    assert.equal(await probe(wide, mkdirat()), `errno ${ENODEV}`);
  });

  test("flags go to the kernel", async () => {
    for (const flag of ["SPEC_ALLOW", "LOG", "TSYNC"]) {
      const flags = [`SECCOMP_FILTER_FLAG_${flag}`];
      const filter = { ...allowBut(rule("SCMP_ACT_ERRNO", { errnoRet: ENODEV })), flags };
      assert.equal(await probe(filter, mkdirat()), `errno ${ENODEV}`, flag);
    }
  });

  test("notifies its listener, which answers, for the first process and for execs", async () => {
    await using supervisor = await Supervisor.start(bed.dir, ENOMEDIUM);
    const filter: OciSeccomp = {
      ...allowBut(
        rule("SCMP_ACT_NOTIFY"),
        rule("SCMP_ACT_NOTIFY", { names: ["read", "sendmsg", "fchmodat"] }),
      ),
      listenerPath: supervisor.path,
      listenerMetadata: 'any "text"\n',
      flags: ["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"],
    };
    const annotations = { "org.example.key": "value" };
    const onlyMkdir = { ...filter, syscalls: [rule("SCMP_ACT_NOTIFY")] };
    const spec = specOf(
      onlyMkdir,
      { args: ["sh", "-c", "probe " + mkdirat().join(" ") + "; sleep 100"] },
      { annotations },
    );
    const box = await bed.create(optionsOf(spec));
    const message = JSON.parse(await supervisor.next("message")) as Record<string, unknown>;
    const { ociVersion, ...state } = message["state"] as Record<string, unknown>;
    assert.deepEqual(message["fds"], ["seccompFd"]);
    assert.equal(message["pid"], box.pid);
    assert.equal(message["metadata"], 'any "text"\n');
    assert.deepEqual(state, { id: "box", status: "creating", pid: box.pid, bundle: "/bundle", annotations });
    assert.equal(ociVersion, message["ociVersion"]);
    await box.shim.start();
    assert.equal(await supervisor.next("call"), nr("mkdirat"));
    const plan = planExecProcess(
      spec,
      { ...(spec.process as OciProcess), args: ["probe", ...mkdirat()] },
      { execId: "e", isTty: false },
    );
    const { stream, pid } = await bed.exec(box, [], { stdout: true }, { ops: plan.ops });
    const second = JSON.parse(await supervisor.next("message")) as Record<string, unknown>;
    assert.equal(second["pid"], pid);
    assert.equal(String(demultiplex(await readAll(stream as Socket)).stdout), `errno ${ENOMEDIUM}\n`);
    assert.equal(await supervisor.next("call"), nr("mkdirat"));
    await box.shim.signal(9);
    await box.exit;
  });

  test("notifications of what the start itself calls are answered, too", async () => {
    await using supervisor = await Supervisor.start(bed.dir, 0);
    const filter: OciSeccomp = {
      ...allowBut(rule("SCMP_ACT_NOTIFY", { names: ["read", "sendmsg", "close_range", "execve"] })),
      listenerPath: supervisor.path,
    };
    const { stdout } = await bed.run(optionsOf(specOf(filter, { args: ["echo", "ran"] })));
    assert.equal(String(stdout), "ran\n");
  });

  test("a listener that is not there, or a filter that notifies of write, is a failed start", async () => {
    const filter = { ...allowBut(rule("SCMP_ACT_NOTIFY")), listenerPath: join(bed.dir, "nobody.sock") };
    const failed = await bed.run(optionsOf(specOf(filter, {}))).catch((e: unknown) => e);
    assert.ok(failed instanceof SysError);
    assert.match(failed.message, /failed to connect with seccomp agent .*nobody\.sock: No such file/);
    const write = { ...filter, syscalls: [rule("SCMP_ACT_NOTIFY", { names: ["write"] })] };
    assert.throws(() => specOf(write, {}), /cannot be used for the write syscall/);
    assert.equal(EINVAL, 22);
  });
});
