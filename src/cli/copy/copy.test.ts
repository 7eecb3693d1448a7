// Copying in both directions against a daemon that keeps one tree of archives; hostile archives stay inside.

import assert from "node:assert/strict";
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { createClient } from "../../api/client.ts";
import { messageOf } from "../../lib/errors.ts";
import type { TarEntry } from "../../lib/tar/entry.ts";
import { readTar } from "../../lib/tar/reader.ts";
import { TAR_END, tarEntry, tarHeader, tarPadding } from "../../lib/tar/writer.ts";
import { downloadPath } from "./download.ts";
import { absolute, uploadPath } from "./upload.ts";

const directoryMode = 2 ** 31 + 0o755;

type Piece = Pick<TarEntry, "type" | "name"> & Partial<TarEntry> & { readonly content?: string };

function archive(pieces: readonly Piece[]): Buffer {
  const blocks = pieces.flatMap(({ content = "", ...entry }) => [
    tarHeader(
      tarEntry({ mode: entry.type === "directory" ? 0o755 : 0o644, ...entry, sizeBytes: content.length }),
    ),
    Buffer.from(content),
    tarPadding(content.length),
  ]);
  return Buffer.concat([...blocks, TAR_END]);
}

interface Setup {
  /** Modes of paths in the container. */
  readonly stats?: Readonly<Record<string, number>>;
  readonly archive?: Buffer;
}

async function withDaemon(
  setup: Setup,
  use: (daemon: { host: string; dir: string; put: { path: string; body: Buffer }[] }) => Promise<void>,
) {
  const dir = mkdtempSync(join(tmpdir(), "berth-cp-"));
  const put: { path: string; body: Buffer }[] = [];
  const server = createServer((request, response) => {
    const path = new URL(request.url ?? "", "http://x").searchParams.get("path") ?? "";
    const mode = setup.stats?.[path];
    const stat = { name: path, size: 0, mode: mode ?? 0o644, mtime: "", linkTarget: "" };
    response.setHeader("X-Docker-Container-Path-Stat", Buffer.from(JSON.stringify(stat)).toString("base64"));
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      if (request.method === "HEAD" && mode === undefined) response.statusCode = 404;
      if (request.method === "PUT") put.push({ path, body: Buffer.concat(chunks) });
      response.end(request.method === "GET" ? setup.archive : undefined);
    });
  });
  await new Promise<void>((resolve) => server.listen(join(dir, "s"), resolve));
  try {
    await use({ host: `unix://${join(dir, "s")}`, dir, put });
  } finally {
    server.close();
    server.closeAllConnections();
    rmSync(dir, { recursive: true });
  }
}

async function names(body: Buffer): Promise<string[]> {
  const found: string[] = [];
  for await (const events of readTar(
    (async function* () {
      yield body;
    })(),
  )) {
    for (const event of events) if (event.kind === "entry") found.push(event.entry.name);
  }
  return found;
}

test("absolute reads container paths from the root and keeps what says a directory", () => {
  assert.equal(absolute("a/b"), "/a/b");
  assert.equal(absolute("/a/../b/"), "/b/");
  assert.equal(absolute("/a/."), "/a/.");
  assert.equal(absolute("."), "/.");
});

test("uploadPath names the copy by what is at the target", async () => {
  const stats = { "/dir": directoryMode, "/file": 0o644 };
  await withDaemon({ stats }, async ({ host, dir, put }) => {
    mkdirSync(join(dir, "src/sub"), { recursive: true });
    writeFileSync(join(dir, "src/sub/f"), "x");
    const copy = (source: string, target: string) =>
      uploadPath({
        client: createClient({ host }),
        container: "c",
        source: join(dir, source),
        target,
        followLink: false,
        keepOwner: false,
      });
    const result = async (): Promise<[string, string[]]> => {
      const last = put.at(-1);
      return [last?.path ?? "", await names(last?.body ?? Buffer.alloc(0))];
    };
    await copy("src", "/dir");
    assert.deepEqual(await result(), ["/dir", ["src", "src/sub", "src/sub/f"]]);
    await copy("src/.", "/dir");
    // join() drops the dot, so it is given as the user would.
    await uploadPath({
      client: createClient({ host }),
      container: "c",
      source: `${dir}/src/.`,
      target: "/dir",
      followLink: false,
      keepOwner: false,
    });
    assert.deepEqual(await result(), ["/dir", ["sub", "sub/f"]]);
    await copy("src", "/new");
    assert.deepEqual(await result(), ["/", ["new", "new/sub", "new/sub/f"]]);
    await copy("src/sub/f", "/file");
    assert.deepEqual(await result(), ["/", ["file"]]);
    await assert.rejects(copy("src", "/file"), { message: "cannot copy directory" });
    await assert.rejects(copy("src/sub/f", "/new/"), { message: "no such directory" });
    await assert.rejects(copy("nope", "/dir"), /lstat .*nope: no such file or directory/);
  });
});

test("uploadPath sends small and large files byte for byte", async () => {
  const stats = { "/dir": directoryMode };
  await withDaemon({ stats }, async ({ host, dir, put }) => {
    mkdirSync(join(dir, "src"));
    const sizes = [
      0, 1, 511, 512, 513, 30_000, 32_768, 32_769, 262_145, 1_048_575, 1_048_576, 1_048_577, 2_500_001,
    ];
    const contents = new Map<string, string>();
    for (const [i, size] of [...sizes, ...sizes, ...new Array<number>(1500).fill(700)].entries()) {
      const name = `src/${String(i).padStart(4, "0")}`;
      contents.set(name, `${i} `.repeat(size).slice(0, size));
      writeFileSync(join(dir, name), contents.get(name) as string);
    }
    await uploadPath({
      client: createClient({ host }),
      container: "c",
      source: join(dir, "src"),
      target: "/dir",
      followLink: false,
      keepOwner: false,
    });
    const arrived = new Map<string, string>();
    let name = "";
    const body = put.at(-1)?.body as Buffer;
    for await (const events of readTar(
      (async function* () {
        yield body;
      })(),
    ))
      for (const event of events) {
        if (event.kind === "entry") name = event.entry.name;
        if (event.kind === "entry" && event.entry.type === "file") arrived.set(name, "");
        if (event.kind === "data")
          arrived.set(name, `${arrived.get(name)}${Buffer.from(event.bytes).toString()}`);
      }
    assert.deepEqual(arrived, contents);
  });
});

