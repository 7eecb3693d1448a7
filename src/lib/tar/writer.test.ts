import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { describe, test } from "node:test";
import fc from "fast-check";
import type { TarEntry, TarEntryType } from "./entry.ts";
import { cleanName, compareNames, decodeName, encodeName } from "./names.ts";
import { formatPaxTime, parsePaxTime } from "./pax.ts";
import { TarReader } from "./reader.ts";
import { TAR_END, tarEntry, tarHeader, tarPadding } from "./writer.ts";

function archiveOf(files: readonly { entry: TarEntry; content?: Uint8Array }[]): Buffer {
  const parts: Uint8Array[] = [];
  for (const { entry, content } of files) {
    parts.push(tarHeader(entry));
    if (content) parts.push(content, tarPadding(content.length));
  }
  return Buffer.concat([...parts, TAR_END]);
}

function entriesOf(archive: Uint8Array): TarEntry[] {
  const reader = new TarReader();
  const entries = reader.push(archive).flatMap((event) => (event.kind === "entry" ? [event.entry] : []));
  reader.finish();
  return entries;
}

const component = fc
  .uint8Array({ minLength: 1, maxLength: 120 })
  .map((bytes) => decodeName(bytes.map((b) => (b === 0 || b === 0x2f ? 0x61 : b))));
const name = fc.array(component, { minLength: 1, maxLength: 4 }).map((parts) => parts.join("/"));
const id = fc.oneof(fc.nat(65535), fc.integer({ min: 0, max: 4294967295 }));
const entry: fc.Arbitrary<TarEntry> = fc
  .record({
    type: fc.constantFrom<TarEntryType>("file", "directory", "symlink", "hardlink", "char", "block", "fifo"),
    name,
    linkName: name,
    mode: fc.nat(0o7777),
    uid: id,
    gid: id,
    userName: fc.constantFrom("", "root", "üser", "u".repeat(40)),
    groupName: fc.constantFrom("", "wheel"),
    mtimeSec: fc.oneof(fc.integer(), fc.integer({ min: -(2 ** 40), max: 2 ** 40 })),
    mtimeNsec: fc.oneof(fc.constant(0), fc.nat(999_999_999)),
    devMajor: fc.nat(4_000_000),
    devMinor: fc.nat(255),
    xattrs: fc.dictionary(
      fc.constantFrom("user.a", "security.capability", "user.ü"),
      fc.uint8Array({ minLength: 1, maxLength: 300 }),
    ),
  })
  .map((e) => {
    const isLink = e.type === "symlink" || e.type === "hardlink";
    const isDevice = e.type === "char" || e.type === "block";
    return {
      ...e,
      sizeBytes: 0,
      linkName: isLink ? e.linkName : "",
      devMajor: isDevice ? e.devMajor : 0,
      devMinor: isDevice ? e.devMinor : 0,
      xattrs: new Map(Object.entries(e.xattrs).map(([k, v]) => [k, Buffer.from(v)])),
    };
  });

describe("tarHeader", () => {
  test("is undone by TarReader", () => {
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 5 }), (entries) => {
        const read = entriesOf(archiveOf(entries.map((e) => ({ entry: e }))));
        const plain = (e: TarEntry) => ({
          ...e,
          xattrs: Object.fromEntries([...e.xattrs].map(([k, v]) => [k, Buffer.from(v)])),
        });
        assert.deepEqual(read.map(plain), entries.map(plain));
      }),
      { numRuns: 500 },
    );
  });

  test("is one block when everything fits into ustar", () => {
    const plain = tarEntry({
      type: "file",
      name: "a".repeat(100),
      uid: 65534,
      mtimeSec: 1,
      sizeBytes: 2 ** 33 - 1,
    });
    assert.equal(tarHeader(plain).length, 512);
    assert.equal(tarHeader({ ...plain, sizeBytes: 2 ** 33 }).length, 3 * 512);
    assert.equal(tarHeader({ ...plain, mtimeNsec: 1 }).length, 3 * 512);
    assert.equal(tarHeader({ ...plain, name: "ä" }).length, 3 * 512);
  });

  test("makes archives that tar(1) and Python read", () => {
    const files = [
      { entry: tarEntry({ type: "directory", name: "d", mode: 0o1755, uid: 5_000_000 }) },
      {
        entry: tarEntry({ type: "file", name: "d/ünï", sizeBytes: 3, mtimeSec: -2, mtimeNsec: 500_000_000 }),
        content: Buffer.from("abc"),
      },
      {
        entry: tarEntry({ type: "file", name: `${"x".repeat(90)}/${"y".repeat(90)}`, sizeBytes: 513 }),
        content: Buffer.alloc(513, 1),
      },
      { entry: tarEntry({ type: "symlink", name: "s", linkName: "t".repeat(150) }) },
      { entry: tarEntry({ type: "hardlink", name: "h", linkName: "d/ünï" }) },
      { entry: tarEntry({ type: "char", name: "null", devMajor: 1, devMinor: 3 }) },
      { entry: tarEntry({ type: "file", name: decodeName(Buffer.from([0x66, 0xff])) }) },
    ];
    const archive = archiveOf(files);
    const listed = spawnSync("tar", ["-tf", "-", "--quoting-style=literal"], { input: archive });
    assert.equal(listed.status, 0, String(listed.stderr));
    const expected = files.map(({ entry: e }) =>
      Buffer.concat([encodeName(e.name), Buffer.from(e.type === "directory" ? "/\n" : "\n")]),
    );
    assert.deepEqual(listed.stdout, Buffer.concat(expected));
    const script = [
      "import tarfile,sys,io",
      "t=tarfile.open(fileobj=io.BytesIO(sys.stdin.buffer.read()),errors='surrogateescape')",
      "for m in t: sys.stdout.buffer.write(('%s %d %o %d %s %s\\n'%(m.name,m.size,m.mode,m.uid,m.mtime,m.linkname)).encode('utf-8','surrogateescape'))",
    ].join("\n");
    const python = execFileSync("python3", ["-c", script], { input: archive }).toString("latin1").split("\n");
    assert.equal(python[0], "d 0 1755 5000000 0 ");
    assert.equal(python[1], Buffer.from("d/ünï 3 644 0 -1.5 ").toString("latin1"));
    assert.equal(python[6], "f\xff 0 644 0 0 ");
  });
});

describe("PAX times", () => {
  test("format is undone by parse", () => {
    fc.assert(
      fc.property(fc.integer(), fc.nat(999_999_999), (sec, nsec) => {
        assert.deepEqual(parsePaxTime(Buffer.from(formatPaxTime({ sec, nsec })), 0), { sec, nsec });
      }),
    );
    assert.equal(formatPaxTime({ sec: -1, nsec: 999_999_999 }), "-0.000000001");
  });
});

describe("names", () => {
  test("encodeName undoes decodeName for any bytes, and order is that of the bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.uint8Array(), (a, b) => {
        assert.deepEqual(new Uint8Array(encodeName(decodeName(a))), a);
        assert.equal(compareNames(decodeName(a), decodeName(b)), Buffer.compare(a, b));
      }),
    );
  });

  test("cleanName keeps names inside the root", () => {
    const cases: [string, string | undefined][] = [
      ["a/b", "a/b"],
      ["./a//b/.", "a/b"],
      ["/etc/passwd", "etc/passwd"],
      ["a/../b", "b"],
      ["..", undefined],
      ["a/../../b", undefined],
      ["/../x", undefined],
      ["..a/b..", "..a/b.."],
      [".", ""],
      ["", ""],
    ];
    for (const [given, expected] of cases) assert.equal(cleanName(given), expected, given);
  });
});
