import assert from "node:assert/strict";
import { test } from "node:test";
import { localName, pulledName } from "./plugin-name.ts";

const DIGEST = `sha256:${"0".repeat(64)}`;

test("what is pulled is called as it was asked for, without a digest", () => {
  assert.equal(pulledName("docker.io/me/shelf", undefined), "me/shelf:latest");
  assert.equal(pulledName(`reg.example:5000/shelf:2@${DIGEST}`, ""), "reg.example:5000/shelf:2");
  assert.equal(pulledName(`shelf@${DIGEST}`, undefined), "shelf:latest");
  assert.equal(pulledName("shelf", "other:3"), "other:3");
});

test("a local name has no digest", () => {
  assert.equal(localName("other"), "other:latest");
  assert.throws(() => localName(`other@${DIGEST}`), /canonical references are not permitted/);
  assert.throws(() => localName(`other@${DIGEST}`, "invalid name"), /^Fault: invalid name$/);
});
