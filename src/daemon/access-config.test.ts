import assert from "node:assert/strict";
import { test } from "node:test";
import { accessConfigOf } from "./access-config.ts";
import { undoLimitsOf } from "./undo-config.ts";

const read = (file: object) =>
  accessConfigOf(file as Record<string, unknown>, { "authorization-plugin": [] });

test("sockets with their policies are read", () => {
  const config = read({
    "authorization-plugins": ["b", "a", "b"],
    access: [{ host: "unix:///s", labels: ["team=ci", "x=a=b"], allow: ["images"], "read-only": true }],
  });
  assert.deepEqual(config.plugins, ["b", "a"], "each is asked once");
  assert.deepEqual(config.sockets, [
    {
      host: "unix:///s",
      group: undefined,
      policy: {
        isReadOnly: true,
        operations: undefined,
        labels: { team: "ci", x: "a=b" },
        allow: ["images"],
      },
    },
  ]);
  assert.deepEqual(read({}), { plugins: [], auditLog: "", sockets: [] });
});

for (const [socket, words] of [
  [{ host: "unix:///s" }, /no policy/],
  [{ host: "/s", "read-only": true }, /needs a "host"/],
  [{ host: "unix:///s", "read-only": "yes" }, /true or false/],
  [{ host: "unix:///s", "read-only": true, allow: ["binds"] }, /for a scope of labels/],
  [{ host: "unix:///s", operations: ["Nothing"] }, /there are no operations Nothing/],
  [{ host: "unix:///s", labels: [] }, /key=value/],
  [{ host: "unix:///s", labels: ["a"] }, /key=value/],
  [{ host: "unix:///s", "read-only": true, mode: 1 }, /unknown mode/],
] as const)
  test(`a socket that is wrong is refused: ${JSON.stringify(socket)}`, () => {
    assert.throws(() => read({ access: [socket] }), { kind: "invalidParameter", message: words });
  });

test("undo: limits, off, and what is neither", () => {
  assert.deepEqual(undoLimitsOf({}), { keepMs: 3600_000, maxBytes: 10e9 });
  assert.deepEqual(undoLimitsOf({ undo: { keep: "10m", "max-size": "1GB" } }), {
    keepMs: 600_000,
    maxBytes: 1e9,
  });
  assert.equal(undoLimitsOf({ undo: false }).keepMs, 0);
  for (const undo of [
    "1h",
    { keep: 3 },
    { keep: "soon" },
    { "max-size": "much" },
    { other: 1 },
    { keep: "-1h" },
  ])
    assert.throws(() => undoLimitsOf({ undo }), { kind: "invalidParameter" });
});
