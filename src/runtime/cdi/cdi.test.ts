import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Fault } from "../../lib/errors.ts";
import type { HostDevice } from "../spec/host.ts";
import type { OciSpec } from "../spec/oci.ts";
import { withCdiDevices } from "./inject.ts";
import { loadCdiDevices } from "./load.ts";
import { isQualifiedName } from "./names.ts";
import { parseCdiSpec } from "./spec.ts";

const NODE: HostDevice = { path: "/dev/x", type: "c", major: 1, minor: 3, fileMode: 0o666, uid: 0, gid: 0 };
const HOST = {
  deviceAt: (path: string) =>
    path === "/dev/x" ? NODE : path === "/dev" ? ("directory" as const) : undefined,
};
const SPEC: OciSpec = {
  ociVersion: "1.2.0",
  process: { user: { uid: 7, gid: 0 }, cwd: "/", env: ["A=1", "B=2"] },
  mounts: [{ destination: "/proc" }, { destination: "/a/b/c" }, { destination: "/own" }],
  linux: { devices: [], resources: { devices: [{ allow: false }] } },
};

let dir = "";
before(async () => {
  dir = await mkdtemp(join(tmpdir(), "berth-cdi-"));
});
after(() => rm(dir, { recursive: true, force: true }));

const minimal = (kind: string, ...names: string[]) => ({
  cdiVersion: "0.6.0",
  kind,
  devices: names.map((name) => ({ name, containerEdits: { env: [`DEVICE=${name}`] } })),
});

async function dirOf(name: string, files: Readonly<Record<string, string>>): Promise<string> {
  const path = join(dir, name);
  await mkdir(path);
  for (const [file, text] of Object.entries(files)) await writeFile(join(path, file), text);
  return path;
}

test("names of devices", () => {
  for (const good of ["vendor.com/class=x", "v/c=0", "nvidia.com/gpu=GPU-12:3", "a_b/c-d=1.2"])
    assert.equal(isQualifiedName(good), true, good);
  for (const bad of ["", "/dev/x", "v/c", "v/c=", "v/c=a=b", "1v/c=a", "v./c=a", "v/c/d=a", "v/c=-", "v/c=*"])
    assert.equal(isQualifiedName(bad), false, bad);
});

test("devices of several files and directories: later directories count, what two files claim is nobody's", async () => {
  const low = await dirOf("low", {
    "a.json": JSON.stringify(minimal("v.com/c", "one", "two")),
    "b.yaml":
      'cdiVersion: 0.6.0\nkind: v.com/y\nannotations: {k: file, l: file}\ndevices:\n- name: "0"\n  annotations: {k: own}\n  containerEdits: {env: [A=1]}\n',
    "c.txt": "nothing",
  });
  const high = await dirOf("high", {
    "a.json": JSON.stringify({ ...minimal("v.com/c", "two"), containerEdits: { env: ["HIGH=1"] } }),
    "b.json": JSON.stringify(minimal("v.com/d", "same")),
    "c.json": JSON.stringify(minimal("v.com/d", "same")),
    "d.json": "{",
    "e.json": JSON.stringify({ ...minimal("v.com/e", "x"), cdiVersion: "9.0.0" }),
  });
  const { devices, problems } = await loadCdiDevices([low, join(dir, "missing"), high]);
  assert.deepEqual([...devices.keys()], ["v.com/c=one", "v.com/c=two", "v.com/y=0"]);
  assert.deepEqual(devices.get("v.com/c=two")?.shared, { env: ["HIGH=1"] });
  assert.deepEqual(devices.get("v.com/y=0")?.annotations, { k: "own", l: "file" });
  assert.deepEqual(
    problems.map(({ path, why }) => `${path.slice(high.length + 1)} ${why}`.slice(0, 40)),
    [
      'c.json conflicting device "v.com/d=same"',
      ...problems.slice(1, 2).map(({ why }) => `d.json ${why}`.slice(0, 40)),
      'e.json cdiVersion: "9.0.0" is not known',
    ],
  );
  assert.match(problems[1]?.path ?? "", /d\.json$/);
});

