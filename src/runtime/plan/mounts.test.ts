import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Fault } from "../../lib/errors.ts";
import type { OciLinux, OciMount } from "../spec/oci.ts";
import { formatOp } from "./format.ts";
import { type MountContext, planMounts, planTreePropagation } from "./mounts.ts";

const context: MountContext = {
  views: [],
  hasOwnCgroupNamespace: false,
  mayMountKernelFiles: true,
  isProcfs: (path) => path === "/proc",
};

function plan(mounts: OciMount[], linux: OciLinux = {}, more: Partial<MountContext> = {}) {
  const { ops, later, warnings } = planMounts(
    { ociVersion: "1.2.1", mounts, linux },
    { ...context, ...more },
  );
  return { ops: ops.map(formatOp), later: later.map(formatOp), warnings };
}
const bind = (...options: string[]): OciMount => ({ destination: "/m", source: "/s", options });
const tmpfs = (...options: string[]): OciMount => ({
  destination: "/m",
  type: "tmpfs",
  source: "tmpfs",
  options,
});
const refuses = (mount: OciMount, message: RegExp) =>
  assert.throws(
    () => plan([mount]),
    (e: unknown) => e instanceof Fault && message.test(e.message),
  );

describe("mounts", () => {
  test("binds: one call where it is enough, a further one for what is meant for the tree", () => {
    assert.deepEqual(plan([bind("bind")]).ops, ['bind "/s" "/m" 0 0 0 0 "" "" "" 0 0 0']);
    assert.deepEqual(plan([bind("rbind", "ro")]).ops, ['bind "/s" "/m" 1 1 0 0 "" "" "" 0 0 0']);
    assert.deepEqual(plan([bind("rbind", "rro")]).ops, ['bind "/s" "/m" 1 1 1 0 "" "" "" 0 0 0']);
    assert.deepEqual(plan([bind("rbind", "ro", "rnosuid")]).ops, [
      'bind "/s" "/m" 1 1 0 0 "" "" "" 0 0 0',
      'mountAttributes "/m" 2 0 1',
    ]);
    assert.deepEqual(plan([bind("bind", "rw", "noexec", "relatime")]).ops, [
      'bind "/s" "/m" 0 8 0 0 "" "" "" 0 113 113',
    ]);
    assert.deepEqual(plan([bind("rbind", "rstrictatime")]).ops, [
      'bind "/s" "/m" 1 0 0 0 "" "" "" 0 0 0',
      'mountAttributes "/m" 32 112 1',
    ]);
    const exact = (...options: string[]) => plan([bind("bind", ...options)], {}, { hasExactBinds: true }).ops;
    assert.deepEqual(exact(), ['bind "/s" "/m" 0 0 0 0 "" "" "" 0 0 0'], "as its source");
    // what is not said goes: nosuid, nodev, noexec, nosymfollow; the last one in any case
    assert.deepEqual(exact("ro"), ['bind "/s" "/m" 0 1 0 0 "" "" "" 0 0x20000e 0x200000']);
    assert.deepEqual(exact("rw"), ['bind "/s" "/m" 0 0 0 0 "" "" "" 0 0x20000f 0x200001']);
    assert.deepEqual(exact("atime"), ['bind "/s" "/m" 0 0 0 0 "" "" "" 0 0x20000f 0x200000']);
    assert.deepEqual(exact("noatime", "exec"), ['bind "/s" "/m" 0 16 0 0 "" "" "" 0 0x2000ff 0x2000f8']);
    refuses(bind("bind", "size=4k"), /cannot have any filesystem-specific options/);
    refuses({ ...bind("bind"), source: "/proc/self/fd/5" }, /a descriptor of whoever looks/);
  });

  test("binds are private unless they ask for more, whatever the tree is", () => {
    const propagation = (mount: OciMount, linux: OciLinux = {}) => plan([mount], linux).ops[0]?.split(" ")[6];
    assert.equal(propagation(bind("rbind")), "0");
    for (const rootfsPropagation of ["private", "slave", "rslave", "shared"])
      assert.equal(propagation(bind("rbind"), { rootfsPropagation }), "0x44000", rootfsPropagation);
    assert.equal(propagation(bind("rbind", "rshared"), { rootfsPropagation: "shared" }), "0x104000");
    assert.equal(propagation(bind("rbind", "rslave")), "0x84000");
  });

  test("new file systems: flags, options of their own, copies, what is recursive, propagation", () => {
    assert.deepEqual(plan([tmpfs("ro", "nosuid", "size=4k", "mode=700")]).ops, [
      'mount "tmpfs" "tmpfs" "/m" 3 "size=4k,mode=700"',
    ]);
    assert.deepEqual(plan([tmpfs("tmpcopyup", "size=4k")]).ops, ['mountCopyUp "tmpfs" "/m" 0 "size=4k"']);
    assert.deepEqual(plan([tmpfs("rro", "shared")]).ops, [
      'mount "tmpfs" "tmpfs" "/m" 0 ""',
      'mountAttributes "/m" 1 0 1',
      'mountPropagation "/m" 0x100000',
    ]);
    assert.deepEqual(plan([tmpfs("rprivate")]).ops, ['mount "tmpfs" "tmpfs" "/m" 0 ""']);
    const shared = plan([tmpfs("rprivate")], { rootfsPropagation: "rshared" }).ops;
    assert.equal(shared.at(-1), 'mountPropagation "/m" 0x44000');
    refuses({ destination: "/m" }, /has no type/);
    refuses({ destination: "/m", type: "proc", options: ["tmpcopyup"] }, /tmpfs only/);
  });

  test("remounts are about the mount with bind, about the file system without", () => {
    assert.deepEqual(plan([bind("bind", "remount", "ro", "exec")]).ops, ['mountAttributes "/m" 1 8 0']);
    assert.deepEqual(plan([tmpfs("remount", "ro", "size=8k")]).ops, ['remount "/m" 1 "size=8k"']);
  });

  test("a read-only /dev, or one with mounts below, becomes so at the end", () => {
    const dev = { ...tmpfs("ro"), destination: "/dev" };
    assert.deepEqual(plan([dev]), {
      ops: ['mount "tmpfs" "tmpfs" "/dev" 0 ""'],
      later: ['mountAttributes "/dev" 1 0 0'],
      warnings: [],
    });
  });

  test("/proc is a procfs, and of its files only some are replaced", () => {
    assert.equal(plan([{ destination: "/proc", source: "/proc", options: ["rbind"] }]).ops.length, 1);
    assert.equal(plan([{ ...bind("bind"), destination: "/proc/uptime" }]).ops.length, 1);
    refuses({ ...bind("bind"), destination: "/proc" }, /not of type proc/);
    refuses({ ...tmpfs(), destination: "/proc//" }, /not of type proc/);
    refuses({ ...bind("bind"), destination: "/x/../proc/sys/kernel" }, /inside \/proc/);
  });

  test("what a user namespace cannot mount anew is bound from the host", () => {
    const kernelFiles = [
      { destination: "/proc", type: "proc", source: "proc" },
      { destination: "/sys", type: "sysfs", source: "sysfs", options: ["ro", "nosuid"] },
    ];
    const user = { namespaces: [{ type: "user" as const }, { type: "mount" as const }] };
    assert.deepEqual(plan(kernelFiles, user, { mayMountKernelFiles: false }).ops, [
      'bind "/proc" "/proc" 1 0 0 0x84000 "" "" "" 0 0 0',
      'bind "/sys" "/sys" 1 1 0 0x84000 "" "" "" 0 0 0',
    ]);
    const own = { namespaces: [...user.namespaces, { type: "pid" as const }, { type: "network" as const }] };
    for (const [linux, may] of [
      [own, false],
      [user, true],
    ] as const)
      assert.match(plan(kernelFiles, linux, { mayMountKernelFiles: may }).ops[0] ?? "", /^mount "proc"/);
  });

  test("without a cgroup of its own nothing is shown, and that is said", () => {
    const { ops, warnings } = plan([{ destination: "/sys/fs/cgroup", type: "cgroup" }]);
    assert.deepEqual(ops, []);
    assert.match(warnings[0] ?? "", /no cgroup of its own/);
  });

  test("the tree's propagation: private unless more is wanted, unbindable only of the root", () => {
    const of = (rootfsPropagation?: string) =>
      planTreePropagation({
        ociVersion: "1",
        linux: rootfsPropagation ? { rootfsPropagation } : {},
      }).toString(16);
    assert.deepEqual(
      [of(), of("private"), of("rslave"), of("shared"), of("runbindable")],
      ["44000", "40000", "84000", "100000", "84000"],
    );
    assert.throws(() => of("nonsense"), Fault);
  });
});
