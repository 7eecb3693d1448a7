import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { createReadStream, existsSync } from "node:fs";
import {
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { Fault } from "../../lib/errors.ts";
import type { TarEntry } from "../../lib/tar/entry.ts";
import { decodeName } from "../../lib/tar/names.ts";
import { TarReader } from "../../lib/tar/reader.ts";
import { TAR_END, tarEntry, tarHeader, tarPadding } from "../../lib/tar/writer.ts";
import { type FsSession, type Keel, startKeel } from "../../linux/keel.ts";
import { type FileMeta, fs } from "../../linux/ops.ts";
import { digestOf } from "../../oci/digest.ts";
import { FileContentStore } from "../content/store.ts";
import { MetaStore } from "../meta/store.ts";
import { LayerStore } from "./store.ts";
import type { LayerId, LayerRecord } from "./types.ts";

const ROOT = join(import.meta.dirname, "../../..");
const KEEL = join(ROOT, "build/keel");
const ALPINE_LIKE: FileMeta = { mode: 0o755, uid: 0, gid: 0, mtimeSec: 1_000_000, mtimeNsec: 0 };

let base = "";
let keel: Keel;
before(async () => {
  if (!existsSync(KEEL)) execFileSync("make", ["-C", join(ROOT, "native")]);
  base = await mkdtemp(join(tmpdir(), "berth-layer-"));
  keel = await startKeel({ keelPath: KEEL, socketPath: join(base, "agent.sock") });
});
after(async () => {
  await keel.close();
  await rm(base, { recursive: true, force: true });
});

interface Place {
  dir: string;
  store: LayerStore;
  meta: MetaStore;
  content: FileContentStore;
  log: string[];
  /** Ends the stores as a crash would: nothing is flushed or cleaned. */
  reopen(): Promise<Place>;
}

async function openPlace(dir: string, more: { maxTarBytes?: number } = {}): Promise<Place> {
  const log: string[] = [];
  const meta = await MetaStore.open(join(dir, "meta"), { isLocking: false });
  const content = await FileContentStore.open(join(dir, "content"));
  const store = await LayerStore.open({ dir, meta, content, keel, log: (line) => log.push(line), ...more });
  return { dir, store, meta, content, log, reopen: async () => openPlace(dir) };
}

async function freshPlace(): Promise<Place> {
  return openPlace(await mkdtemp(join(base, "root-")));
}

type Item = Pick<TarEntry, "type" | "name"> & Partial<TarEntry> & { content?: string | Uint8Array };

function tarOf(...items: Item[]): Buffer {
  const parts: Uint8Array[] = [];
  for (const { content, ...item } of items) {
    const bytes = Buffer.from(content ?? "");
    parts.push(
      tarHeader(tarEntry({ mtimeSec: 1000, ...item, sizeBytes: bytes.length })),
      bytes,
      tarPadding(bytes.length),
    );
  }
  return Buffer.concat([...parts, TAR_END]);
}

async function* stream(bytes: Uint8Array, size = 10_000): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function collect(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of source) parts.push(Buffer.from(part));
  return Buffer.concat(parts);
}

function unpack(place: Place, tar: Uint8Array, parent: LayerId | null = null): Promise<LayerRecord> {
  return place.store.unpack(stream(tar), parent, { expectedDiffId: digestOf(tar) });
}

/** Every path of a mounted root with its content or target. */
async function view(place: Place, top: LayerId): Promise<Record<string, string>> {
  await using session = await place.store.openFs(place.store.rootSource(top));
  const files: Record<string, string> = {};
  for await (const entry of session.export(".")) {
    const kind = entry.mode & 0o170000;
    const text =
      kind === 0o100000 ? (await collect(entry.content())).toString() : entry.linkTarget.toString();
    files[decodeName(entry.rawPath)] = kind === 0o040000 ? "/" : text;
  }
  return files;
}

const fault = (code: string) => (e: unknown) => e instanceof Fault && e.code === code;
const layerDir = (place: Place, record: LayerRecord) => join(place.dir, "layers", record.id);

async function assertNothingLeft(place: Place): Promise<void> {
  await place.store.close();
  assert.deepEqual(await readdir(join(place.dir, "layers/.work")), []);
  assert.deepEqual(await readdir(join(place.dir, "trash")), []);
}

