import assert from "node:assert/strict";
import { test } from "node:test";
import { MS } from "../../linux/mount-flags.ts";
import { host } from "../../linux/ops.ts";
import { checkOptions, describeMount, mountOf, mountOps, needsMount } from "./options.ts";

test("checkOptions wants type and device together and knows no others", () => {
  checkOptions({});
  checkOptions({ type: "nfs", o: "addr=1.2.3.4", device: ":/x" });
  const refused: [Record<string, string>, string][] = [
    [{ colour: "red" }, 'invalid option: "colour"'],
    [{ type: "nfs" }, 'missing required option: "device"'],
    [{ device: "x" }, 'missing required option: "type"'],
    [{ o: "ro" }, 'missing required option: "device"'],
    [
      { size: "1g", type: "tmpfs", device: "tmpfs" },
      'the option "size" is for volumes without a type: what limits a mount is in "o"',
    ],
    [{ size: "zz" }, "invalid size: 'zz'"],
    [{ type: "cifs", device: "//h:1/s" }, "port not allowed in CIFS device URL, include 'port' in 'o='"],
  ];
  for (const [options, message] of refused) assert.throws(() => checkOptions(options), { message });
});

test("needsMount tells plain directories from the rest", () => {
  assert.equal(needsMount(null), false);
  assert.equal(needsMount({}), false);
  assert.equal(needsMount({ type: "none", device: "/x", o: "bind" }), true);
});

test("mountOf sorts options into flags, propagation and data", async () => {
  const mount = await mountOf({ type: "tmpfs", device: "tmpfs", o: "ro,size=1m,uid=1000,rslave" });
  assert.deepEqual(mount, {
    fstype: "tmpfs",
    source: "tmpfs",
    flags: MS.RDONLY,
    data: "size=1m,uid=1000",
    propagation: MS.SLAVE | MS.REC,
  });
});

test("mountOf looks up servers by name, in addr= and in the address of a share", async () => {
  const nfs = await mountOf({ type: "nfs", device: ":/x", o: "addr=localhost,rw" });
  assert.match(nfs.data, /^addr=(127\.0\.0\.1|::1)$/);
  const cifs = await mountOf({ type: "cifs", device: "//localhost/share", o: "username=u" });
  assert.match(cifs.source, /^\/\/(127\.0\.0\.1|::1)\/share$/);
  await assert.rejects(
    mountOf({ type: "nfs", device: ":/x", o: "addr=no-such-host.invalid" }),
    /error resolving passed in network volume address/,
  );
});

test("mountOps makes a read-only bind in two steps", () => {
  const bind = { fstype: "none", source: "/src", flags: MS.BIND | MS.RDONLY, data: "", propagation: 0 };
  assert.deepEqual(mountOps(bind, "/at"), [
    host.mount("none", "/src", "/at", MS.BIND | MS.RDONLY, ""),
    host.mount("", "", "/at", MS.BIND | MS.RDONLY | MS.REMOUNT),
  ]);
});

test("describeMount hides a password", () => {
  const mount = {
    fstype: "cifs",
    source: "//h/s",
    flags: 0,
    data: "username=u,password=secret",
    propagation: 0,
  };
  assert.equal(describeMount(mount, "/at"), "mount //h/s:/at, data: username=u,password=********");
});
