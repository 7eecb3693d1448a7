// The builder over the real layer store and the real keel: what the fakes only promise. Needs root.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { decodeName } from "../lib/tar/names.ts";
import { type ExportEntry, type FsSession, type Keel, startKeel } from "../linux/keel.ts";
import { fs } from "../linux/ops.ts";
import { imageIdOf, parseImageConfig } from "../oci/image-config.ts";
import { FileContentStore } from "../storage/content/store.ts";
import { LayerStore } from "../storage/layer/store.ts";
import { StepFlights } from "./solver/flights.ts";
import type { LayerId } from "../storage/layer/types.ts";
import { MetaStore } from "../storage/meta/store.ts";
import { type TestFile, tarBytes, tarStream } from "./_test-tar.ts";
import { buildImage } from "./build-image.ts";
import type { BuildEvent } from "./events.ts";
import type { BuildPorts, CacheRecord, LayerSink, NewImage, SourceImage } from "./solver/ports.ts";

const ROOT = join(import.meta.dirname, "../..");
const KEEL = join(ROOT, "build/keel");
const EMPTY_TAR_BYTES = 1024;
const isRoot = process.getuid?.() === 0;
const options = { skip: isRoot ? false : "needs root" };

let base = "";
let keel: Keel;
let meta: MetaStore;
let store: LayerStore;
const cache = new Map<string, CacheRecord>();
const images = new Map<string, SourceImage>();
let created: NewImage[] = [];

before(async () => {
  if (!isRoot) return;
  if (!existsSync(KEEL)) execFileSync("make", ["-C", join(ROOT, "native")]);
  base = await mkdtemp(join(tmpdir(), "berth-build-real-"));
  keel = await startKeel({ keelPath: KEEL, socketPath: join(base, "agent.sock") });
  meta = await MetaStore.open(join(base, "meta"), { isLocking: false });
  const content = await FileContentStore.open(join(base, "content"));
  store = await LayerStore.open({ dir: base, meta, content, keel });
  await mkdir(join(base, "scratch"));
});

after(async () => {
  if (!isRoot) return;
  await store.close();
  await keel.close();
  await rm(base, { recursive: true, force: true });
});

const layers: LayerSink = {
  maxArchiveBytes: Number.POSITIVE_INFINITY,
  async beginDiff(parent) {
    const draft = await store.beginDiff(parent);
    return {
      root: () => draft.root(),
      upper: draft.upper,
      openFs: () => store.openFs(draft.root()),
      openUpper: () => store.openFs({ kind: "dir", path: draft.upper }),
      discard: () => draft.discard(),
      async commit() {
        const layer = await draft.commit({ durable: false });
        return { ...layer, isEmpty: layer.tarBytes <= EMPTY_TAR_BYTES };
      },
    };
  },
  openView: (top) => store.openFs(store.rootSource(top)),
  rootOf: (top) => store.rootSource(top),
  unpack: async (content, parent, expectedDiffId) =>
    (await store.unpack(content, parent, { expectedDiffId })).id,
  find: async (chainId) => store.byChain(chainId)?.id,
};

function ports(): BuildPorts {
  return {
    layers,
    devices: async () => ({ devices: new Map() }),
    images: {
      resolve: async ({ reference }) => images.get(reference) as SourceImage,
      findLocal: async (reference) => images.get(reference),
      create: async (image) => {
        created.push(image);
        return imageIdOf(image.config);
      },
    },
    steps: { run: async () => ({ exitCode: 0 }) },
    cache: { get: async (key) => cache.get(key), put: async (key, record) => void cache.set(key, record) },
    cacheMounts: { take: () => Promise.reject(new Error("no cache in this test")) },
    flights: new StepFlights(),
    history: { get: async () => undefined, put: () => undefined },
    makeScratch: () => mkdtemp(join(base, "scratch/")),
    now: () => new Date().toISOString(),
  };
}

async function addImage(name: string, files: Readonly<Record<string, TestFile>>): Promise<void> {
  const layer = await store.unpack(tarStream(files), null, { durable: false });
  const config = Buffer.from(
    JSON.stringify({
      architecture: "amd64",
      os: "linux",
      config: {},
      rootfs: { type: "layers", diff_ids: [layer.diffId] },
    }),
  );
  images.set(name, { id: imageIdOf(config), config: parseImageConfig(config), layers: [layer.id], name });
}

