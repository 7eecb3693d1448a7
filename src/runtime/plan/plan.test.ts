// Golden texts of plans: plan/goldens/NAME.txt, rewritten with UPDATE_GOLDENS=1.

import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { Fault } from "../../lib/errors.ts";
import { idMapTexts } from "../../linux/idmap.ts";
import { inner, type Op } from "../../linux/ops.ts";
import { planCgroup } from "../cgroup/plan.ts";
import { generateSpec } from "../spec/generate.ts";
import { fakeSpecHost, LEGACY_HOST, UNIFIED_HOST } from "../spec/host-fake.ts";
import type { SpecInput } from "../spec/input.ts";
import type { OciSpec } from "../spec/oci.ts";
import type { SpecHost } from "../spec/host.ts";
import { planExec } from "./exec.ts";
import { formatOp, formatPlan } from "./format.ts";
import type { ContainerPlan, PlanInput } from "./input.ts";
import { planContainer } from "./plan.ts";

const ID = "c0ffee";

function plan(
  input: Partial<SpecInput>,
  more: Partial<PlanInput> = {},
  change: Partial<SpecHost> = {},
): ContainerPlan {
  const host = fakeSpecHost(change);
  const { spec } = generateSpec({ id: ID, args: ["sleep", "1"], env: [], ...input }, host);
  const files: Record<string, string> = {
    "/sys/fs/cgroup/cpuset/docker/cgroup.clone_children": "1\n",
    "/sys/fs/cgroup/cpuset/docker/cpuset.cpus": "0-3\n",
    "/sys/fs/cgroup/cpuset/docker/cpuset.mems": "0\n",
    "/sys/fs/cgroup/cgroup.subtree_control": "cpuset cpu io memory hugetlb pids\n",
    "/sys/fs/cgroup/docker/cgroup.subtree_control": "cpuset cpu io memory hugetlb pids\n",
  };
  const resources = spec.linux?.resources;
  const cgroup = planCgroup(
    host.cgroups,
    { id: ID, ...(resources ? { resources } : {}) },
    (path) => files[path],
  );
  return planContainer({
    id: ID,
    spec,
    root: {
      kind: "overlay",
      layersDir: "/data/layers",
      lower: ["b", "a"],
      upper: "/data/up",
      work: "/data/work",
    },
    rootTarget: "/run/berth/root",
    stateDir: `/run/berth/shims/${ID}`,
    log: { kind: "none" },
    cgroup,
    ...more,
  });
}

function golden(name: string, text: string): void {
  const path = new URL(`./goldens/${name}.txt`, import.meta.url);
  if (process.env["UPDATE_GOLDENS"] === "1") writeFileSync(path, text);
  assert.ok(existsSync(path), `no golden text ${name}: run the test with UPDATE_GOLDENS=1`);
  assert.equal(text, readFileSync(path, "utf8"));
}

const etcFiles = { hostname: "/c/hostname", hosts: "/c/hosts", resolvConf: "/c/resolv.conf" };

test("default container on cgroup v1", () => {
  golden("default-v1", formatPlan(plan({ hostname: "web", etcFiles }, { netns: 3, hasBarrier: true })));
});

test("default container on cgroup v2 has one cgroup mount and an own cgroup namespace", () => {
  golden("default-v2", formatPlan(plan({ hostname: "web" }, {}, { cgroups: UNIFIED_HOST })));
});

test("terminal, user, limits, volumes, no new privileges", () => {
  golden(
    "rich",
    formatPlan(
      plan(
        {
          tty: true,
          consoleSize: { rows: 40, columns: 120 },
          user: "app:web",
          groups: ["audio", "44"],
          cwd: "/srv/app/",
          readonlyRootfs: true,
          securityOpts: ["no-new-privileges"],
          initPath: "/run/berth/keel",
          ulimits: [
            { name: "nofile", soft: 1024, hard: 4096 },
            { name: "core", soft: -1, hard: -1 },
          ],
          sysctls: { "net.core.somaxconn": "1024" },
          binds: [
            { source: "/host/deep", destination: "/srv/app/deep" },
            { source: "/host/ro", destination: "/srv", readonly: true },
            { source: "/shared/x", destination: "/x", propagation: "rslave" },
          ],
          tmpfs: [{ destination: "/run", options: "size=64m,exec" }],
          devices: [{ pathOnHost: "/dev/fuse", pathInContainer: "/dev/fuse", permissions: "rw" }],
          resources: { memory: 64 << 20, cpuShares: 512, nanoCpus: 1.5e9, pidsLimit: 100, cpusetCpus: "0-1" },
          oomScoreAdj: 500,
        },
        { stdin: { isOpen: true, isOnce: true } },
      ),
    ),
  );
});

