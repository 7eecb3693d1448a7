import assert from "node:assert/strict";
import { test } from "node:test";
import type { MountRequest } from "../../../api/schemas/host-config.ts";
import { isMode, parseBind, parseMount, parseTmpfs, parseVolumesFrom } from "./parse.ts";
import { adaptHostConfig } from "../host-config/version.ts";

const refuses = (read: () => unknown, message: string): void =>
  assert.throws(read, { name: "Fault", kind: "invalidParameter", message });

test("parseBind reads every form of -v", () => {
  const seen = (text: string, driver = "") => {
    const w = parseBind(text, driver);
    return [w.type, w.source, w.destination, w.isReadonly, w.propagation, w.hasNoCopy, w.driver];
  };
  assert.deepEqual(seen("/a:/b"), ["bind", "/a", "/b", false, "", false, ""]);
  assert.deepEqual(seen("/a/../c//d/:/b/"), ["bind", "/c/d", "/b", false, "", false, ""]);
  assert.deepEqual(seen("/a:/b:ro,rslave,z,cached"), ["bind", "/a", "/b", true, "rslave", false, ""]);
  assert.deepEqual(seen("data:/b:nocopy,rw", "plug"), ["volume", "data", "/b", false, "", true, "plug"]);
  assert.deepEqual(seen("/b"), ["volume", "", "/b", false, "", false, ""]);
});

test("parseBind refuses in Docker's words", () => {
  const bind = (text: string) => () => parseBind(text, "");
  refuses(bind(":/b"), "invalid volume specification: ':/b'");
  refuses(bind("/a:/b:ro:x"), "invalid volume specification: '/a:/b:ro:x'");
  refuses(bind("/a:ro"), "invalid volume specification: '/a:ro'");
  refuses(bind("x:/y:zz"), "invalid mode: zz");
  refuses(bind("x:/y:ro,rw"), "invalid mode: ro,rw");
  refuses(
    bind("/x:/"),
    `invalid volume specification: '/x:/': invalid mount config for type "bind": invalid specification: destination can't be '/'`,
  );
  refuses(
    bind("/x:y"),
    `invalid volume specification: '/x:y': invalid mount config for type "bind": invalid mount path: 'y' mount path must be absolute`,
  );
  refuses(
    bind("q:/x:shared"),
    `invalid volume specification: 'q:/x:shared': invalid mount config for type "volume": field BindOptions must not be specified`,
  );
  refuses(
    bind("/q:/x:nocopy"),
    `invalid volume specification: '/q:/x:nocopy': invalid mount config for type "bind": field VolumeOptions must not be specified`,
  );
});

test("isMode takes at most one word of each kind", () => {
  for (const mode of ["", "ro", "rw,Z", "ro,z,rshared,nocopy,delegated"]) assert.ok(isMode(mode), mode);
  for (const mode of ["ro,ro", "z,Z", "private,slave", "wild", ",", "ro,"]) assert.ok(!isMode(mode), mode);
});

test("parseMount reads every option of the API's mounts", () => {
  const bind = parseMount({
    Type: "bind",
    Source: "/a/",
    Target: "/b",
    ReadOnly: true,
    BindOptions: { Propagation: "rprivate", NonRecursive: true, CreateMountpoint: true },
  });
  assert.deepEqual(
    [bind.source, bind.isReadonly, bind.propagation, bind.isNonRecursive, bind.createsSource],
    ["/a", true, "rprivate", true, true],
  );
  const volume = parseMount({
    Type: "volume",
    Source: "v",
    Target: "/b",
    VolumeOptions: {
      NoCopy: true,
      Subpath: "a/b",
      Labels: { k: "v" },
      DriverConfig: { Name: "d", Options: { o: "p" } },
    },
  });
  assert.deepEqual(
    [volume.hasNoCopy, volume.subpath, volume.labels, volume.driver, volume.driverOptions],
    [true, "a/b", { k: "v" }, "d", { o: "p" }],
  );
  const tmpfs = parseMount({
    Type: "tmpfs",
    Target: "/t",
    ReadOnly: true,
    TmpfsOptions: { SizeBytes: 1 << 20, Mode: 0o1770, Options: [["exec"]] },
  });
  assert.equal(tmpfs.tmpfsOptions, "ro,mode=1770,size=1048576,exec");
  const image = parseMount({
    Type: "image",
    Source: "busybox",
    Target: "/i",
    ImageOptions: { Subpath: "etc" },
  });
  assert.deepEqual([image.isReadonly, image.subpath, image.source], [true, "etc", "busybox"]);
});

