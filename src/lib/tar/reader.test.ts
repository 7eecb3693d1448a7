import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import fc from "fast-check";
import { Fault } from "../errors.ts";
import type { TarEntry, TarLimits } from "./entry.ts";
import { formatPaxTime } from "./pax.ts";
import { TarReader } from "./reader.ts";
import { TAR_END, tarEntry, tarHeader, tarPadding } from "./writer.ts";

const CORPUS = join(import.meta.dirname, "../../../test/corpus/tar");

interface Read {
  entry: TarEntry;
  sizeBytes: number;
  sha256: string;
}

/** Reads a whole archive in chunks of `size` and checks the order of events on the way. */
function readAll(archive: Uint8Array, size = archive.length || 1, limits: Partial<TarLimits> = {}): Read[] {
  const reader = new TarReader(limits);
  const all: Read[] = [];
  let open: { entry: TarEntry; sizeBytes: number; hash: ReturnType<typeof createHash> } | undefined;
  for (let at = 0; at < archive.length; at += size) {
    for (const event of reader.push(archive.subarray(at, at + size))) {
      if (event.kind === "entry") {
        assert.equal(open, undefined, "an entry begins before the last one ended");
        open = { entry: event.entry, sizeBytes: 0, hash: createHash("sha256") };
        continue;
      }
      assert.ok(open, `${event.kind} outside of an entry`);
      if (event.kind === "end") {
        all.push({ entry: open.entry, sizeBytes: open.sizeBytes, sha256: open.hash.digest("hex") });
        open = undefined;
      } else {
        const bytes = event.kind === "data" ? event.bytes : Buffer.alloc(Math.min(event.sizeBytes, 1 << 20));
        open.sizeBytes += event.kind === "data" ? bytes.length : event.sizeBytes;
        open.hash.update(bytes);
      }
    }
  }
  reader.finish();
  return all;
}

/** The form of the .json files, which Python's tarfile wrote. */
function describeEntry({ entry, sha256 }: Read): unknown {
  const { type, name, linkName, mode, uid, gid, userName, groupName, sizeBytes } = entry;
  const mtime = formatPaxTime({ sec: entry.mtimeSec, nsec: entry.mtimeNsec });
  const dev = [entry.devMajor, entry.devMinor];
  const xattrs = Object.fromEntries([...entry.xattrs].map(([k, v]) => [k, Buffer.from(v).toString("hex")]));
  const hash = type === "file" ? sha256 : "";
  return {
    type,
    name,
    linkName,
    mode,
    uid,
    gid,
    userName,
    groupName,
    mtime,
    dev,
    sizeBytes,
    sha256: hash,
    xattrs,
  };
}

