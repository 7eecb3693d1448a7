// What is put into a build context and what is said when it cannot be.

import assert from "node:assert/strict";
import { linkSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import type { TarEntry } from "../../lib/tar/entry.ts";
import { readTar } from "../../lib/tar/reader.ts";
import { isRemoteContext, locateContext } from "./locate.ts";
import { packContext, type PackOptions } from "./pack.ts";

let dir = "";
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "berth-context-"));
});
afterEach(() => rmSync(dir, { recursive: true }));

function write(path: string, text = path): void {
  mkdirSync(join(dir, path, ".."), { recursive: true });
  writeFileSync(join(dir, path), text);
}

async function pack(options: Partial<PackOptions> = {}): Promise<{ entry: TarEntry; content: string }[]> {
  const files: { entry: TarEntry; content: string }[] = [];
  for await (const events of readTar(packContext({ directory: dir, dockerfile: "Dockerfile", ...options }))) {
    for (const event of events) {
      if (event.kind === "entry") files.push({ entry: event.entry, content: "" });
      const last = files.at(-1);
      if (event.kind === "data" && last !== undefined) last.content += Buffer.from(event.bytes).toString();
    }
  }
  return files;
}

test("packContext sorts, keeps links and gives everything to root", async () => {
  write("Dockerfile");
  write("b/two", "2");
  write("a", "1");
  symlinkSync("a", join(dir, "link"));
  linkSync(join(dir, "a"), join(dir, "z"));
  const files = await pack();
  assert.deepEqual(
    files.map(({ entry }) => [entry.name, entry.type, entry.linkName, entry.uid, entry.gid]),
    [
      ["Dockerfile", "file", "", 0, 0],
      ["a", "file", "", 0, 0],
      ["b", "directory", "", 0, 0],
      ["b/two", "file", "", 0, 0],
      ["link", "symlink", "a", 0, 0],
      ["z", "hardlink", "a", 0, 0],
    ],
  );
  assert.equal(files[3]?.content, "2");
});

test("packContext leaves out what .dockerignore names, but never the Dockerfile", async () => {
  for (const path of ["Dockerfile", "keep", "logs/a.log", "logs/keep.log", "node_modules/x/y", "deep/n.tmp"])
    write(path);
  write(
    ".dockerignore",
    "# comment\n*.tmp\n**/*.tmp\nnode_modules\nlogs/*\n!logs/keep.log\nDockerfile\n.dockerignore\n",
  );
  const names = (await pack()).map(({ entry }) => entry.name);
  assert.deepEqual(names, [".dockerignore", "Dockerfile", "deep", "keep", "logs", "logs/keep.log"]);
});

test("packContext prefers the Dockerfile's own ignore file", async () => {
  write("other.Dockerfile");
  write(".dockerignore", "a\n");
  write("other.Dockerfile.dockerignore", "b\n");
  write("a");
  write("b");
  const names = (await pack({ dockerfile: "other.Dockerfile" })).map(({ entry }) => entry.name);
  assert.ok(names.includes("a") && !names.includes("b"));
});

test("packContext sends many small files in few pieces, which keep what they hold", async () => {
  const names = Array.from({ length: 1000 }, (_, i) => `f${String(i).padStart(4, "0")}`);
  for (const name of names) write(name);
  write("f0500", "large ".repeat(100_000));
  const pieces: Uint8Array[] = [];
  for await (const piece of packContext({ directory: dir, dockerfile: undefined })) pieces.push(piece);
  assert.ok(pieces.length < 20, `${pieces.length} pieces`);
  const contents: string[] = [];
  for await (const events of readTar(
    (async function* () {
      yield* pieces;
    })(),
  )) {
    for (const event of events) {
      if (event.kind === "entry") contents.push("");
      else if (event.kind === "data") contents.push(contents.pop() + Buffer.from(event.bytes).toString());
    }
  }
  assert.deepEqual(
    contents,
    names.map((name) => (name === "f0500" ? "large ".repeat(100_000) : name)),
  );
});

test("packContext adds files from outside", async () => {
  write("a");
  const extra = new Map([[".dockerfile.x", Buffer.from("FROM scratch\n")]]);
  const files = await pack({ dockerfile: ".dockerfile.x", extra });
  assert.deepEqual(files.at(-1)?.entry.name, ".dockerfile.x");
  assert.equal(files.at(-1)?.content, "FROM scratch\n");
});

test("locateContext finds the Dockerfile inside, outside and in lower case", () => {
  write("ctx/dockerfile");
  write("ctx/sub/My.Dockerfile");
  write("outside", "FROM x\n");
  const context = join(dir, "ctx");
  assert.equal(locateContext(context, "").dockerfile, "dockerfile");
  assert.equal(locateContext(context, join(context, "sub/My.Dockerfile")).dockerfile, "sub/My.Dockerfile");
  assert.equal(
    Buffer.from(locateContext(context, join(dir, "outside")).outside ?? "").toString(),
    "FROM x\n",
  );
});

test("locateContext says what is missing", () => {
  write("file");
  assert.throws(() => locateContext(join(dir, "nope"), ""), {
    message: `unable to prepare context: path "${join(dir, "nope")}" not found`,
  });
  assert.throws(() => locateContext(join(dir, "file"), ""), /context must be a directory/);
  assert.throws(() => locateContext(dir, ""), {
    message: `unable to prepare context: unable to evaluate symlinks in Dockerfile path: lstat ${join(dir, "Dockerfile")}: no such file or directory`,
  });
});

test("isRemoteContext knows URLs from paths", () => {
  for (const url of [
    "https://example.com/x.tar",
    "git://h/r.git",
    "git@github.com:a/b.git",
    "github.com/a/b",
  ]) {
    assert.ok(isRemoteContext(url), url);
  }
  for (const path of [".", "/srv/http", "./https", "c:/x"]) assert.ok(!isRemoteContext(path), path);
});
