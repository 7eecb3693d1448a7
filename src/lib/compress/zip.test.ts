import assert from "node:assert/strict";
import { test } from "node:test";
import { isZip, readZip } from "./zip.ts";

/** A directory d, d/a.txt deflated (a hundred times "a"), b stored ("hello"). */
const archive = Buffer.from(
  "UEsDBBQAAAAAAAAAIQAAAAAAAAAAAAAAAAACAAAAZC9QSwMEFAAAAAgAAAAhAGR6cK8GAAAAZAAAAAcAAABkL2EudHh0S0ykPQAAUEsDBBQAAAAAAAAAIQCGphA2BQAAAAUAAAABAAAAYmhlbGxvUEsBAhQDFAAAAAAAAAAhAAAAAAAAAAAAAAAAAAIAAAAAAAAAAAAAAIABAAAAAGQvUEsBAhQDFAAAAAgAAAAhAGR6cK8GAAAAZAAAAAcAAAAAAAAAAAAAAIABIAAAAGQvYS50eHRQSwECFAMUAAAAAAAAACEAhqYQNgUAAAAFAAAAAQAAAAAAAAAAAAAAgAFLAAAAYlBLBQYAAAAAAwADAJQAAABvAAAAAAA=",
  "base64",
);
const read = (bytes: Uint8Array, max = 1000) =>
  [...readZip(bytes, max)].map(([name, content]) => [name, Buffer.from(content).toString()]);

test("deflated and stored files come out with their names; directories do not", () => {
  assert.equal(isZip(archive), true);
  assert.deepEqual(read(archive), [
    ["d/a.txt", "a".repeat(100)],
    ["b", "hello"],
  ]);
});

test("more than the limit altogether is refused before it is unpacked", () => {
  assert.throws(() => read(archive, 99), /read exceeds the defined limit/);
  assert.throws(() => read(archive, 104), /read exceeds the defined limit/);
});

test("a size that is not the content's is refused", () => {
  const central = archive.lastIndexOf("d/a.txt") - 46;
  const lying = Buffer.from(archive);
  lying.writeUInt32LE(50, central + 24);
  assert.throws(() => read(lying), /checksum error/);
});

test("no cut and no changed byte makes it do anything but answer or refuse", () => {
  for (let length = 0; length < archive.length; length++) {
    assert.throws(() => read(archive.subarray(0, length)), /^Fault|zip/);
    const changed = Buffer.from(archive);
    changed[length] = (changed[length] ?? 0) ^ 0xff;
    try {
      read(changed);
    } catch (error) {
      assert.equal((error as Error).name, "Fault", `byte ${length}: ${String(error)}`);
    }
  }
});
