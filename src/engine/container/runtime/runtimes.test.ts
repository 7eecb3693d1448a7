import assert from "node:assert/strict";
import { test } from "node:test";
import { Runtimes, type RuntimeSettings } from "./runtimes.ts";

const settings: RuntimeSettings = {
  configured: { fast: { path: "crun", runtimeArgs: ["--debug"] }, odd: { path: "/opt/odd" } },
  defaultName: "",
  ownCommand: ["/bin/berth", "runtime"],
  find: (name) => (name === "crun" ? "/usr/bin/crun" : undefined),
};
const of = (more: Partial<RuntimeSettings> = {}) => new Runtimes({ ...settings, ...more });

test("who asks for nothing, or for our own by name, gets our own", () => {
  for (const wish of ["", undefined, null, "berth", "io.containerd.runc.v2"])
    assert.equal(of().choose(wish), null);
  assert.equal(of().defaultName, "runc");
});

test("a name that is said is taken at its word", () => {
  assert.deepEqual(of().choose("fast"), { name: "fast", command: ["/usr/bin/crun", "--debug"] });
  assert.deepEqual(of().choose("odd"), { name: "odd", command: ["/opt/odd"] });
  assert.deepEqual(of().choose("crun"), { name: "crun", command: ["/usr/bin/crun"] });
  assert.deepEqual(of().choose("/x/rt"), { name: "/x/rt", command: ["/x/rt"] });
  assert.deepEqual(of({ find: () => "/sbin/runc" }).choose("runc")?.command, ["/sbin/runc"]);
  assert.deepEqual(
    of({ configured: { gone: { path: "gone" } } }).choose("gone")?.command,
    ["gone"],
    "fails at the start",
  );
});

test("without runc its name means our own; any other unknown name is refused", () => {
  assert.equal(of().choose("runc"), null);
  for (const name of ["nosuch", "__proto__", "toString", "./rel"])
    assert.throws(() => of().choose(name), {
      kind: "invalidParameter",
      message: `unknown or invalid runtime name: ${name}`,
    });
  assert.throws(() => of({ find: () => undefined }).choose("crun"), /unknown or invalid runtime name: crun/);
});

test("a configured default is what containers get that ask for none, and what is shown", () => {
  const runtimes = of({ defaultName: "fast" });
  assert.equal(runtimes.defaultName, "fast");
  assert.equal(runtimes.choose("")?.name, "fast");
  assert.equal(runtimes.choose("berth"), null);
  assert.deepEqual(runtimes.all, {
    berth: { path: "keel" },
    crun: { path: "/usr/bin/crun" },
    fast: { path: "crun", runtimeArgs: ["--debug"] },
    "io.containerd.runc.v2": { path: "keel" },
    odd: { path: "/opt/odd" },
    runc: { path: "keel" },
  });
});