describe("LayerStore.unpack", () => {
  const rich = () =>
    tarOf(
      { type: "directory", name: "etc", mode: 0o750, uid: 10, gid: 20, mtimeSec: 12345, mtimeNsec: 678 },
      {
        type: "file",
        name: "etc/passwd",
        content: "root:x:0:0\n",
        mode: 0o4711,
        mtimeSec: -5,
        mtimeNsec: 999,
      },
      { type: "symlink", name: "link", linkName: "/etc/passwd", mode: 0o777 },
      { type: "hardlink", name: "hard", linkName: "etc/passwd" },
      { type: "char", name: "null", devMajor: 1, devMinor: 3, mode: 0o666 },
      { type: "fifo", name: "pipe" },
      { type: "file", name: decodeName(Buffer.from([0x62, 0xff])), content: "bytes" },
      { type: "file", name: "ping", content: "#!", xattrs: new Map([["user.a", Buffer.from([0, 255, 1])]]) },
    );

  test("sets content, owner, mode, times and links as the archive says, whatever the compression", async () => {
    for (const pack of [(b: Buffer) => b, gzipSync, zstdCompressSync] as ((b: Buffer) => Buffer)[]) {
      const place = await freshPlace();
      const tar = rich();
      const record = await place.store.unpack(stream(pack(tar)), null, { expectedDiffId: digestOf(tar) });
      assert.equal(record.diffId, digestOf(tar));
      assert.equal(record.tarBytes, tar.length);
      assert.equal(record.sizeBytes, 11 + 11 + 5 + 2);
      const dir = layerDir(place, record);
      const passwd = await lstat(join(dir, "etc/passwd"), { bigint: true });
      assert.equal(passwd.mode & 0o7777n, 0o4711n);
      assert.equal(passwd.mtimeNs, -5_000_000_000n + 999n);
      assert.equal(passwd.nlink, 2n);
      const etc = await lstat(join(dir, "etc"), { bigint: true });
      assert.deepEqual(
        [etc.uid, etc.gid, etc.mode & 0o7777n, etc.mtimeNs],
        [10n, 20n, 0o750n, 12345_000000678n],
      );
      assert.equal(await readlink(join(dir, "link")), "/etc/passwd");
      assert.equal((await lstat(join(dir, "null"))).rdev, 0x103);
      assert.ok((await lstat(join(dir, "pipe"))).isFIFO());
      const names = await readdir(dir, { encoding: "buffer" });
      assert.ok(names.some((name) => Buffer.from(name).equals(Buffer.from([0x62, 0xff]))));
      assert.deepEqual(await collect(place.store.pack(record.id)), tar);
      await assertNothingLeft(place);
    }
  });

  test("keeps the blob on request and packs from it", async () => {
    const place = await freshPlace();
    const tar = rich();
    const blob = gzipSync(tar);
    const record = await place.store.unpack(stream(blob), null, {
      keepBlob: {
        mediaType: "application/vnd.oci.image.layer.v1.tar+gzip",
        digest: digestOf(blob),
        sizeBytes: blob.length,
      },
    });
    assert.equal(record.blob?.digest, digestOf(blob));
    assert.deepEqual(await collect(place.content.open(digestOf(blob))), blob);
    assert.deepEqual(await collect(place.store.pack(record.id)), tar);
    await assert.rejects(
      place.store.unpack(stream(blob), record.id, {
        keepBlob: { mediaType: "x", digest: digestOf("other") },
      }),
      fault("content.mismatch"),
    );
    await assertNothingLeft(place);
  });

  test("hides what whiteouts name in lower layers, never what the layer itself brings", async () => {
    const place = await freshPlace();
    const lower = await unpack(
      place,
      tarOf(
        ...["a", "b", "c", "d", "o"].flatMap((d): Item[] => [
          { type: "directory", name: d },
          { type: "file", name: `${d}/old`, content: d },
        ]),
        { type: "file", name: "f", content: "f" },
        { type: "file", name: "g", content: "g" },
      ),
    );
    const upper = await unpack(
      place,
      tarOf(
        { type: "file", name: "a/.wh.old" },
        { type: "file", name: ".wh.b" },
        { type: "file", name: ".wh.c" },
        { type: "directory", name: "c" },
        { type: "file", name: "c/new", content: "after the whiteout" },
        { type: "directory", name: "d" },
        { type: "file", name: "d/new", content: "before the whiteout" },
        { type: "file", name: ".wh.d" },
        { type: "file", name: "o/.wh..wh..opq" },
        { type: "file", name: "o/new", content: "opaque" },
        { type: "file", name: "f", content: "new f" },
        { type: "file", name: ".wh.f" },
        { type: "file", name: ".wh.missing" },
        { type: "file", name: ".wh..wh.plnk/1", content: "aufs" },
      ),
      lower.id,
    );
    assert.deepEqual(await view(place, upper.id), {
      a: "/",
      c: "/",
      "c/new": "after the whiteout",
      d: "/",
      "d/new": "before the whiteout",
      f: "new f",
      g: "g",
      o: "/",
      "o/new": "opaque",
    });
    assert.equal((await lstat(join(layerDir(place, upper), "b"))).rdev, 0);
    await assertNothingLeft(place);
  });

  test("gives undescribed directories the metadata they have below", async () => {
    const place = await freshPlace();
    const lower = await unpack(
      place,
      tarOf({ type: "directory", name: "home", mode: 0o700, uid: 7, mtimeSec: 77 }),
    );
    const tar = tarOf({ type: "file", name: "home/sub/file", content: "x" });
    const upper = await place.store.unpack(stream(tar), Promise.resolve(lower.id));
    const home = await lstat(join(layerDir(place, upper), "home"));
    assert.deepEqual([home.mode & 0o7777, home.uid, home.mtimeMs], [0o700, 7, 77_000]);
    assert.equal((await lstat(join(layerDir(place, upper), "home/sub"))).mode & 0o7777, 0o755);
  });

  test("shares a layer that is there and one that comes twice at the same time", async () => {
    const place = await freshPlace();
    const tar = rich();
    const [a, b] = await Promise.all([unpack(place, tar), unpack(place, tar)]);
    assert.equal(a.id, b.id);
    async function* untouched(): AsyncGenerator<Uint8Array> {
      yield assert.fail("the stream was read");
    }
    const again = await place.store.unpack(untouched(), null, { expectedDiffId: digestOf(tar) });
    assert.equal(again.id, a.id);
    await assertNothingLeft(place);
    assert.deepEqual(
      (await readdir(join(place.dir, "layers"))).filter((n) => !n.startsWith(".")),
      [a.id],
    );
  });

  test("leaves nothing after a wrong digest, a cut archive, a failing source, an abort, or a failed parent", async () => {
    const place = await freshPlace();
    const tar = rich();
    await assert.rejects(
      place.store.unpack(stream(tar), null, { expectedDiffId: digestOf("x") }),
      fault("layer.mismatch"),
    );
    await assert.rejects(place.store.unpack(stream(tar.subarray(0, 1300)), null), fault("tar.truncated"));
    await assert.rejects(
      place.store.unpack(stream(gzipSync(tar).subarray(0, 100)), null),
      fault("compress.damaged"),
    );
    const cut = zstdCompressSync(tar);
    await assert.rejects(
      place.store.unpack(stream(cut.subarray(0, cut.length - 10)), null, { expectedDiffId: digestOf(tar) }),
      Fault,
    );
    async function* failing(): AsyncGenerator<Uint8Array> {
      yield tar.subarray(0, 1000);
      throw new Fault("unavailable", "gone", { code: "test.gone" });
    }
    await assert.rejects(
      place.store.unpack(failing(), null, { keepBlob: { mediaType: "x" } }),
      fault("test.gone"),
    );
    const abort = new AbortController();
    async function* aborting(): AsyncGenerator<Uint8Array> {
      yield tar.subarray(0, 1000);
      abort.abort(new Fault("cancelled", "stop", { code: "test.stop" }));
      yield tar.subarray(1000);
    }
    await assert.rejects(place.store.unpack(aborting(), null, { signal: abort.signal }), fault("test.stop"));
    await assert.rejects(
      place.store.unpack(stream(tar), Promise.reject(new Fault("dataLoss", "below", { code: "test.below" }))),
      fault("test.below"),
    );
    await assert.rejects(place.store.unpack(stream(tar), "zz" as LayerId), fault("layer.not-found"));
    assert.deepEqual([...place.store.list()], []);
    await assertNothingLeft(place);
    assert.deepEqual(await readdir(join(place.dir, "content/ingest")), []);
  });
});

