import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { clearParentDeathSignal } from "./criu-core.ts";

let dir: string;
before(async () => {
  dir = await mkdtemp(join(tmpdir(), "berth-criu-core-"));
});
after(() => rm(dir, { recursive: true }));

/** An image: two magic numbers, the size, the message, and what follows it. */
function image(message: readonly number[]): Buffer {
  const head = Buffer.alloc(12);
  head.writeUInt32LE(0x54564319, 0);
  head.writeUInt32LE(0x55053847, 4);
  head.writeUInt32LE(message.length, 8);
  return Buffer.concat([head, Buffer.from(message), Buffer.from("tail")]);
}

async function cleared(message: readonly number[]): Promise<Buffer> {
  const path = join(dir, "core-1.img");
  await writeFile(path, image(message));
  await clearParentDeathSignal(dir, 1);
  return await readFile(path);
}

test("the signal becomes none, and nothing else changes", async () => {
  // mtype, then thread_core with futex_rla, pdeath_sig and comm
  const core = (signal: readonly number[]) => [
    0x08,
    1,
    0x2a,
    5 + signal.length,
    0x08,
    7,
    0x40,
    ...signal,
    0x6a,
    0,
  ];
  assert.deepEqual(await cleared(core([9])), image(core([0])));
  assert.deepEqual(
    await cleared(core([0x89, 0])),
    image(core([0x80, 0])),
    "a number in more bytes than it needs",
  );
});

test("an image without one stays as it is; one that is cut short is refused", async () => {
  const without = [0x08, 1, 0x2a, 2, 0x08, 7];
  assert.deepEqual(await cleared(without), image(without));
  assert.deepEqual(await cleared([0x08, 1]), image([0x08, 1]));
  await assert.rejects(cleared([0x2a, 9, 0x08]), { kind: "invalidParameter" });
  await assert.rejects(clearParentDeathSignal(dir, 2), { code: "ENOENT" });
});
