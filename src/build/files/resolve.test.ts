import assert from "node:assert/strict";
import { test } from "node:test";
import { resolveInTree } from "./resolve.ts";

/** Paths to link targets; "" is a directory, "f" a file. */
const TREE: Readonly<Record<string, string>> = {
  "/a": "",
  "/a/file": "f",
  "/a/b": "",
  "/abs": "/a/b",
  "/rel": "a/./b",
  "/up": "../../../a",
  "/a/b/parent": "..",
  "/loop": "loop",
  "/ping": "pong",
  "/pong": "ping",
  "/dangling": "/new/x",
  "/tofile": "a/file",
};
const read = async (path: string) => {
  const what = Object.hasOwn(TREE, path) ? (TREE[path] as string) : undefined;
  if (what === undefined) return undefined;
  if (what === "f") return { isDirectory: false };
  return what === "" ? { isDirectory: true } : { isDirectory: false, linkTarget: what };
};
const resolve = async (path: string, options = {}) => (await resolveInTree(read, path, options)).path;

test("resolveInTree follows links as chroot would", async () => {
  const table = {
    "/": "/",
    "a/b": "/a/b",
    "/abs/x": "/a/b/x",
    "/rel": "/a/b",
    "/up/file": "/a/file",
    "/up/../..": "/",
    "/a/b/parent/file": "/a/file",
    "/../../a": "/a",
    "/dangling/y": "/new/x/y",
    "/missing/../a": "/a",
    "/tofile": "/a/file",
    "/a/file/below": "/a/file/below",
  };
  for (const [path, expected] of Object.entries(table)) assert.equal(await resolve(path), expected, path);
});

test("resolveInTree says what is there", async () => {
  assert.deepEqual(await resolveInTree(read, "/abs"), { path: "/a/b", exists: true, isDirectory: true });
  assert.deepEqual(await resolveInTree(read, "/tofile"), {
    path: "/a/file",
    exists: true,
    isDirectory: false,
  });
  assert.deepEqual(await resolveInTree(read, "/abs/no"), {
    path: "/a/b/no",
    exists: false,
    isDirectory: false,
  });
});

test("keepLast leaves the last component, root confines", async () => {
  assert.equal(await resolve("/abs", { keepLast: true }), "/abs");
  assert.equal(await resolve("b/parent/parent/x", { root: "/a" }), "/a/parent/x");
  assert.equal(await resolve("../../x", { root: "/a" }), "/a/x");
});

test("resolveInTree refuses loops", async () => {
  await assert.rejects(resolve("/loop/x"), { code: "build.symlink-loop" });
  await assert.rejects(resolve("/ping"), { code: "build.symlink-loop" });
});