test("privileged container in the host's network and pid namespaces", () => {
  golden(
    "privileged",
    formatPlan(plan({ privileged: true, namespaces: { net: { kind: "host" }, pid: { kind: "host" } } })),
  );
});

test("joined namespaces, own cgroup namespace on v1", () => {
  const joined = plan(
    {
      namespaces: {
        net: { kind: "path", path: "/proc/7/ns/net" },
        ipc: { kind: "path", path: "/proc/7/ns/ipc" },
        cgroup: { kind: "private" },
      },
    },
    { sharedShm: "/proc/7/ns/mnt" },
  );
  golden("joined", formatPlan(joined));
});

const names = (p: ContainerPlan) => p.shim.ops.map((op) => formatOp(op).split(" ")[0] as string);

test("seccomp comes before the user without no-new-privileges, after it with", () => {
  const without = names(plan({}));
  assert.ok(without.indexOf("seccomp") < without.indexOf("credentials"));
  const with_ = names(plan({ securityOpts: ["no-new-privileges"] }));
  assert.ok(with_.indexOf("noNewPrivs") < with_.indexOf("credentials"));
  assert.ok(with_.indexOf("credentials") < with_.indexOf("seccomp"));
  assert.ok(!names(plan({ securityOpts: ["seccomp=unconfined"] })).includes("seccomp"));
});

test("barrier is the last thing before exec, masks come before the working directory", () => {
  const order = names(plan({ readonlyRootfs: true }, { hasBarrier: true }));
  assert.deepEqual(order.slice(-2), ["barrier", "exec"]);
  assert.ok(order.lastIndexOf("mask") < order.indexOf("pivot"));
  assert.ok(order.indexOf("pivot") < order.indexOf("chdir"));
  assert.ok(order.indexOf("chdir") < order.indexOf("rootReadonly"));
});

