import assert from "node:assert/strict";
import { test } from "node:test";
import { mountsOf } from "./mounts.ts";

const binds = (...Binds: string[]) => mountsOf({ Binds }).binds;

test("mountsOf reads -v in its bind forms", () => {
  assert.deepEqual(binds("/a:/b"), [{ source: "/a", destination: "/b", createsSource: true, mode: "" }]);
  assert.deepEqual(binds("/a:/b/:ro,rslave,z"), [
    {
      source: "/a",
      destination: "/b",
      createsSource: true,
      mode: "ro,rslave,z",
      readonly: true,
      propagation: "rslave",
    },
  ]);
});

test("mountsOf refuses what Docker refuses and what is not there yet", () => {
  for (const bad of ["/a", "/a:b", "/a:/", "/a:/b:wild", "/a:/b:ro:x", ":/b", "/a:/x/../.."])
    assert.throws(() => binds(bad), { name: "Fault", kind: "invalidParameter" }, bad);
  assert.throws(() => binds("data:/b"), { kind: "notImplemented" });
  assert.throws(() => binds("/a:/b", "/c:/b"), /Duplicate mount point: \/b/);
});

test("mountsOf reads --mount and --tmpfs", () => {
  const wishes = mountsOf({
    Binds: null,
    Mounts: [
      { Type: "bind", Source: "/a", Target: "/b", ReadOnly: true },
      { Type: "tmpfs", Target: "/t", TmpfsOptions: { SizeBytes: 1024, Mode: 0o700 } },
    ],
    Tmpfs: { "/u": "size=1m" },
  });
  assert.deepEqual(wishes.binds, [
    { source: "/a", destination: "/b", createsSource: false, mode: "", readonly: true },
  ]);
  assert.deepEqual(wishes.tmpfs, [
    { destination: "/t", options: "size=1024,mode=700" },
    { destination: "/u", options: "size=1m" },
  ]);
});