async function build(
  dockerfile: string,
  files: Readonly<Record<string, TestFile>> = {},
): Promise<BuildEvent[]> {
  created = [];
  const events: BuildEvent[] = [];
  const context = tarStream({ Dockerfile: dockerfile, ...files });
  const signal = new AbortController().signal;
  await buildImage({ context }, ports(), { signal, onEvent: (event) => events.push(event) });
  assert.deepEqual(readdirSync(join(base, "scratch")), [], "scratch left");
  return events;
}

type Listing = Record<string, Pick<ExportEntry, "mode" | "uid" | "gid"> & { text: string }>;

/** Every file of the image that was built last. */
async function listRoot(): Promise<Listing> {
  const top = created.at(-1)?.layers.at(-1) as LayerId;
  await using session: FsSession = await store.openFs(store.rootSource(top));
  const listing: Listing = {};
  for await (const entry of session.export("/")) {
    const chunks: Uint8Array[] = [];
    for await (const chunk of entry.content()) chunks.push(Uint8Array.from(chunk));
    const text = entry.linkTarget.length > 0 ? `->${entry.linkTarget}` : Buffer.concat(chunks).toString();
    listing[decodeName(entry.rawPath)] = { mode: entry.mode & 0o7777, uid: entry.uid, gid: entry.gid, text };
  }
  return listing;
}

const symlink = (linkName: string): TestFile => ({ type: "symlink", linkName });

test("COPY through hostile symlinks of the image stays inside the root", options, async () => {
  const victim = join(base, "victim");
  await mkdir(victim);
  await writeFile(join(victim, "keep"), "untouched");
  const up = "../".repeat(30);
  await addImage("hostile", {
    "real/x": "1",
    absolute: symlink(victim),
    relative: symlink(`${up}${victim.slice(1)}`),
    dangling: symlink(`${victim}/new/deep`),
    file: symlink(`${victim}/keep`),
    good: symlink("/real"),
    chain: symlink("good"),
  });
  await build(
    [
      "FROM hostile",
      "COPY a /absolute/a",
      "COPY a /relative/b",
      "COPY a /dangling/c",
      "COPY a /file",
      "COPY d /chain",
      "COPY --chown=5:6 d /absolute/tree",
      "WORKDIR /relative/work",
      "ADD t.tar /absolute/tar/",
    ].join("\n"),
    {
      a: "A",
      "d/e/f": "F",
      "t.tar": {
        content: tarBytes({ out: symlink(victim), "out/g": "G", h: { type: "hardlink", linkName: "out/g" } }),
      },
    },
  );
  assert.deepEqual(readdirSync(victim), ["keep"]);
  const root = await listRoot();
  const inside = victim.slice(1);
  assert.equal(root[`${inside}/a`]?.text, "A");
  assert.equal(root[`${inside}/b`]?.text, "A");
  assert.equal(root[`${inside}/new/deep/c`]?.text, "A");
  assert.equal(root[`${inside}/keep`]?.text, "A");
  assert.equal(root["real/e/f"]?.text, "F");
  assert.deepEqual([root[`${inside}/tree/e/f`]?.uid, root[`${inside}/tree/e/f`]?.gid], [5, 6]);
  assert.equal(root[`${inside}/work`]?.mode, 0o755);
  assert.equal(root[`${inside}/tar/${inside}/g`]?.text, "G");
});

test("COPY --from takes the files of a stage with owners, modes, links and attributes", options, async () => {
  await addImage("source", {
    "o/": { mode: 0o750, uid: 7, gid: 8 },
    "o/f": { content: "F", mode: 0o4755, uid: 7, gid: 8, xattrs: new Map([["user.note", Buffer.from("n")]]) },
    "o/hard": { type: "hardlink", linkName: "o/f" },
    "o/l": symlink("f"),
    "o/big": { content: "x".repeat(3 << 20) },
    abs: symlink("/o/f"),
  });
  await addImage("plain", { etc: { type: "directory" } });
  await build(
    "FROM plain\nCOPY --from=source /o /copied\nCOPY --from=source /abs /one\nCOPY --from=source o/* /glob/\n",
  );
  const root = await listRoot();
  assert.deepEqual(root["copied/f"], { mode: 0o4755, uid: 7, gid: 8, text: "F" });
  assert.equal(root["copied/hard"]?.text, "F");
  assert.equal(root["copied/l"]?.text, "->f");
  assert.equal(root["copied/big"]?.text.length, 3 << 20);
  assert.equal(root["one"]?.text, "F");
  assert.equal(root["glob/l"]?.text, "F");
});