describe("TarReader", () => {
  for (const file of readdirSync(join(CORPUS, "good")).filter((f) => f.endsWith(".tar"))) {
    test(`reads ${file} as Python's tarfile does, in chunks of any size`, () => {
      const archive = readFileSync(join(CORPUS, "good", file));
      const expected: unknown = JSON.parse(
        readFileSync(join(CORPUS, "good", file.replace(/tar$/, "json")), "utf8"),
      );
      for (const size of [archive.length || 1, 512, 100, 4097, 1]) {
        const read = readAll(archive, size);
        assert.deepEqual(read.map(describeEntry), expected);
        for (const { entry, sizeBytes } of read) assert.equal(sizeBytes, entry.sizeBytes);
      }
    });
  }

  for (const file of readdirSync(join(CORPUS, "bad"))) {
    test(`refuses ${file} with a Fault that says where`, () => {
      const archive = readFileSync(join(CORPUS, "bad", file));
      for (const size of [archive.length, 512, 7]) {
        assert.throws(
          () => readAll(archive, size),
          (e) =>
            e instanceof Fault &&
            /^tar\.(malformed|truncated|limit)$/.test(e.code) &&
            Number.isInteger(e.detail["offset"]),
        );
      }
    });
  }

  test("throws nothing but Fault on mutated archives", () => {
    const seeds = readdirSync(join(CORPUS, "good"))
      .filter((f) => f.endsWith(".tar"))
      .map((f) => readFileSync(join(CORPUS, "good", f)).subarray(0, 8192))
      .filter((a) => a.length > 0);
    const edit = fc.record({ at: fc.nat(8191), byte: fc.nat(255) });
    fc.assert(
      fc.property(
        fc.constantFrom(...seeds),
        fc.array(edit, { minLength: 1, maxLength: 8 }),
        fc.boolean(),
        (seed, edits, isChecksumRight) => {
          const archive = Buffer.from(seed);
          for (const { at, byte } of edits) archive[at % archive.length] = byte;
          if (isChecksumRight)
            for (let at = 0; at + 512 <= archive.length; at += 512) fixChecksum(archive, at);
          try {
            readAll(archive, 1000, { maxSparsePieces: 1000 });
          } catch (error) {
            if (!(error instanceof Fault)) throw error;
          }
        },
      ),
      { numRuns: 2000 },
    );
  });

  test("bounds entries, names, sparse maps and extended headers", () => {
    const file = (name: string) => tarHeader(tarEntry({ type: "file", name }));
    const limit = (e: unknown) => e instanceof Fault && e.code === "tar.limit";
    const three = Buffer.concat([file("a"), file("b"), file("c"), TAR_END]);
    assert.equal(readAll(three, 512, { maxEntries: 3 }).length, 3);
    assert.throws(() => readAll(three, 512, { maxEntries: 2 }), limit);
    const long = Buffer.concat([file("n".repeat(300)), TAR_END]);
    assert.throws(() => readAll(long, 512, { maxNameBytes: 299 }), limit);
    assert.throws(() => readAll(long, 512, { maxHeaderBytes: 100 }), limit);
    const sparse = readFileSync(join(CORPUS, "good/sparse-10.tar"));
    for (const kind of ["10", "01", "old"]) {
      const archive = readFileSync(join(CORPUS, `good/sparse-${kind}.tar`));
      assert.throws(() => readAll(archive, sparse.length, { maxSparsePieces: 20 }), limit);
    }
  });

  test("counts what holes and files stand for", () => {
    const limit = (e: unknown) => e instanceof Fault && e.code === "tar.limit";
    const sparse = readFileSync(join(CORPUS, "good/sparse-10.tar"));
    let [holes, all] = [0, 0];
    for (const event of new TarReader().push(sparse)) {
      if (event.kind === "hole") holes += event.sizeBytes;
      all += event.kind === "hole" ? event.sizeBytes : event.kind === "data" ? event.bytes.length : 0;
    }
    assert.ok(holes > 0 && all > holes);
    readAll(sparse, 512, { maxHoleBytes: holes, maxContentBytes: all });
    assert.throws(() => readAll(sparse, 512, { maxHoleBytes: holes - 1 }), limit);
    assert.throws(() => readAll(sparse, 512, { maxContentBytes: all - 1 }), limit);
  });

  test("reports a hole of any size without materialising it", () => {
    const archive = readFileSync(join(CORPUS, "good/sparse-10.tar"));
    const holes = new TarReader().push(archive).filter((event) => event.kind === "hole");
    assert.equal(holes[0]?.sizeBytes, 3 * 4096);
  });

  test("reads a big file at more than 500 MB/s", () => {
    const sizeBytes = 1 << 30;
    const reader = new TarReader();
    const chunk = Buffer.alloc(1 << 18);
    const begin = performance.now();
    reader.push(tarHeader(tarEntry({ type: "file", name: "big", sizeBytes })));
    for (let at = 0; at < sizeBytes; at += chunk.length) reader.push(chunk);
    reader.push(TAR_END);
    reader.finish();
    const seconds = (performance.now() - begin) / 1000;
    assert.ok(seconds < 2, `1 GiB took ${seconds.toFixed(2)} s`);
  });
});

function fixChecksum(archive: Buffer, at: number): void {
  if (archive.readUInt8(at) === 0 || archive.toString("latin1", at + 257, at + 262) !== "ustar") return;
  archive.fill(0x20, at + 148, at + 156);
  let sum = 0;
  for (let i = at; i < at + 512; i++) sum += archive[i] as number;
  archive.write(`${sum.toString(8).padStart(6, "0")}\0 `, at + 148, "latin1");
}

// Padding is part of every archive these tests build; the helper proves that it lines up.
test("tarPadding fills up to a block", () => {
  for (const size of [0, 1, 511, 512, 513]) assert.equal((size + tarPadding(size).length) % 512, 0);
});
