import assert from "node:assert/strict";
import { test } from "node:test";
import { runtimeSettingsOf } from "./runtime-config.ts";

const NO_FLAGS = { "add-runtime": [], "default-runtime": "" };
const read = (
  file: Record<string, unknown>,
  flags: Partial<typeof NO_FLAGS> | { "add-runtime": string[] } = {},
) => runtimeSettingsOf(file, { ...NO_FLAGS, ...flags }, () => undefined);
const refuses = (file: Record<string, unknown>, message: RegExp | string, flags = {}) =>
  assert.throws(() => read(file, flags), { kind: "invalidParameter", message });

test("runtimes come from the file, or from flags", () => {
  const runtimes = { a: { path: "/a", runtimeArgs: ["-x"] }, b: { path: "b" } };
  assert.deepEqual(read({ runtimes }).configured, runtimes);
  assert.deepEqual(read({}, { "add-runtime": ["Fast = /bin/fast", "b=c=d"] }).configured, {
    fast: { path: "/bin/fast" },
    b: { path: "c=d" },
  });
  assert.equal(read({ runtimes, "default-runtime": "a" }).defaultName, "a");
});

test("containerd's way of naming a program is understood, other shims are refused", () => {
  const shim = { runtimeType: "io.containerd.runc.v2", options: { BinaryName: "/bin/rt" } };
  assert.deepEqual(read({ runtimes: { a: shim } }).configured["a"], { path: "/bin/rt", ...shim });
  refuses(
    { runtimes: { a: { runtimeType: "io.containerd.kata.v2" } } },
    /runtimeType io.containerd.kata.v2 is not supported/,
  );
  refuses({ runtimes: { a: { runtimeType: "io.containerd.runc.v2" } } }, /with the option BinaryName/);
  refuses(
    { runtimes: { a: { ...shim, options: { ...shim.options, Root: "/x" } } } },
    "runtime a: option Root is not supported",
  );
});

test("what contradicts itself is refused in Docker's words", () => {
  const wrong = (a: unknown, message: string) => refuses({ runtimes: { a } }, `runtime a: ${message}`);
  wrong({}, "either a runtimeType or a path must be configured");
  wrong({ path: "/a", runtimeType: "x" }, "cannot configure both path and runtimeType for the same runtime");
  wrong({ path: "/a", options: { x: 1 } }, "options cannot be used with a path runtime");
  wrong({ runtimeType: "x", runtimeArgs: ["y"] }, "args cannot be used with a runtimeType runtime");
  wrong({ path: "/a", other: 1 }, 'unknown setting "other"');
  wrong({ path: 1 }, "path and runtimeType must be strings");
  wrong("x", "must be an object");
  refuses({ runtimes: [] }, /must be an object/);
  refuses({ runtimes: { runc: { path: "/a" } } }, "runtime name 'runc' is reserved");
  refuses({ "default-runtime": "nosuch" }, "specified default runtime 'nosuch' does not exist");
  refuses({ "default-runtime": 1 }, /must be a string/);
  for (const text of ["x", "=y", "x="])
    refuses({}, `invalid runtime argument: ${text}`, { "add-runtime": [text] });
  refuses({}, "runtime 'x' was already defined", { "add-runtime": ["x=1", "X=2"] });
});