describe("LayerStore.unpack with hostile archives", () => {
  test("refuses names and hard links that lead out", async () => {
    const place = await freshPlace();
    for (const item of [
      { type: "file", name: "../escape", content: "x" },
      { type: "file", name: "a/../../escape", content: "x" },
      { type: "directory", name: ".." },
      { type: "hardlink", name: "h", linkName: "../../../../etc/shadow" },
      { type: "hardlink", name: "h", linkName: "etc/shadow" },
      { type: "file", name: "/", content: "x" },
      { type: "file", name: "a/.wh..", content: "" },
      { type: "file", name: "n".repeat(300), content: "" },
      { type: "file", name: "x", uid: 4294967295 },
    ] as Item[]) {
      await assert.rejects(unpack(place, tarOf(item)), fault("layer.invalid"), JSON.stringify(item));
    }
    await assertNothingLeft(place);
  });

  test("refuses what stands for more bytes than the limit, and leaves nothing", async () => {
    const place = await openPlace(await mkdtemp(join(base, "root-")), { maxTarBytes: 1 << 20 });
    const big = tarOf({ type: "file", name: "zeros", content: Buffer.alloc(8 << 20) });
    for (const bomb of [big, gzipSync(big), zstdCompressSync(big)])
      await assert.rejects(place.store.unpack(stream(bomb), null), fault("layer.too-large"));
    const kept = { mediaType: "x", digest: digestOf(gzipSync(big)), sizeBytes: gzipSync(big).length };
    await assert.rejects(
      place.store.unpack(stream(gzipSync(big)), null, { keepBlob: kept }),
      fault("layer.too-large"),
    );
    const { stdout: sparse } = spawnSync("sh", [
      "-c",
      'd=$(mktemp -d) && truncate -s 8M "$d/hole" && tar -C "$d" -S -c hole; rm -r "$d"',
    ]);
    assert.ok(sparse.length < 100_000);
    await assert.rejects(place.store.unpack(stream(sparse), null), fault("tar.limit"));
    assert.deepEqual([...place.store.list()], []);
    assert.deepEqual(await readdir(join(place.dir, "content/ingest")), []);
    await assertNothingLeft(place);
  });

  test("keeps writing through symlinks inside the layer", async () => {
    const place = await freshPlace();
    const outside = await mkdtemp(join(base, "outside-"));
    await writeFile(join(outside, "victim"), "untouched");
    const record = await unpack(
      place,
      tarOf(
        { type: "symlink", name: "abs", linkName: outside },
        { type: "file", name: "abs/victim", content: "overwritten" },
        { type: "symlink", name: "up", linkName: `${"../".repeat(20)}${outside.slice(1)}` },
        { type: "file", name: "up/victim", content: "overwritten" },
        { type: "file", name: "up/.wh.victim2" },
        { type: "symlink", name: "last", linkName: join(outside, "victim") },
        { type: "file", name: "last", content: "replaced the link" },
        { type: "hardlink", name: "stolen", linkName: "abs/victim" },
        { type: "symlink", name: "loop", linkName: "loop" },
        { type: "file", name: "/absolute", content: "inside" },
      ),
    );
    assert.equal(await readFile(join(outside, "victim"), "utf8"), "untouched");
    assert.deepEqual(await readdir(outside), ["victim"]);
    const dir = layerDir(place, record);
    assert.equal(await readFile(join(dir, outside, "victim"), "utf8"), "overwritten");
    assert.equal(await readFile(join(dir, "last"), "utf8"), "replaced the link");
    assert.equal(await readFile(join(dir, "absolute"), "utf8"), "inside");
    await assert.rejects(
      unpack(
        place,
        tarOf({ type: "symlink", name: "l", linkName: "l" }, { type: "file", name: "l/x", content: "" }),
      ),
      fault("layer.invalid"),
    );
  });

  test("does not let overlay attributes through", async () => {
    const place = await freshPlace();
    const xattrs = new Map([
      ["trusted.overlay.redirect", Buffer.from("/etc")],
      ["trusted.overlay.opaque", Buffer.from("y")],
      ["user.kept", Buffer.from("1")],
    ]);
    const record = await unpack(place, tarOf({ type: "directory", name: "d", xattrs }));
    const dump = execFileSync("python3", [
      "-c",
      "import os,sys; print(os.listxattr(sys.argv[1]))",
      join(layerDir(place, record), "d"),
    ]);
    assert.equal(dump.toString().trim(), "['user.kept']");
  });

  test("unpacks every archive of the corpus or refuses it with a Fault, inside its directory", async () => {
    const corpus = join(ROOT, "test/corpus/tar");
    const place = await freshPlace();
    for (const kind of ["good", "bad"]) {
      for (const file of (await readdir(join(corpus, kind))).filter((f) => f.endsWith(".tar"))) {
        const tar = await readFile(join(corpus, kind, file));
        try {
          const record = await unpack(place, tar);
          assert.equal(kind, "good", `${file} was accepted`);
          assert.deepEqual(await collect(place.store.pack(record.id)), tar, file);
        } catch (error) {
          if (!(error instanceof Fault)) throw error;
          assert.ok(kind === "bad" || file === "hostile-names.tar", `${file}: ${error.message}`);
        }
      }
    }
    await assertNothingLeft(place);
  });
});

