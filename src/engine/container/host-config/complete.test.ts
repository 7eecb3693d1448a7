import assert from "node:assert/strict";
import { test } from "node:test";
import { Runtimes } from "../runtime/runtimes.ts";
import { completeHostConfig } from "./complete.ts";

const defaults = {
  logType: "json-file",
  logOptions: {},
  cgroupnsMode: "host" as const,
  privilegedCgroupnsMode: "host" as const,
  ipcMode: "private" as const,
  shmSizeBytes: 64 << 20,
  ulimits: [],
  hasInit: false,
  stopTimeoutSec: 10,
  runtimes: new Runtimes({ configured: {}, defaultName: "", ownCommand: [], find: () => undefined }),
  maskedPaths: ["/proc/kcore"],
  readonlyPaths: ["/proc/sys"],
};

test("completeHostConfig gives Docker's defaults and refuses what cannot be", () => {
  const h = completeHostConfig({ Memory: 1 << 20 }, defaults);
  assert.equal(h.NetworkMode, "bridge");
  assert.equal(h.MemorySwap, 2 << 20);
  assert.equal(h.ShmSize, 64 << 20);
  assert.deepEqual(h.MaskedPaths, ["/proc/kcore"]);
  assert.equal(completeHostConfig({ Privileged: true }, defaults).MaskedPaths, null);
  assert.throws(
    () => completeHostConfig({ RestartPolicy: { Name: "sometimes" } }, defaults),
    /unknown policy/,
  );
  assert.throws(
    () => completeHostConfig({ AutoRemove: true, RestartPolicy: { Name: "always" } }, defaults),
    /AutoRemove/,
  );
});
