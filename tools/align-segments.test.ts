import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { alignSegments, HUGE_PAGE, writeInPieces } from "./align-segments.ts";

interface Segment {
  readonly isWritable: boolean;
  readonly offset: number;
  readonly vaddr: number;
  readonly size: number;
  readonly align: number;
}

/** More than the headers take that the first segment begins with. */
const HEADERS = 4096;

/** The segments that are loaded, read by binutils. */
const segmentsOf = (path: string): Segment[] =>
  execFileSync("readelf", ["-lW", path], { encoding: "utf8" })
    .split("\n")
    .filter((line) => line.trim().startsWith("LOAD"))
    .map((line) => {
      const [, offset, vaddr, , size, , ...rest] = line.trim().split(/\s+/);
      return {
        isWritable: rest.slice(0, -1).join("").includes("W"),
        offset: Number(offset),
        vaddr: Number(vaddr),
        size: Number(size),
        align: Number(rest.at(-1)),
      };
    });

const sectionsOf = (path: string): string[] =>
  execFileSync("readelf", ["-SW", path], { encoding: "utf8" })
    .split("\n")
    .flatMap(
      (line) =>
        /^\s*\[ *\d+\] (\S+)\s+(PROGBITS|STRTAB)\s+\S+ (\S+) (\S+)/.exec(line)?.slice(1, 5).join(" ") ?? [],
    );

test("an executable that is aligned has its segments where huge pages can map them, with the same bytes, and runs", () => {
  const dir = mkdtempSync(join(tmpdir(), "align-"));
  try {
    const path = join(dir, "aligned");
    const old = readFileSync(process.execPath);
    writeInPieces(path, alignSegments(old));
    assert.equal(execFileSync(path, ["-e", "console.log(6 * 7)"], { encoding: "utf8" }), "42\n");

    const [before, after, bytes] = [segmentsOf(process.execPath), segmentsOf(path), readFileSync(path)];
    assert.ok(
      before.some((s) => !s.isWritable && (s.vaddr - s.offset) % HUGE_PAGE !== 0),
      "nothing to do",
    );
    assert.equal(after.length, before.length);
    after.forEach((segment, i) => {
      const was = before[i] as Segment;
      assert.deepEqual({ ...segment, offset: 0, align: 0 }, { ...was, offset: 0, align: 0 });
      assert.equal(segment.align, segment.isWritable ? was.align : HUGE_PAGE);
      assert.equal((segment.vaddr - segment.offset) % segment.align, 0);
      const skipped = i === 0 ? HEADERS : 0;
      const bytesOf = (file: Buffer, { offset, size }: Segment) =>
        file.subarray(offset + skipped, offset + size);
      assert.ok(bytesOf(bytes, segment).equals(bytesOf(old, was)));
    });
    // Names come from a table behind the segments: the section headers and it are where the header says.
    const sections = sectionsOf(path);
    assert.ok(sections.some((s) => s.startsWith(".text ")));
    assert.equal(sections.length, sectionsOf(process.execPath).length);
    assert.ok(bytes.length - old.length < 3 * HUGE_PAGE);
    assert.equal(statSync(path).mode & 0o777, 0o755);
    assert.ok(alignSegments(bytes).equals(bytes), "twice is the same as once");
  } finally {
    rmSync(dir, { recursive: true });
  }
});

test("what is no executable of this kind is refused", () => {
  assert.throws(() => alignSegments(Buffer.from("#!/bin/sh\necho\n".padEnd(100))), /not an ELF executable/);
});