describe("LayerStore drafts", () => {
  async function write(session: FsSession, path: string, text: string): Promise<void> {
    const bytes = Buffer.from(text);
    await session.send([fs.file(path, ALPINE_LIKE, bytes.length), fs.data(bytes)]);
  }

  test("become layers that pack and unpack to themselves", async () => {
    const place = await freshPlace();
    const lower = await unpack(
      place,
      tarOf(
        { type: "directory", name: "d" },
        { type: "file", name: "d/gone", content: "1" },
        { type: "file", name: "d/stays", content: "2" },
        { type: "directory", name: "cleared" },
        { type: "file", name: "cleared/x", content: "3" },
      ),
    );
    const draft = await place.store.beginDiff(lower.id);
    {
      await using session = await place.store.openFs(draft.root());
      await write(session, "d/new", "hello");
      await session.send([fs.remove("d/gone"), fs.remove("cleared"), fs.mkdir("cleared", ALPINE_LIKE)]);
      await session.send([fs.link("d/link", "d/new"), fs.symlink("s", "t", ALPINE_LIKE)]);
      await session.sync();
    }
    {
      // A second mount, as the next build instruction does.
      await using session = await place.store.openFs(draft.root());
      await write(session, "cleared/y", "4");
      await session.sync();
    }
    const record = await draft.commit({ history: { createdBy: "RUN test" }, durable: false });
    const seen = await view(place, record.id);
    assert.deepEqual(seen, {
      cleared: "/",
      "cleared/y": "4",
      d: "/",
      "d/link": "hello",
      "d/new": "hello",
      "d/stays": "2",
      s: "t",
    });
    const tar = await collect(place.store.pack(record.id));
    assert.equal(digestOf(tar), record.diffId);
    assert.equal(record.tarBytes, tar.length);
    const listed = spawnSync("tar", ["-tf", "-"], { input: tar }).stdout.toString().split("\n");
    assert.ok(listed.includes("d/.wh.gone") && listed.includes("cleared/.wh..wh..opq"), listed.join());
    const other = await freshPlace();
    const copyBelow = await other.store.unpack(place.store.pack(lower.id), null);
    const copy = await other.store.unpack(place.store.pack(record.id), copyBelow.id, {
      expectedDiffId: record.diffId,
    });
    assert.equal(copy.chainId, record.chainId);
    assert.equal(copy.sizeBytes, record.sizeBytes);
    assert.deepEqual(await view(other, copy.id), seen);
    await assertNothingLeft(place);
  });

  test("can be empty and on top of nothing, and are used up by commit", async () => {
    const place = await freshPlace();
    const draft = await place.store.beginDiff(null);
    const record = await draft.commit();
    assert.equal(record.sizeBytes, 0);
    assert.equal(record.diffId, digestOf(Buffer.alloc(1024)));
    await assert.rejects(draft.commit(), fault("layer.draft-over"));
    await draft.discard();
    assert.deepEqual(await view(place, record.id), {});
    await assertNothingLeft(place);
  });

  test("keep their parent and vanish when discarded", async () => {
    const place = await freshPlace();
    const lower = await unpack(place, tarOf({ type: "file", name: "f" }));
    {
      await using draft = await place.store.beginDiff(lower.id);
      place.store.holds.release(lower.id, "fresh");
      assert.deepEqual(await place.store.removeUnneeded(lower.id), []);
      assert.equal(draft.parent, lower.id);
    }
    assert.equal((await place.store.removeUnneeded(lower.id)).length, 1);
    await assertNothingLeft(place);
  });
});

