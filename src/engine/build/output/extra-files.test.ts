import assert from "node:assert/strict";
import { test } from "node:test";
import type { ExportEntry, FsSession } from "../../../linux/keel.ts";
import { fileSubjects, withFiles } from "./extra-files.ts";

const entry = (path: string, mode = 0o100644): ExportEntry => ({
  path,
  rawPath: Buffer.from(path),
  mode,
  uid: 1,
  gid: 1,
  sizeBytes: 1,
  mtimeSec: 0,
  mtimeNsec: 0,
  major: 0,
  minor: 0,
  dev: 1,
  ino: 1,
  nlink: 1,
  linkTarget: Buffer.alloc(0),
  xattrs: [],
  async *content() {
    yield Buffer.from("x");
  },
});

const root: FsSession = {
  send: () => undefined,
  sync: async () => [],
  async *export(path) {
    if (path === "/") {
      yield entry(".", 0o40755);
      yield entry("b", 0o40755);
      yield entry("b/z");
      yield entry("p.json");
      yield entry("q");
    } else yield entry(".");
  },
  [Symbol.asyncDispose]: async () => undefined,
};

const file = (name: string) => ({ name, bytes: Buffer.from(name) });
const pathsOf = async (session: FsSession): Promise<string[]> => {
  const paths: string[] = [];
  for await (const { path } of session.export("/")) paths.push(path);
  return paths;
};

test("files come in their places, and in that of a file with their name", async () => {
  const all = withFiles(root, ["zz", "a", "p.json", "b.c"].map(file), 7);
  assert.deepEqual(await pathsOf(all), [".", "a", "b", "b/z", "b.c", "p.json", "q", "zz"]);
  for await (const { mode, mtimeSec, sizeBytes, content } of all.export("/p.json")) {
    assert.deepEqual([mode, mtimeSec, sizeBytes], [0o100600, 7, 6]);
    for await (const bytes of content()) assert.equal(Buffer.from(bytes).toString(), "p.json");
  }
  for await (const { uid } of all.export("/q")) assert.equal(uid, 1);
  assert.equal(withFiles(root, [], 0), root);
});

test("fileSubjects are the regular files", async () => {
  const sha256 = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881";
  assert.deepEqual(
    await fileSubjects(root),
    ["b/z", "p.json", "q"].map((name) => ({ name, digest: { sha256 } })),
  );
});
