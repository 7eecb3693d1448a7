// Which operations a read-only socket and a scope of labels let through: decided for every operation there is.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ALL_OPERATIONS } from "../../api/operations/all.ts";
import { checkHostConfig } from "./host-config.ts";
import { LabelScope, type ScopeWorld, type Subject } from "./label-scope.ts";
import { isRead } from "./policy.ts";

const OURS = { team: "ci" };
const subjects = new Map<string, Subject>([
  ["mine", { id: "1", labels: { team: "ci", more: "x" } }],
  ["other", { id: "2", labels: { team: "ops" } }],
  ["bare", { id: "3", labels: null }],
]);
const world: ScopeWorld = {
  container: (ref) => subjects.get(ref),
  image: (ref) => subjects.get(ref),
  network: (ref) => {
    const found = subjects.get(ref);
    return found === undefined ? undefined : { ...found, name: ref };
  },
  volume: (ref) => subjects.get(ref),
  execContainer: (id) => (id === "e1" ? "mine" : id === "e2" ? "other" : undefined),
};
const scope = (...allow: ("binds" | "privileged" | "images")[]) => new LabelScope(OURS, allow, world);

test("what a read-only socket does is known by name", () => {
  const writes = ALL_OPERATIONS.filter((o) => !isRead(o, {})).filter((o) => o.method === "GET");
  assert.deepEqual(
    writes.map((o) => o.name),
    ["ContainerAttachWebsocket"],
  );
  const reads = ALL_OPERATIONS.filter((o) => isRead(o, {}) && o.method !== "GET" && o.method !== "HEAD");
  assert.deepEqual(
    reads.map((o) => o.name),
    ["ContainerWait"],
  );
  const pausing = ALL_OPERATIONS.find((o) => o.name === "VolumeExport");
  assert.equal(pausing && isRead(pausing, { pause: true }), false);
  const looking = ALL_OPERATIONS.find((o) => o.name === "ContainerCheckpoints");
  assert.equal(looking && isRead(looking, { dir: "/etc" }), false);
});

test("operations without a rule are refused in a scope", () => {
  for (const name of [
    "SystemDataUsage",
    "BuildControl",
    "Session",
    "KeptRestore",
    "DiskFacts",
    "VolumeClone",
    "Nonsense",
  ])
    assert.throws(() => scope().narrow(name, {}), { kind: "forbidden" }, name);
});

test("every operation that names an object refuses one outside of the scope", () => {
  for (const { name, path } of ALL_OPERATIONS) {
    const parameter = /\{(\w+)\}/.exec(path)?.[1];
    if (parameter === undefined) continue;
    for (const reference of ["other", "bare", "bridge", "e2"])
      assert.throws(
        () => scope("binds", "privileged").narrow(name, { [parameter]: reference }),
        `${name} ${reference}`,
      );
  }
});

test("references become ids, lists get a filter, what is made gets the labels", () => {
  const stop = { id: "mine" };
  scope().narrow("ContainerStop", stop);
  assert.deepEqual(stop, { id: "1" });
  const list = { filters: { label: ["a"] } };
  scope().narrow("ContainerList", list);
  assert.deepEqual(list.filters, { label: ["a", "team=ci"] });
  const create = { body: { Image: "mine", Labels: { team: "ops", mine: "1" } } };
  scope().narrow("ContainerCreate", create);
  assert.deepEqual(create.body.Labels, { team: "ci", mine: "1" });
  const commit = { container: "mine", changes: ["CMD x"] };
  scope().narrow("ImageCommit", commit);
  assert.deepEqual(commit.changes, ["CMD x", 'LABEL "team"="ci"']);
});

test("a directory of checkpoints is a bind of the host's", () => {
  const start = () => ({ id: "mine", checkpoint: "it", checkpointDir: "/x" });
  assert.throws(() => scope().narrow("ContainerStart", start()), { kind: "forbidden" });
  assert.doesNotThrow(() => scope("binds").narrow("ContainerStart", start()));
  assert.doesNotThrow(() => scope().narrow("ContainerStart", { id: "mine", checkpoint: "it" }));
  const body = { CheckpointID: "it", CheckpointDir: "/x" };
  assert.throws(() => scope().narrow("ContainerCheckpoint", { id: "mine", body }), { kind: "forbidden" });
  assert.throws(() => scope().narrow("ContainerCheckpoints", { id: "mine", dir: "/x" }), {
    kind: "forbidden",
  });
});

test("what is set of HostConfig is refused unless it is known to be harmless", () => {
  const refused = (config: object, ...allow: ("binds" | "privileged")[]): boolean => {
    try {
      checkHostConfig(config as Record<string, unknown>, scope(...allow));
      return false;
    } catch {
      return true;
    }
  };
  assert.equal(
    refused({ Memory: 1, Privileged: false, CapAdd: [], MaskedPaths: null, NetworkMode: "default" }),
    false,
  );
  for (const config of [
    { Privileged: true },
    { MaskedPaths: [] },
    { ReadonlyPaths: [] },
    { SomethingNew: "x" },
    { OomKillDisable: true },
    { OomScoreAdj: -1000 },
    { Runtime: "runc" },
    { NetworkMode: "container:other" },
    { NetworkMode: "other" },
    { Binds: ["other:/x"] },
    { Binds: ["new:/x"] },
    { Mounts: [{ Type: "npipe" }] },
    { Mounts: [{ Type: "image", Source: "other" }] },
    { SecurityOpt: ["no-new-privileges", "apparmor=unconfined"] },
  ])
    assert.equal(refused(config), true, JSON.stringify(config));
  assert.equal(refused({ Binds: ["/x:/x"] }), true);
  assert.equal(refused({ Binds: ["/x:/x"] }, "binds"), false);
  assert.equal(refused({ Binds: ["mine:/x", "/anonymous"] }), false);
  assert.equal(refused({ CapAdd: ["ALL"] }, "privileged"), false);
});