test("downloadPath unpacks under the name that the target asks for", async () => {
  const tree = archive([
    { type: "directory", name: "src" },
    { type: "file", name: "src/a", content: "A" },
    { type: "symlink", name: "src/l", linkName: "/etc/passwd" },
  ]);
  await withDaemon({ stats: { "/src": directoryMode }, archive: tree }, async ({ host, dir }) => {
    const copy = (target: string) =>
      downloadPath({
        client: createClient({ host }),
        container: "c",
        source: "/src",
        target: join(dir, target),
        followLink: false,
        keepOwner: false,
      });
    mkdirSync(join(dir, "exists"));
    await copy("exists");
    assert.deepEqual(readdirSync(join(dir, "exists/src")).sort(), ["a", "l"]);
    await copy("fresh");
    assert.equal(readFileSync(join(dir, "fresh/a"), "utf8"), "A");
    assert.ok(lstatSync(join(dir, "fresh/l")).isSymbolicLink());
    writeFileSync(join(dir, "plain"), "");
    await assert.rejects(copy("plain"), { message: "cannot copy directory" });
    await assert.rejects(copy("no/such/parent"), /directory ".*no\/such" does not exist/);
  });
});

const downloadTo = (host: string, target: string) =>
  downloadPath({
    client: createClient({ host }),
    container: "c",
    source: "/src",
    target,
    followLink: false,
    keepOwner: false,
  });

test("downloadPath does not follow an archive out of its target", async () => {
  const attacks: Piece[][] = [
    [
      { type: "directory", name: "src" },
      { type: "file", name: "src/../../evil", content: "x" },
    ],
    [
      { type: "directory", name: "src" },
      { type: "symlink", name: "src/l", linkName: ".." },
      { type: "file", name: "src/l/evil", content: "x" },
    ],
    [
      { type: "directory", name: "src" },
      { type: "symlink", name: "src/d", linkName: "/" },
      { type: "directory", name: "src/d/evil" },
    ],
  ];
  for (const pieces of attacks) {
    await withDaemon(
      { stats: { "/src": directoryMode }, archive: archive(pieces) },
      async ({ host, dir }) => {
        mkdirSync(join(dir, "in"));
        const copy = downloadTo(host, join(dir, "in/out"));
        await assert.rejects(copy, (error) => /invalid name in archive/.test(messageOf(error)));
        assert.deepEqual(readdirSync(join(dir, "in")), ["out"]);
      },
    );
  }
});

test("downloadPath puts no link in the place of a directory that it has made", async () => {
  const pieces: Piece[] = [
    { type: "directory", name: "src" },
    { type: "directory", name: "src/d" },
    { type: "file", name: "src/d/a", content: "a" },
    { type: "symlink", name: "src/d", linkName: ".." },
    { type: "file", name: "src/d/evil", content: "x" },
  ];
  await withDaemon({ stats: { "/src": directoryMode }, archive: archive(pieces) }, async ({ host, dir }) => {
    mkdirSync(join(dir, "in"));
    const copy = downloadTo(host, join(dir, "in/out"));
    await assert.rejects(copy, (error) => /cannot overwrite directory/.test(messageOf(error)));
    assert.deepEqual(readdirSync(join(dir, "in")), ["out"]);
    assert.deepEqual(readdirSync(join(dir, "in/out/d")), ["a"]);
  });
});

test("downloadPath gives files their mode and time, and a name that comes twice the last content", async () => {
  const file = (content: string, mode: number): Piece => ({
    type: "file",
    name: "src/f",
    content,
    mode,
    mtimeSec: 1000,
  });
  const pieces: Piece[] = [{ type: "directory", name: "src" }, file("first", 0o600), file("last", 0o4711)];
  await withDaemon({ stats: { "/src": directoryMode }, archive: archive(pieces) }, async ({ host, dir }) => {
    await downloadPath({
      client: createClient({ host }),
      container: "c",
      source: "/src",
      target: join(dir, "out"),
      followLink: false,
      keepOwner: false,
    });
    const { mode, mtimeMs } = statSync(join(dir, "out/f"));
    assert.equal(mode & 0o7777, 0o4711);
    assert.equal(mtimeMs, 1_000_000);
    assert.equal(readFileSync(join(dir, "out/f"), "utf8"), "last");
  });
});

test("downloadPath replaces a link at a file's place rather than writing through it", async () => {
  const file = archive([{ type: "file", name: "f", content: "new" }]);
  await withDaemon({ stats: { "/f": 0o644 }, archive: file }, async ({ host, dir }) => {
    mkdirSync(join(dir, "d"));
    writeFileSync(join(dir, "precious"), "old");
    symlinkSync(join(dir, "precious"), join(dir, "d/f"));
    await downloadPath({
      client: createClient({ host }),
      container: "c",
      source: "/f",
      target: join(dir, "d"),
      followLink: false,
      keepOwner: false,
    });
    assert.equal(readFileSync(join(dir, "precious"), "utf8"), "old");
    assert.equal(readFileSync(join(dir, "d/f"), "utf8"), "new");
  });
});