test("parseMount refuses in Docker's words", () => {
  const why = (m: MountRequest, message: string) =>
    refuses(() => parseMount(m), `invalid mount config for type ${JSON.stringify(m.Type)}: ${message}`);
  why({ Type: "bind", Target: "/x" }, "field Source must not be empty");
  why({ Type: "bind", Source: "/a" }, "field Target must not be empty");
  why({ Type: "bind", Source: "rel", Target: "/x" }, "invalid mount path: 'rel' mount path must be absolute");
  why(
    { Type: "bind", Source: "/a", Target: "/x", BindOptions: { Propagation: "foo" } },
    "invalid propagation mode: foo",
  );
  why(
    { Type: "volume", Source: "v", Target: "rel" },
    "invalid mount path: 'rel' mount path must be absolute",
  );
  why(
    { Type: "volume", Target: "/x", VolumeOptions: { Subpath: "a" } },
    "must not set Subpath when using anonymous volumes",
  );
  for (const Subpath of ["/abs", "..", "a/../../b"])
    why(
      { Type: "volume", Source: "v", Target: "/x", VolumeOptions: { Subpath } },
      "subpath must be a relative path within the volume",
    );
  why({ Type: "tmpfs", Source: "/a", Target: "/x" }, "field Source must not be specified");
  why({ Type: "tmpfs", Target: "/x", TmpfsOptions: { Options: [["size"]] } }, "invalid option: size");
  why({ Type: "tmpfs", Target: "/x", BindOptions: {} }, "field BindOptions must not be specified");
  why({ Type: "image", Target: "/x" }, "field Source must not be empty");
  why({ Type: "cluster", Source: "c", Target: "/x" }, "mount type unknown");
  refuses(
    () =>
      parseMount({ Type: "bind", Source: "/a", Target: "/b", BindOptions: { ReadOnlyForceRecursive: true } }),
    "mount options conflict: !ReadOnly && BindOptions.ReadOnlyForceRecursive",
  );
});

test("parseVolumesFrom and parseTmpfs", () => {
  assert.deepEqual(parseVolumesFrom("c"), { container: "c", isReadonly: false });
  assert.deepEqual(parseVolumesFrom("c:ro,z"), { container: "c", isReadonly: true });
  for (const mode of ["nocopy", "shared", "ro,rw", "x"])
    refuses(() => parseVolumesFrom(`c:${mode}`), `invalid mode: ${mode}`);
  refuses(() => parseVolumesFrom(""), "volumes-from specification cannot be an empty string");
  assert.deepEqual([...parseTmpfs({ "/t/": "size=1m" })], [["/t", "size=1m"]]);
  refuses(() => parseTmpfs({ "/a/..": "" }), "invalid specification: destination can't be '/'");
  refuses(() => parseTmpfs({ rel: "" }), "invalid mount path: 'rel' mount path must be absolute");
});

test("adaptHostConfig shares the memory of clients that know nothing else", () => {
  assert.equal(adaptHostConfig({}, "1.39").IpcMode, "shareable");
  assert.equal(adaptHostConfig(null, "1.39").IpcMode, "shareable");
  assert.equal(adaptHostConfig({ IpcMode: "private" }, "1.39").IpcMode, "private");
  assert.equal(adaptHostConfig({}, "1.40").IpcMode, undefined);
});

test("adaptHostConfig gives older clients what their version means", () => {
  const one = (m: MountRequest, version: string) => adaptHostConfig({ Mounts: [m] }, version)?.Mounts?.[0];
  const bind: MountRequest = {
    Type: "bind",
    Source: "/a",
    Target: "/b",
    BindOptions: { CreateMountpoint: true, NonRecursive: true },
    VolumeOptions: {},
  };
  const old = one(bind, "1.41");
  assert.deepEqual(old?.BindOptions, { CreateMountpoint: false, NonRecursive: true });
  assert.equal(old?.VolumeOptions, undefined);
  assert.equal(one(bind, "1.39")?.BindOptions?.NonRecursive, false);
  refuses(() => one(bind, "1.42"), 'VolumeOptions must not be specified on mount type "bind"');
  refuses(
    () => one({ Type: "bind", BindOptions: { ReadOnlyForceRecursive: true } }, "1.43"),
    "BindOptions.ReadOnlyForceRecursive needs API v1.44 or newer",
  );
  refuses(
    () => one({ Type: "volume", VolumeOptions: { Subpath: "a" } }, "1.44"),
    "VolumeOptions.Subpath needs API v1.45 or newer",
  );
  refuses(() => one({ Type: "image" }, "1.47"), 'Mount type "Image" needs API v1.48 or newer');
});
