import assert from "node:assert/strict";
import { test } from "node:test";
import { SysError } from "../lib/errors.ts";
import { nameOfOp, RecordingKeel } from "./keel-fake.ts";
import { fs, host } from "./ops.ts";

test("RecordingKeel records operations and answers from its script", async () => {
  const keel = new RecordingKeel((op, name) => (name === "shim" ? [op.length, 1] : undefined));
  const { results } = await keel.run([host.mkdir("/a"), [12]]);
  assert.deepEqual(results, [0, [1, 1]]);
  assert.deepEqual(keel.ops.map(nameOfOp), ["mkdir", "shim"]);
  assert.equal(keel.named("mkdir").length, 1);
});

test("RecordingKeel throws scripted failures with the index of the operation", async () => {
  const keel = new RecordingKeel((_, name) =>
    name === "rmdir" ? new SysError("rmdir", "/a", 16, "busy") : undefined,
  );
  await assert.rejects(keel.run([host.mkdir("/a"), host.rmdir("/a")]), {
    message: "rmdir /a: busy",
    errno: 16,
    index: 1,
  });
  await keel.run([host.mkdir("/b")]);
});

test("RecordingKeel sessions keep the first failure until sync", async () => {
  const keel = new RecordingKeel((_, name) =>
    name === "fsRemove" ? new SysError("remove", "", 16, "busy") : undefined,
  );
  await using session = await keel.openFs({ kind: "dir", path: "/r" });
  await session.send([fs.remove("x")]);
  await assert.rejects(session.sync(), { message: "remove: busy" });
  assert.deepEqual(await session.sync([fs.list("/")]), [0]);
  assert.deepEqual(
    keel.requests.map((r) => r.kind),
    ["open", "send", "sync", "sync"],
  );
});
