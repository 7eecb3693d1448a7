import assert from "node:assert/strict";
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { cleanName } from "../../lib/tar/names.ts";
import { TarReader } from "../../lib/tar/reader.ts";
import { TAR_END, tarEntry, tarHeader, tarPadding } from "../../lib/tar/writer.ts";
import { readRecipe, RecipeWriter } from "./recipe.ts";

/** A tar of many small files and some large ones, whose headers alone are several times what is compressed at once. */
function manyFiles(): { tar: Buffer; contents: Map<string, Buffer> } {
  const parts: Uint8Array[] = [];
  const contents = new Map<string, Buffer>();
  for (let i = 0; i < 3000; i++) {
    const name = `dir${i % 7}/file${i}`;
    const content = Buffer.alloc(i % 500 === 0 ? 300_000 + i : i % 90, `content of ${i} `);
    contents.set(name, content);
    const xattrs = i === 7 ? new Map([["user.long", Buffer.alloc(700_000, "x")]]) : new Map();
    parts.push(tarHeader(tarEntry({ type: "file", name, sizeBytes: content.length, xattrs })));
    parts.push(content, tarPadding(content.length));
  }
  return { tar: Buffer.concat([...parts, TAR_END]), contents };
}

test("a recipe with its files gives the tar back, whatever chunks it came in", async () => {
  const dir = await mkdtemp(join(tmpdir(), "berth-recipe-"));
  try {
    const { tar, contents } = manyFiles();
    for (const chunkBytes of [511, 65_536, tar.length]) {
      const path = join(dir, String(chunkBytes));
      const reader = new TarReader();
      const writer = new RecipeWriter(path);
      for (let at = 0; at < tar.length; at += chunkBytes) {
        // Whoever pushes may use the bytes again.
        const chunk = Buffer.from(tar.subarray(at, at + chunkBytes));
        await writer.push(chunk, reader.push(chunk));
        chunk.fill(0xff);
      }
      await writer.finish();
      const parts: Uint8Array[] = [];
      for await (const step of readRecipe(path)) {
        if (step.kind === "literal") parts.push(step.bytes);
        else {
          const content = contents.get(cleanName(step.path.toString()) ?? "") as Buffer;
          parts.push(content.subarray(step.offset, step.offset + step.sizeBytes));
        }
      }
      assert.ok(Buffer.concat(parts).equals(tar), `in chunks of ${chunkBytes}`);
      assert.ok((await stat(path)).size < tar.length / 20);
    }
  } finally {
    await rm(dir, { recursive: true });
  }
});