test("a specification with anything that is not known, or not of its form, is refused by the field's name", () => {
  const refused = (edits: object, why: RegExp) =>
    assert.throws(
      () => parseCdiSpec({ ...minimal("v/c"), containerEdits: edits }),
      (e: unknown) => e instanceof Fault && e.code === "cdi.invalid" && why.test(e.message),
    );
  refused({ deviceNode: [] }, /^containerEdits\.deviceNode: it is not known/);
  refused({ deviceNodes: [{}] }, /^containerEdits\.deviceNodes\[0\]\.path: it is missing/);
  refused({ deviceNodes: [{ path: "/x", permissions: "x" }] }, /invalid permissions "x"/);
  refused({ deviceNodes: [{ path: "/x", major: -1 }] }, /out of range/);
  refused({ deviceNodes: [{ path: "dev/x" }] }, /not an absolute path/);
  refused({ env: ["=1"] }, /invalid environment variable "=1"/);
  refused({ hooks: [{ hookName: "later", path: "/x" }] }, /hookName: "later" is not known/);
  refused({ mounts: [{ hostPath: "/x" }] }, /containerPath: it is missing/);
  const whole = (spec: object, why: RegExp) => assert.throws(() => parseCdiSpec(spec), why);
  whole({ ...minimal("v"), kind: "v" }, /kind: "v" is not of the form vendor\/class/);
  whole(minimal("v/c", "a", "a"), /there are two devices "a"/);
  whole(minimal("v/c", "-"), /invalid device name "-"/);
  whole({ kind: "v/c", devices: [] }, /cdiVersion: it is missing/);
});

test("edits of files come before those of their devices, once, and replace what is there", () => {
  const shared = { env: ["A=shared", "C=3"], additionalGids: [0, 44] };
  const devices = new Map(
    ["one", "two"].map((name) => {
      const id = `v/c=${name}`;
      const edits = {
        env: [`A=${name}`],
        deviceNodes: [
          { path: `/dev/${name}`, hostPath: "/dev/x", permissions: name === "one" ? "r" : "none" },
        ],
        mounts: [
          { hostPath: "/src", containerPath: name === "one" ? "/own" : "/a", options: ["ro", "bind"] },
        ],
        hooks: [{ hookName: "createContainer" as const, path: `/${name}` }],
      };
      return [id, { id, annotations: {}, edits, shared }];
    }),
  );
  const spec = withCdiDevices(SPEC, ["v/c=one", "v/c=two"], { devices, problems: [] }, HOST);
  assert.deepEqual(spec.process?.env, ["A=two", "B=2", "C=3"]);
  assert.deepEqual(spec.process?.user.additionalGids, [44]);
  const node = { type: "c", major: 1, minor: 3, uid: 7 };
  assert.deepEqual(spec.linux?.devices, [
    { path: "/dev/one", ...node },
    { path: "/dev/two", ...node },
  ]);
  assert.deepEqual(spec.linux?.resources?.devices, [
    { allow: false },
    { allow: true, type: "c", major: 1, minor: 3, access: "r" },
  ]);
  assert.deepEqual(
    spec.mounts?.map((m) => m.destination),
    ["/proc", "/own", "/a", "/a/b/c"],
  );
  assert.deepEqual(
    spec.hooks?.createContainer?.map((h) => h.path),
    ["/one", "/two"],
  );
  assert.deepEqual(SPEC.process?.env, ["A=1", "B=2"], "the given one is left alone");
});

test("what is not there is told with what is wrong with the files", () => {
  const problems = [{ path: "/etc/cdi/x.json", why: "kind: it is missing" }];
  assert.throws(
    () => withCdiDevices(SPEC, ["v/c=a", "v/c=b"], { devices: new Map(), problems }, HOST),
    /^Fault: CDI device injection failed: unresolvable CDI devices v\/c=a, v\/c=b \(\/etc\/cdi\/x\.json: kind: it is missing\)$/,
  );
  const node = (deviceNode: object) => () => {
    const edits = parseCdiSpec({ ...minimal("v/c"), containerEdits: { deviceNodes: [deviceNode] } });
    const device = { id: "v/c=a", annotations: {}, edits: edits.containerEdits ?? {}, shared: undefined };
    withCdiDevices(SPEC, ["v/c=a"], { devices: new Map([["v/c=a", device]]), problems: [] }, HOST);
  };
  assert.throws(node({ path: "/dev/none" }), /\/dev\/none is not a device of this host/);
  assert.throws(node({ path: "/dev" }), /\/dev is not a device of this host/);
  assert.throws(node({ path: "/dev/x", type: "b" }), /is of type c on this host, not b/);
  assert.doesNotThrow(node({ path: "/dev/none", type: "c", major: 5, minor: 1 }), "the file says it all");
  assert.doesNotThrow(node({ path: "/run/fifo", type: "p" }));
});