test("a large file of the context is copied by the kernel with owner, mode and time", options, async () => {
  const content = Buffer.alloc(9 << 20, "0123456789abcdef");
  const events = await build("FROM scratch\nCOPY --chown=3:4 --chmod=0600 big small /d/\n", {
    big: { content, mtimeSec: 1_600_000_000 },
    small: "s",
  });
  const root = await listRoot();
  assert.equal(root["d/big"]?.text.length, content.length);
  assert.deepEqual([root["d/big"]?.uid, root["d/big"]?.gid, root["d/big"]?.mode], [3, 4, 0o600]);
  assert.equal(events.at(-1)?.type, "built");
  const top = created.at(-1)?.layers.at(-1) as LayerId;
  await using session = await store.openFs(store.rootSource(top));
  const [stat] = await session.sync([fs.stat("/d/big")]);
  assert.equal(Number((stat as readonly unknown[])[4]), 1_600_000_000);
});

test(
  "names that are not UTF-8 survive, and an existing directory keeps its own metadata",
  options,
  async () => {
    await addImage("dirs", {
      "dst/": { mode: 0o711, uid: 9, gid: 9 },
      "dst/old": "old",
      "dst/link": symlink("/etc"),
    });
    const odd = "caf\udce9";
    await build("FROM dirs\nCOPY src /dst\n", {
      "src/": { mode: 0o700 },
      [`src/${odd}`]: "odd",
      "src/link/in": "replaced the link",
    });
    const root = await listRoot();
    assert.deepEqual([root["dst"]?.mode, root["dst"]?.uid], [0o711, 9]);
    assert.equal(root[`dst/${odd}`]?.text, "odd");
    assert.equal(root["dst/old"]?.text, "old");
    assert.equal(root["dst/link/in"]?.text, "replaced the link");
  },
);

test("a file never replaces a directory that was there", options, async () => {
  await addImage("busy", { "dst/sub/x": "x" });
  await assert.rejects(build("FROM busy\nCOPY src /dst\n", { "src/sub": "file" }), {
    message: 'cannot overwrite directory with non-directory: "/dst/sub"',
  });
});

test(
  "a step that changes nothing makes no layer, and cached steps are found by content",
  options,
  async () => {
    await addImage("still", { "w/": {} });
    await build("FROM still\nWORKDIR /w\nRUN true\nCOPY a /a\n", { a: "A" });
    assert.equal(created.at(-1)?.layers.length, 2);
    const events = await build("FROM still\nWORKDIR /w\nRUN true\nCOPY a /a\n", { a: "A" });
    assert.equal(events.filter((e) => e.type === "cached").length, 3);
  },
);

test(
  "COPY --from --parents takes each time what is named, with the directories on the way",
  options,
  async () => {
    await addImage("deep", {
      "x/": { mode: 0o750, uid: 3, gid: 4 },
      "x/y/": { mode: 0o711 },
      "x/y/z": "Z",
      "x/other": "O",
      "w/v/u.md": "U",
      "w/v/t.txt": "T",
    });
    await addImage("plain", { etc: { type: "directory" } });
    const from = "COPY --from=deep --parents";
    await build(
      `FROM plain\n${from} /x/y/z /a/\n${from} /x/other /a/\n${from} /w/*/*.md /b/\n${from} /x/./y/z /c/\n`,
    );
    const root = await listRoot();
    const names = Object.keys(root).filter((name) => /^[abc]/.test(name));
    assert.deepEqual(names.sort(), [
      ...["a", "a/x", "a/x/other", "a/x/y", "a/x/y/z", "b", "b/w", "b/w/v", "b/w/v/u.md"],
      ...["c", "c/y", "c/y/z"],
    ]);
    assert.deepEqual(root["a/x"], { mode: 0o750, uid: 3, gid: 4, text: "" });
    assert.equal(root["a/x/y"]?.mode, 0o711);
    assert.equal(root["a/x/y/z"]?.text, "Z");
  },
);

test("directories of an archive keep their times", options, async () => {
  const content = tarBytes({ "d/": { mtimeSec: 1_400_000_000 }, "d/f": "F", "d/g": "G" });
  await build("FROM scratch\nADD t.tar /o/\n", { "t.tar": { content } });
  const top = created.at(-1)?.layers.at(-1) as LayerId;
  await using session = await store.openFs(store.rootSource(top));
  const [stat] = await session.sync([fs.stat("/o/d")]);
  assert.equal(Number((stat as readonly unknown[])[4]), 1_400_000_000);
});
