// Over directories that look like resctrl's. The kernel makes the files of a group with it; here a group has none, or those of the test.
import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { findResctrl } from "../../linux/procfs/mountinfo.ts";
import { makeResctrlGroup, removeResctrlGroup, updateSchemata } from "./group.ts";

let root = "";
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "berth-resctrl-"));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function makeClass(name: string, schemata: string): string {
  const dir = join(root, name);
  mkdirSync(join(dir, "mon_groups"), { recursive: true });
  writeFileSync(join(dir, "schemata"), schemata);
  return dir;
}

const schemataOf = (name: string) => readFileSync(join(root, name, "schemata"), "utf8");

test("without a class the container has one of its own, which goes with it", () => {
  const group = makeResctrlGroup({}, "box", root);
  assert.deepEqual(group, { join: [join(root, "box")], remove: [join(root, "box")] });
  removeResctrlGroup(group);
  removeResctrlGroup(group);
  assert.ok(!existsSync(join(root, "box")));
});

test("a group of this name that was there already is used, and stays", () => {
  const dir = makeClass("box", "");
  assert.deepEqual(makeResctrlGroup({ schemata: ["L3:0=f"] }, "box", root), { join: [dir], remove: [] });
  assert.equal(schemataOf("box"), "L3:0=f\n");
});

test("a class has to be there unless its schemata are given, and stays in any case", () => {
  assert.throws(() => makeResctrlGroup({ closID: "gold" }, "box", root), /group .*\/gold is not there/);
  assert.ok(!existsSync(join(root, "gold")));
  const dir = makeClass("gold", "L3:0=7ff\n");
  assert.deepEqual(makeResctrlGroup({ closID: "gold" }, "box", root), { join: [dir], remove: [] });
  assert.equal(schemataOf("gold"), "L3:0=7ff\n");
  assert.deepEqual(makeResctrlGroup({ closID: "/" }, "box", root).join, [`${root}/`]);
});

test("the lines are written in their order, the cache first and the list last", () => {
  makeClass("box", "");
  const rdt = { schemata: ["L2:0=f", "MB:1=20"], memBwSchema: "MB:0=70", l3CacheSchema: "L3:0=7f0" };
  makeResctrlGroup(rdt, "box", root);
  assert.equal(schemataOf("box"), "L3:0=7f0\nMB:0=70\nL2:0=f\nMB:1=20\n");
});

test("the shares of a class that is there have to be those of the configuration", () => {
  makeClass("gold", "    MB:0= 20;1= 70\n    L3:0=007f0;1=0001f\n");
  const same = { closID: "gold", l3CacheSchema: "L3:1=1f;0=7F0", memBwSchema: "MB:0=20" };
  assert.equal(makeResctrlGroup(same, "box", root).remove.length, 0);
  makeClass("silver", "L3:0=7f0\n");
  const other = { closID: "silver", l3CacheSchema: "L3:0=ff" };
  assert.throws(() => makeResctrlGroup(other, "box", root), /has other shares than L3:0=ff: L3:0 is 7f0/);
  assert.equal(schemataOf("silver"), "L3:0=7f0\n");
});

test("a monitored container has a group in its class, which alone is removed", () => {
  const dir = makeClass("gold", "");
  const monitored = join(dir, "mon_groups/box");
  const group = makeResctrlGroup({ closID: "gold", enableMonitoring: true }, "box", root);
  assert.deepEqual(group, { join: [dir, monitored], remove: [monitored] });
  assert.ok(existsSync(monitored));
  removeResctrlGroup(group);
  assert.ok(existsSync(dir) && !existsSync(monitored));
});

test("what the kernel refuses is told in its words, and nothing is left", () => {
  mkdirSync(join(root, "info"));
  writeFileSync(join(root, "info/last_cmd_status"), "Mask out of range\n");
  // a directory of the test's has no schemata to be written
  assert.throws(
    () => makeResctrlGroup({ l3CacheSchema: "L3:0=fffff" }, "box", root),
    /cannot write "L3:0=fffff" to .*\/box\/schemata: ENOENT: Mask out of range/,
  );
  assert.ok(!existsSync(join(root, "box")));
});

test("update gives the group other shares; a container without one has none to change", () => {
  const dir = makeClass("box", "L3:0=f\n");
  updateSchemata({ join: [dir], remove: [] }, { memBwSchema: "MB:0=50" }, root);
  assert.equal(schemataOf("box"), "MB:0=50\n");
  assert.throws(() => updateSchemata(undefined, { memBwSchema: "MB:0=50" }, root), /made without intelRdt/);
});

test("resctrl is where it is mounted", () => {
  const line = "31 23 0:27 / /mnt/rdt rw,relatime - resctrl resctrl rw\n";
  assert.equal(findResctrl(`30 23 0:26 / /sys rw - sysfs sysfs rw\n${line}`), "/mnt/rdt");
  assert.equal(findResctrl(""), undefined);
});
