// What a client may look into before it builds.
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { BlobStore } from "../../build/context/blobs.ts";
import { ContextTree } from "../../build/context/context-tree.ts";
import { References } from "./references.ts";

const signal = new AbortController().signal;

test("files of a remote context are described and read, and go with the build", async () => {
  const directory = await mkdtemp(join(tmpdir(), "references-"));
  const blobs = new BlobStore(directory);
  let isKept = true;
  try {
    const tree = new ContextTree(blobs);
    const blob = await blobs.put(Buffer.from("package docker\n"));
    const owner = { mode: 0o640, uid: 0, gid: 0, mtimeSec: 5, mtimeNsec: 0, linkTarget: "" };
    await tree.put("d/Dockerfile.rego", { ...owner, type: "file", sizeBytes: blob.sizeBytes }, blob);
    const kept: AsyncDisposable = {
      [Symbol.asyncDispose]: async () => {
        isKept = false;
      },
    };
    {
      await using references = new References({
        openRemote: async (address) => ({ tree: address === "archive" ? tree : undefined, kept }),
      });
      const id = await references.open("archive", signal);
      const stat = await references.stat(id, "d/Dockerfile.rego");
      assert.deepEqual([stat.mode, stat.size, stat.modTime], [0o640, 15, 5e9]);
      assert.equal(
        Buffer.from(await references.read(id, "/d/Dockerfile.rego")).toString(),
        "package docker\n",
      );
      const part = await references.read(id, "d/Dockerfile.rego", { offset: 8, length: 6 });
      assert.equal(Buffer.from(part).toString(), "docker");
      for (const path of ["Dockerfile.rego", "../d/x", "d"])
        await assert.rejects(references.read(id, path), { kind: "notFound" });
      await assert.rejects(references.stat("another", "d"), { kind: "notFound" });
      const alone = await references.open("a Dockerfile alone", signal);
      await assert.rejects(references.stat(alone, "d"), { kind: "notFound" });
      assert.ok(isKept);
    }
    assert.ok(!isKept);
  } finally {
    await blobs.close();
    await rm(directory, { recursive: true });
  }
});