test("a bind over /dev keeps keel out of it", () => {
  const lines = plan({ binds: [{ source: "/dev", destination: "/dev" }] }).shim.ops.map(formatOp);
  assert.deepEqual(
    lines.filter((line) => /"\/dev\//.test(line)),
    [],
  );
});

test("shared volumes make the tree and the root shared, slave ones the tree a slave", () => {
  const propagations = (propagation: string) =>
    plan({ binds: [{ source: "/shared/x", destination: "/x", propagation }] })
      .shim.ops.map(formatOp)
      .filter((line) => line.startsWith("rootPropagation"));
  assert.deepEqual(propagations("rshared"), ["rootPropagation 0x100000", "rootPropagation 0x100000"]);
  assert.deepEqual(propagations("rslave"), ["rootPropagation 0x84000"]);
  assert.deepEqual(propagations("rprivate"), ["rootPropagation 0x44000"]);
});

test("a read-only tmpfs that holds other mounts becomes read-only after them", () => {
  const { spec } = generateSpec({ id: ID, args: ["x"], env: [] }, fakeSpecHost());
  spec.mounts = [
    { destination: "/a", type: "tmpfs", source: "tmpfs", options: ["ro"] },
    { destination: "/a/b", type: "tmpfs", source: "tmpfs", options: ["ro"] },
  ];
  const lines = planContainer({
    id: ID,
    spec,
    root: { kind: "dir", path: "/r" },
    rootTarget: "/t",
    stateDir: "/s",
    log: { kind: "none" },
  }).shim.ops.map(formatOp);
  assert.deepEqual(
    lines.filter((line) => line.includes('"/a')),
    ['mount "tmpfs" "tmpfs" "/a" 0 ""', 'mount "tmpfs" "tmpfs" "/a/b" 1 ""', 'mountAttributes "/a" 1 0 0'],
  );
});

test("planContainer refuses what cannot be carried out and names what it leaves out", () => {
  const base: PlanInput = {
    id: ID,
    spec: generateSpec({ id: ID, args: ["x"], env: [] }, fakeSpecHost()).spec,
    root: { kind: "dir", path: "/r" },
    rootTarget: "/t",
    stateDir: "/s",
    log: { kind: "none" },
  };
  const bad = (change: Partial<OciSpec>) => () =>
    planContainer({ ...base, spec: { ...base.spec, ...change } });
  const process = base.spec.process as NonNullable<OciSpec["process"]>;
  assert.throws(bad({ process: { ...process, args: [] } }), (e: Fault) => e.code === "container.no-command");
  assert.throws(bad({ process: { ...process, args: ["a\0b"] } }), Fault);
  assert.throws(bad({ mounts: [{ destination: "relative", type: "tmpfs" }] }), Fault);
  assert.throws(bad({ linux: { namespaces: [] } }), Fault);
  assert.throws(
    bad({ linux: { namespaces: [{ type: "mount", path: "/proc/1/ns/mnt" }] } }),
    (e: Fault) => e.kind === "notImplemented",
  );
  const linux = base.spec.linux as NonNullable<OciSpec["linux"]>;
  for (const more of [{ intelRdt: { closID: "x" } }, { netDevices: { eth1: {} } }])
    assert.throws(
      bad({ linux: { ...linux, ...more } }),
      (e: Fault) => e.code === "container.unsupported-field",
    );
  for (const kind of ["prestart", "createRuntime", "poststart", "poststop"] as const)
    assert.throws(
      () => planContainer({ ...base, spec: { ...base.spec, hooks: { [kind]: [{ path: "/x" }] } } }),
      (e: Fault) => e.code === "container.unsupported-field" && e.message.startsWith(`hooks.${kind} is not`),
    );
  const odd = planContainer({
    ...base,
    spec: { ...base.spec, linux: { ...linux, personality: { domain: "LINUX", flags: ["x"] } } },
  });
  assert.deepEqual(odd.warnings, [
    "linux.personality.flags is not supported: ignored",
    "mount /sys/fs/cgroup: the container has no cgroup of its own to be shown: ignored",
  ]);
});

test("planExec keeps the container's privileges and changes what is asked for", () => {
  const host = fakeSpecHost();
  const { spec } = generateSpec(
    { id: ID, args: ["x"], env: ["A=1", "B=2"], user: "app", cwd: "/srv", hostname: "web", groups: ["9"] },
    host,
  );
  const lines = (request: object) =>
    planExec(spec, { execId: "e1", args: ["id"], ...request }, host.boundingMask).ops.map(formatOp);
  const plain = lines({});
  assert.deepEqual(
    plain.map((line) => line.split(" ")[0]),
    ["oomScoreAdj", "cpuAffinity", "keyring", "umask", "chdir", "seccomp", "credentials", "exec"],
  );
  assert.ok(plain.includes('chdir "/srv" 0'));
  assert.match(plain.at(-2) as string, /^credentials "app" \["9"\] 0xa80425fb 0xa80425fb 0xa80425fb 0 0$/);
  const changed = lines({ env: ["B=3", "C=4"], user: "0", cwd: "/tmp", tty: true, isPrivileged: true });
  assert.ok(changed.includes('chdir "/tmp" 0'));
  assert.match(changed.at(-2) as string, /^credentials "0" \["9"\] 0x1ffffffffff /);
  assert.match(changed.at(-1) as string, /"TERM=xterm" "PATH=.*" "HOSTNAME=web" "A=1" "B=3" "C=4"\]$/);
  assert.throws(() => lines({ cwd: "tmp" }), /Cwd must be an absolute path/);
});

test("formatOp names operations and nests them", () => {
  assert.equal(formatOp(inner.mask("/proc/kcore")), 'mask "/proc/kcore"');
  assert.equal(formatOp([1, [2, "/x", 493, 0]]), 'onFailure [mkdir "/x" 493 0]');
  assert.equal(LEGACY_HOST.v1.length, 8);
});

test("parts of images and volumes are bound from aside, whole images are mounted in place", () => {
  const images = [
    { destination: "/whole", layers: ["/l/b", "/l/a"], options: "index=off" },
    { destination: "/part", layers: ["/l/a", "/l/.empty"], subpath: "etc/x" },
  ];
  const binds = [{ source: "/v/_data", destination: "/vol", subpath: "a/b", readonly: true }];
  const ops = plan({ images, binds }, { stageTarget: "/run/berth/stage" }).shim.ops;
  const lines = ops.map(formatOp).filter((line) => /\/(whole|part|vol|stage)\b/.test(line));
  assert.deepEqual(lines, [
    formatOp(inner.bind("/v/_data", "/vol", { recursive: true, attr: 1, attrRecursive: true, sub: "a/b" })),
    formatOp(inner.mount("overlay", "overlay", "/whole", 1, "lowerdir=/l/b:/l/a,index=off")),
    formatOp(inner.stage("overlay", "overlay", "/run/berth/stage", 1, "lowerdir=/l/a:/l/.empty")),
    formatOp(inner.bind("/run/berth/stage", "/part", { attr: 1, sub: "etc/x" })),
  ]);
});

const idMap = {
  uids: [{ inside: 0, outside: 100000, size: 65536 }],
  gids: [{ inside: 0, outside: 200000, size: 65536 }],
};