describe("LayerStore for containers", () => {
  test("lists changes as docker diff does, and commits a copy", async () => {
    const place = await freshPlace();
    const lower = await unpack(
      place,
      tarOf(
        { type: "directory", name: "etc" },
        { type: "file", name: "etc/a", content: "a" },
        { type: "file", name: "etc/b", content: "b" },
        { type: "directory", name: "var" },
        { type: "directory", name: "var/log" },
        { type: "directory", name: "opt" },
        { type: "file", name: "opt/x", content: "x" },
        { type: "directory", name: "srv" },
        { type: "file", name: "srv/old", content: "x" },
        { type: "directory", name: "was-dir" },
        { type: "file", name: "was-dir/x", content: "x" },
      ),
    );
    const dirs = await place.store.createUpper("c1");
    {
      await using session = await place.store.openFs(place.store.rootSource(lower.id, dirs));
      await session.send([
        fs.file("etc/a", ALPINE_LIKE, 3),
        fs.data(Buffer.from("new")),
        fs.remove("etc/b"),
        fs.file("var/log/new", ALPINE_LIKE, 0),
        fs.remove("opt"),
        fs.mkdir("root", ALPINE_LIKE),
        fs.remove("srv"),
        fs.mkdir("srv", { ...ALPINE_LIKE, mtimeSec: 1000 }),
        fs.symlink("was-dir", "x", ALPINE_LIKE),
      ]);
      await session.sync();
    }
    const changes = (await place.store.changes(dirs, lower.id)).map((c) => `${c.kind[0]} ${c.path}`);
    assert.deepEqual(changes, [
      "m /etc",
      "m /etc/a",
      "d /etc/b",
      "d /opt",
      "a /root",
      "m /srv",
      "d /srv/old",
      "m /var",
      "m /var/log",
      "a /var/log/new",
      "m /was-dir",
      "d /was-dir/x",
    ]);
    // Whiteouts get the time of unpacking: it must not show in the digest.
    execFileSync("touch", ["-h", "-d", "@1000", join(dirs.upper, "etc/b"), join(dirs.upper, "opt")]);
    const record = await place.store.commitUpper(dirs, lower.id, {});
    assert.deepEqual(await view(place, record.id), {
      etc: "/",
      "etc/a": "new",
      root: "/",
      srv: "/",
      var: "/",
      "var/log": "/",
      "var/log/new": "",
      "was-dir": "x",
    });
    assert.equal(digestOf(await collect(place.store.pack(record.id))), record.diffId);
    assert.equal(record.tar.kind, "packed");
    await place.store.removeUpper("c1");
    await place.store.removeUpper("c1");
    await assert.rejects(place.store.createUpper("../x"), Fault);
    await assertNothingLeft(place);
    assert.deepEqual(await readdir(join(place.dir, "containers/c1")), []);
  });
});

