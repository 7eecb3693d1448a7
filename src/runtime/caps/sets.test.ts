import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import fc from "fast-check";
import { Fault } from "../../lib/errors.ts";
import { CAPABILITIES, DEFAULT_CAPABILITIES } from "./names.ts";
import {
  containerCapabilities,
  hasBit,
  intersectMasks,
  maskOfNames,
  namesOfMask,
  normalizeCapability,
  parseMask,
} from "./sets.ts";

const ALL = 2 ** 41 - 1;
const request = (add: string[], drop: string[], available = ALL) =>
  containerCapabilities(DEFAULT_CAPABILITIES, { add, drop }, available);

test("names and masks are each other's inverse", () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.constantFrom(...CAPABILITIES)), (names) => {
      assert.deepEqual(new Set(namesOfMask(maskOfNames(names))), new Set(names));
    }),
  );
  assert.equal(maskOfNames(DEFAULT_CAPABILITIES), 0xa80425fb, "Docker's mask in /proc/PID/status");
  assert.equal(maskOfNames(["CAP_CHECKPOINT_RESTORE"]), 2 ** 40);
  assert.equal(intersectMasks(2 ** 40 + 5, 2 ** 40 + 4), 2 ** 40 + 4);
});

test("parseMask reads this process's own bounding set", () => {
  const line = /^CapBnd:\s*(\w+)/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1] as string;
  assert.equal(parseMask(line).toString(16).padStart(16, "0"), line);
  assert.throws(() => parseMask("zz"), Fault);
});

test("normalizeCapability takes any case, with and without prefix", () => {
  for (const text of ["net_admin", "NET_ADMIN", "cap_net_admin", "CAP_Net_Admin"]) {
    assert.equal(normalizeCapability(text, ALL), "CAP_NET_ADMIN");
  }
  assert.equal(normalizeCapability("all", ALL), "ALL");
  assert.throws(() => normalizeCapability("flying", ALL), /unknown capability: "CAP_FLYING"/);
  assert.throws(
    () => normalizeCapability("SYS_RESOURCE", ALL - 2 ** 24),
    /capability not supported by your kernel or not available in the current environment: "CAP_SYS_RESOURCE"/,
  );
});

test("containerCapabilities follows Docker's order of drops and adds", () => {
  assert.deepEqual(request([], []), DEFAULT_CAPABILITIES);
  assert.ok(!request([], ["chown"]).includes("CAP_CHOWN"));
  assert.ok(request(["sys_time"], []).includes("CAP_SYS_TIME"));
  assert.deepEqual(request(["NET_ADMIN"], ["ALL"]), ["CAP_NET_ADMIN"]);
  assert.deepEqual(request([], ["ALL"]), []);
  assert.equal(request(["ALL"], []).length, 41);
  assert.ok(!request(["ALL"], ["SYS_ADMIN"]).includes("CAP_SYS_ADMIN"));
  assert.ok(request(["CHOWN"], ["CHOWN"]).includes("CAP_CHOWN"), "an add wins over a drop");
  assert.throws(() => request(["nonsense"], []), /invalid CapAdd: unknown capability: "CAP_NONSENSE"/);
});

test("nobody gets more than the daemon has", () => {
  const available = ALL - 2 ** 24 - 2 ** 13;
  assert.ok(!request([], [], available).includes("CAP_NET_RAW"));
  const privileged = containerCapabilities(DEFAULT_CAPABILITIES, { isPrivileged: true }, available);
  assert.equal(privileged.length, 39);
  assert.ok(!hasBit(maskOfNames(request(["ALL"], [], available)), 24));
});