test("a user namespace is made first, mounts are made outside of it with the host's ids", () => {
  const tmpfs = [{ destination: "/scratch", options: "uid=1000,gid=50" }];
  const devices = [{ pathOnHost: "/dev/sda", pathInContainer: "/dev/sda", permissions: "r" }];
  const ulimits = [{ name: "nofile", soft: 100, hard: 200 }];
  const root: PlanInput["root"] = {
    kind: "overlay",
    layersDir: "/data/layers",
    lower: ["b", "a"],
    upper: "/data/up",
    work: "/data/work",
    idMapped: [{ path: "/data/layers", maps: idMapTexts(idMap) }],
  };
  golden("userns", formatPlan(plan({ idMap, tty: true, tmpfs, devices, ulimits }, { netns: 0, root })));
});

test("who has no rights outside does everything inside, and lets programs write the map", () => {
  const made = plan({ idMap }, { hasRightsOutside: false, idTools: { uid: "/u", gid: "/g" } });
  assert.equal(made.shim.outside, null);
  assert.match(formatOp(made.hostOps[0] as Op), /^usernsNew 30 .*"\/u" "\/g"$/);
  assert.equal(formatOp(made.shim.ops[1] as Op).split(" ")[0], "rootOverlay");
});

test("a user namespace that is joined is not made", () => {
  const joined = plan({ idMap, namespaces: { user: { kind: "path", path: "/proc/7/ns/user" } } });
  assert.equal(
    joined.hostOps.some((op) => formatOp(op).startsWith("usernsNew")),
    false,
  );
  assert.deepEqual(joined.shim.joins, [{ type: 0x10000000, path: "/proc/7/ns/user" }]);
});

function specOf(change: Partial<OciSpec>, linux: Partial<NonNullable<OciSpec["linux"]>>): PlanInput {
  return {
    id: ID,
    spec: {
      ociVersion: "1.2.0",
      process: { args: ["x"], cwd: "/", user: { uid: 0, gid: 0 } },
      ...change,
      linux: { namespaces: [{ type: "mount" }], ...linux },
    },
    root: { kind: "dir", path: "/r" },
    rootTarget: "/t",
    stateDir: "/s",
    log: { kind: "none" },
  };
}

test("ids that overflow, and maps without a namespace, are refused", () => {
  const user = { namespaces: [{ type: "mount" as const }, { type: "user" as const }] };
  const good = { containerID: 0, hostID: 1000, size: 10 };
  const bad: Partial<NonNullable<OciSpec["linux"]>>[] = [
    { uidMappings: [good], gidMappings: [good] },
    { ...user },
    { ...user, uidMappings: [good] },
    { ...user, uidMappings: [good], gidMappings: [{ ...good, size: 2 ** 32 }] },
    { ...user, uidMappings: [{ ...good, hostID: 2 ** 32 - 5 }], gidMappings: [good] },
    { ...user, uidMappings: [{ ...good, hostID: -1 }], gidMappings: [good] },
    { ...user, uidMappings: [{ ...good, containerID: 1 }], gidMappings: [good] },
  ];
  for (const linux of bad)
    assert.throws(
      () => planContainer(specOf({}, linux)),
      (e) => e instanceof Fault && e.kind === "invalidParameter",
    );
});

test("id-mapped mounts: by mappings of their own, or by the container's", () => {
  const own = [{ containerID: 5, hostID: 9, size: 1 }];
  const bind = { destination: "/m", type: "bind", source: "/h" };
  const opOf = (input: PlanInput): string =>
    planContainer(input)
      .shim.ops.concat(planContainer(input).shim.outside?.ops ?? [])
      .map(formatOp)
      .find((text) => text.startsWith("bind")) ?? "";
  const withOwn = { ...bind, options: ["bind", "ridmap"], uidMappings: own, gidMappings: own };
  assert.match(opOf(specOf({ mounts: [withOwn] }, {})), /"5 9 1\\n" "5 9 1\\n" 1 0 0$/);
  const mappings = {
    uidMappings: [{ containerID: 0, hostID: 7, size: 2 }],
    gidMappings: [{ containerID: 0, hostID: 8, size: 2 }],
  };
  const user = { namespaces: [{ type: "mount" as const }, { type: "user" as const }], ...mappings };
  const withOption = { ...bind, options: ["bind", "idmap"] };
  assert.match(opOf(specOf({ mounts: [withOption] }, user)), /"0 7 2\\n" "0 8 2\\n" 0 0 0$/);
  assert.throws(() => opOf(specOf({ mounts: [withOption] }, {})), /there are no mappings/);
  const tmpfs = { destination: "/m", type: "tmpfs", options: ["idmap"] };
  assert.throws(() => opOf(specOf({ mounts: [tmpfs] }, user)), /only supported for bind-mounts/);
});