describe("LayerStore's life", () => {
  test("removes layers when the last holder is gone, from the top down to what others need", async () => {
    const place = await freshPlace();
    const [a, b, c] = [
      tarOf({ type: "file", name: "a", content: "a" }),
      tarOf({ type: "file", name: "b", content: "b" }),
      tarOf({ type: "file", name: "c", content: "c" }),
    ] as [Buffer, Buffer, Buffer];
    const { store } = place;
    const bottom = await unpack(place, a);
    const left = await unpack(place, b, bottom.id);
    const right = await unpack(place, c, bottom.id);
    store.holds.retain(left.id, "image:left");
    store.holds.retain(right.id, "image:right");
    store.holds.retain(bottom.id, "x");
    store.holds.release(bottom.id, "x");
    assert.deepEqual(await store.removeUnneeded(left.id), []);
    store.holds.release(left.id, "image:left");
    assert.deepEqual(
      (await store.removeUnneeded(left.id)).map((r) => r.id),
      [left.id],
    );
    store.holds.release(right.id, "image:right");
    assert.deepEqual(
      (await store.removeUnneeded(right.id)).map((r) => r.id),
      [right.id, bottom.id],
    );
    assert.deepEqual([...store.list()], []);
    await assertNothingLeft(place);
    assert.deepEqual(
      (await readdir(join(place.dir, "layers"))).filter((n) => !n.startsWith(".")),
      [],
    );
    assert.deepEqual(await readdir(join(place.dir, "layers/.recipes")), []);
  });

  test("a lease keeps layers until it is released", async () => {
    const place = await freshPlace();
    const lease = place.store.lease();
    const record = await place.store.unpack(stream(tarOf({ type: "file", name: "f" })), null, { lease });
    assert.deepEqual(await place.store.removeUnneeded(record.id), []);
    lease.release();
    assert.equal((await place.store.removeUnneeded(record.id)).length, 1);
  });

  test("reopening keeps recorded layers and removes leftovers", async () => {
    const place = await freshPlace();
    const tar = tarOf({ type: "file", name: "f", content: "kept" });
    const record = await unpack(place, tar);
    const draft = await place.store.beginDiff(record.id);
    await writeFile(join(draft.upper, "half"), "x");
    await mkdir(join(place.dir, "layers/zz/half"), { recursive: true });
    await symlink("/etc", join(place.dir, "layers/zz/link"));
    await place.meta.close();
    const again = await place.reopen();
    await assertNothingLeft(again);
    assert.deepEqual(
      (await readdir(join(place.dir, "layers"))).filter((n) => !n.startsWith(".")),
      [record.id],
    );
    assert.deepEqual(await collect(again.store.pack(record.id)), tar);
    assert.ok((await stat("/etc")).isDirectory());
    const next = await unpack(again, tarOf({ type: "file", name: "g" }));
    assert.notEqual(next.id, "zz");
  });

  test("verifies layers that a crash of the machine caught unflushed, and drops what is damaged", async () => {
    const place = await freshPlace();
    const make = async (name: string) => {
      const draft = await place.store.beginDiff(null);
      await writeFile(join(draft.upper, name), name);
      await utimes(join(draft.upper, name), 1, 1);
      return draft.commit({ durable: false });
    };
    const sound = await make("sound");
    const broken = await make("broken");
    const above = await place.store.unpack(stream(tarOf({ type: "file", name: "above" })), broken.id);
    assert.ok(sound.unflushed);
    await writeFile(join(layerDir(place, broken), "broken"), "");
    const table = place.meta.table<LayerRecord>("layers");
    await place.meta.commit([sound, broken].map((r) => table.put(r.id, { ...r, unflushed: "another-boot" })));
    await place.meta.close();
    const again = await place.reopen();
    assert.deepEqual(
      [...again.store.list()].map((r) => r.id),
      [sound.id],
    );
    assert.equal(again.store.get(sound.id)?.unflushed, undefined);
    assert.equal(again.store.get(above.id), undefined);
    assert.match(again.log.join(), new RegExp(`layer ${broken.id} was damaged`));
    await assertNothingLeft(again);
  });

  test("flush makes the records of a build durable", async () => {
    const place = await freshPlace();
    const draft = await place.store.beginDiff(null);
    const record = await draft.commit({ durable: false });
    assert.ok(place.store.get(record.id)?.unflushed);
    await place.store.flush();
    assert.equal(place.store.get(record.id)?.unflushed, undefined);
  });

  test("notices a layer whose files were changed", async () => {
    const place = await freshPlace();
    const record = await unpack(place, tarOf({ type: "file", name: "f", content: "good" }));
    await writeFile(join(layerDir(place, record), "f"), "evil");
    await assert.rejects(collect(place.store.pack(record.id)), fault("layer.damaged"));
    await writeFile(join(layerDir(place, record), "f"), "longer");
    await assert.rejects(collect(place.store.pack(record.id)), Fault);
    await rm(join(layerDir(place, record), "f"));
    await assert.rejects(collect(place.store.pack(record.id)), fault("layer.changed"));
  });

  test("unpacks what tar(1) makes of a real tree", async () => {
    const place = await freshPlace();
    const file = join(base, "real.tar");
    execFileSync(
      "tar",
      ["-C", "/usr/share", "--xattrs", "-cf", file, "doc/bash", "zoneinfo/Europe", "perl5"],
      {
        stdio: "ignore",
      },
    );
    const record = await place.store.unpack(createReadStream(file, { highWaterMark: 1 << 16 }), null);
    const diff = spawnSync("diff", [
      "-r",
      "--no-dereference",
      "/usr/share/zoneinfo/Europe",
      join(layerDir(place, record), "zoneinfo/Europe"),
    ]);
    assert.equal(diff.status, 0, diff.stdout.toString());
    assert.equal(digestOf(await collect(place.store.pack(record.id))), digestOf(await readFile(file)));
    const reader = new TarReader();
    reader.push(await readFile(file));
    assert.equal(reader.isEnded, true);
  });
});
