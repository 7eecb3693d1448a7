import assert from "node:assert/strict";
import { test } from "node:test";
import { completeConfig, completeEnv } from "./config.ts";

const ID = "0123456789abcdef".repeat(4);
const image = {
  entrypoint: ["/entry"],
  cmd: ["image-cmd"],
  env: ["PATH=/bin", "A=1"],
  user: "u",
  labels: { a: "1" },
};
test("completeConfig combines entrypoint and command as the Dockerfile reference says", () => {
  const run = (request: object): unknown[] => {
    const c = completeConfig(request, image, ID.slice(0, 12));
    return [c.Entrypoint, c.Cmd];
  };
  assert.deepEqual(run({}), [["/entry"], ["image-cmd"]]);
  assert.deepEqual(run({ Cmd: ["x"] }), [["/entry"], ["x"]]);
  assert.deepEqual(run({ Entrypoint: ["/e"] }), [["/e"], null]);
  assert.deepEqual(run({ Entrypoint: ["/e"], Cmd: ["x"] }), [["/e"], ["x"]]);
  assert.deepEqual(run({ Entrypoint: [""], Cmd: ["x"] }), [null, ["x"]]);
  assert.throws(() => completeConfig({ Entrypoint: [""] }, image, ID.slice(0, 12)), /no command specified/);
  assert.throws(() => completeConfig({}, {}, ID.slice(0, 12)), /no command specified/);
});

test("completeConfig takes the image's defaults where the request has none", () => {
  const c = completeConfig({ Image: "i", Labels: { b: "2" } }, image, ID.slice(0, 12));
  assert.equal(c.Hostname, "0123456789ab");
  assert.equal(c.User, "u");
  assert.deepEqual(c.Labels, { a: "1", b: "2" });
  assert.equal(completeConfig({ User: "v" }, image, ID.slice(0, 12)).User, "v");
});

test("completeEnv replaces, and keeps what is to be unset; the default PATH is not in it", () => {
  assert.deepEqual(completeEnv(["PATH=/bin", "A=1", "B=2"], ["A=9", "B"]), ["A=9", "B", "PATH=/bin"]);
  assert.equal(completeEnv([], []), null);
});
