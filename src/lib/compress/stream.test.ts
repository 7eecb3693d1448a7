import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { describe, test } from "node:test";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { Fault } from "../errors.ts";
import { compress, decompress } from "./stream.ts";

async function* pieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function collect(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of source) parts.push(part);
  return Buffer.concat(parts);
}

const content = Buffer.concat([randomBytes(100_000), Buffer.alloc(900_000, "layer")]);

describe("decompress", () => {
  for (const [name, packed] of [
    ["none", content],
    ["gzip", gzipSync(content)],
    ["zstd", zstdCompressSync(content)],
  ] as const) {
    for (const size of [1 << 20, 4096, 7001]) {
      test(`yields the content of ${name} in pieces of ${size}`, async () => {
        const { compression, stream } = await decompress(pieces(packed, size));
        assert.equal(compression, name);
        assert.deepEqual(await collect(stream), content);
      });
    }
  }

  test("detects the format when the first chunks are single bytes", async () => {
    const { compression, stream } = await decompress(pieces(gzipSync(Buffer.from("hello")), 1));
    assert.equal(compression, "gzip");
    assert.equal((await collect(stream)).toString(), "hello");
  });

  test("reads members and frames that follow each other, and skippable zstd frames", async () => {
    const skip = Buffer.from([0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3]);
    const zstd = Buffer.concat([
      skip,
      zstdCompressSync(Buffer.from("a")),
      skip,
      zstdCompressSync(Buffer.from("b")),
    ]);
    assert.equal((await collect((await decompress(pieces(zstd, 5))).stream)).toString(), "ab");
    const gzip = Buffer.concat([gzipSync(Buffer.from("a")), gzipSync(Buffer.from("b"))]);
    assert.equal((await collect((await decompress(pieces(gzip, 5))).stream)).toString(), "ab");
  });

  test("passes an empty stream on", async () => {
    const { compression, stream } = await decompress(pieces(Buffer.alloc(0), 1));
    assert.equal(compression, "none");
    assert.equal((await collect(stream)).length, 0);
  });

  test("fails with a Fault on damaged and on cut gzip", async () => {
    const packed = gzipSync(content);
    const damaged = Buffer.from(packed);
    damaged.fill(0x55, 50_000, 50_100);
    for (const bytes of [damaged, packed.subarray(0, packed.length - 100)]) {
      const { stream } = await decompress(pieces(bytes, 4096));
      await assert.rejects(collect(stream), (e) => e instanceof Fault && e.code === "compress.damaged");
    }
  });

  test("hands the source's own error through", async () => {
    async function* failing(): AsyncGenerator<Uint8Array> {
      yield gzipSync(content).subarray(0, 5000);
      throw new Fault("unavailable", "the network is gone");
    }
    const { stream } = await decompress(failing());
    await assert.rejects(collect(stream), /the network is gone/);
  });

  test("closes the source when the consumer stops early", async () => {
    let isClosed = false;
    async function* endless(): AsyncGenerator<Uint8Array> {
      const block = gzipSync(content);
      try {
        for (;;) yield block;
      } finally {
        isClosed = true;
      }
    }
    const { stream } = await decompress(endless());
    for await (const _ of stream) break;
    for (let i = 0; i < 100 && !isClosed; i++) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(isClosed, true);
  });

  for (const tool of ["bzip2", "xz"] as const) {
    const packed = execFileSync(tool, ["-c"], { input: content, maxBuffer: 1 << 24 });

    test(`yields the content of ${tool}, and of several that follow each other`, async () => {
      const { compression, stream } = await decompress(pieces(packed, 7001));
      assert.equal(compression, tool);
      assert.deepEqual(await collect(stream), content);
      const twice = Buffer.concat([packed, packed]);
      assert.equal(
        (await collect((await decompress(pieces(twice, 1 << 20))).stream)).length,
        2 * content.length,
      );
    });

    test(`fails with a Fault on damaged and on cut ${tool}, and with the source's own error`, async () => {
      const damaged = Buffer.from(packed);
      damaged.fill(0x55, 50_000, 50_100);
      for (const bytes of [damaged, packed.subarray(0, packed.length - 100)]) {
        const { stream } = await decompress(pieces(bytes, 4096));
        await assert.rejects(collect(stream), (e) => e instanceof Fault && e.code === "compress.damaged");
      }
      async function* failing(): AsyncGenerator<Uint8Array> {
        yield packed.subarray(0, 5000);
        throw new Fault("unavailable", "the network is gone");
      }
      await assert.rejects(collect((await decompress(failing())).stream), /the network is gone/);
    });

    test(`${tool}: what stands for much is not held in memory, and who stops early ends it`, async () => {
      const bomb = execFileSync("sh", ["-c", `head -c 60000000 /dev/zero | ${tool} -c`], {
        maxBuffer: 1 << 24,
      });
      let isClosed = false;
      async function* source(): AsyncGenerator<Uint8Array> {
        try {
          yield* pieces(bomb, 4096);
        } finally {
          isClosed = true;
        }
      }
      const before = process.memoryUsage().rss;
      let size = 0;
      for await (const piece of (await decompress(source())).stream) {
        size += piece.length;
        if (size > 5_000_000) break;
      }
      assert.ok(process.memoryUsage().rss - before < 80_000_000);
      assert.equal(isClosed, true);
    });
  }
});

describe("compress", () => {
  for (const format of ["none", "gzip", "zstd"] as const) {
    test(`is undone by decompress for ${format}`, async () => {
      const { compression, stream } = await decompress(compress(pieces(content, 60_000), format));
      assert.equal(compression, format);
      assert.deepEqual(await collect(stream), content);
    });
  }
});
