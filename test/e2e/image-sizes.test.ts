// Sizes of images agree with du(1): a layer is as large as what it holds that is no directory, by apparent size (`du -b`), a file with
// several names once. Not by blocks: how much of a disk a layer takes is the file system's affair and differs between two of them.
// A layer that images share is in each one's size, in each one's shared size, and once in the sum.
import assert from "node:assert/strict";
import {
  appendFile,
  link,
  mkdir,
  mkdtemp,
  readdir,
  rm,
  symlink,
  truncate,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { run } from "./command.ts";
import { type Client, clients, TestDaemon } from "./harness.ts";

/** Holes, several names of one file, symlinks, whiteouts, a file of the lower layer under a second name, and many small files. */
const STEPS = [
  "mkdir -p /many/a && for i in $(seq 500); do echo $i >/many/a/$i; done",
  "truncate -s 3000000 /sparse && printf end >>/sparse && printf 12345 >/one && ln /one /two && ln -s /one /three",
  "rm /one && rm -r /many/a && ln /two /again && mkfifo /pipe && chmod 700 /sparse",
];

const HOLE_BYTES = 3_000_000;

interface Usage {
  LayersSize: number;
  Images: { Id: string; RepoTags: string[]; Size: number; SharedSize: number }[];
}

describe("sizes of images", () => {
  let daemon: TestDaemon;
  const client = clients[0] as Client;
  const text = (...args: string[]): Promise<string> => daemon.text(client, args);

  before(async () => {
    daemon = await TestDaemon.start({ config: { undo: false } });
  });
  after(() => daemon.close());

  const layers = async (): Promise<string[]> =>
    (await readdir(join(daemon.dataRoot, "layers"))).filter((name) => !name.startsWith(".")).sort();

  /** What du says of everything below some directories that is no directory itself. */
  async function du(...dirs: string[]): Promise<number> {
    const command = 'find "$@" ! -type d -print0 | du --files0-from=- -bc | tail -n 1';
    const { stdout, stderr } = await run(["sh", "-c", command, "sh", ...dirs]);
    assert.equal(stderr, "");
    return Number(/^(\d+)\ttotal$/m.exec(stdout)?.[1]);
  }

  const duOfLayers = (ids: readonly string[]): Promise<number> =>
    du(...ids.map((id) => join(daemon.dataRoot, "layers", id)));

  const usage = async (): Promise<Usage> =>
    (await daemon.request("GET", "/v1.45/system/df")).body as unknown as Usage;

  async function sizeOf(name: string): Promise<{ size: number; shared: number }> {
    const image = (await usage()).Images.find((i) => i.RepoTags.includes(name));
    const inspected = Number(await text("image", "inspect", "-f", "{{.Size}}", name));
    assert.equal(image?.Size, inspected, "system df and inspect agree");
    return { size: inspected, shared: image?.SharedSize ?? -1 };
  }

  /** Builds an image of some steps; returns the layers that came with it. */
  async function build(name: string, from: string, steps: readonly string[]): Promise<string[]> {
    const before = await layers();
    const input = [`FROM ${from}`, ...steps.map((step) => `RUN ${step}`)].join("\n");
    const built = await daemon.run(client, ["build", "-q", "-t", name, "-"], { input });
    assert.equal(built.status, 0, built.stderr);
    return (await layers()).filter((id) => !before.includes(id));
  }

  test("what was built, saved and loaded is as large as du says, shared parts counted once", async () => {
    const base = await layers();
    const baseBytes = await duOfLayers(base);
    assert.deepEqual(await sizeOf("busybox:latest"), { size: baseBytes, shared: 0 });
    const first = await build("first:1", "busybox", STEPS);
    assert.equal(first.length, STEPS.length);
    const sizes = await Promise.all(first.map((id) => duOfLayers([id])));
    // 500 numbers with newlines; a hole, its end, two names of five bytes, a symlink's four; the file is copied up for its new mode and name.
    assert.deepEqual(sizes, [1892, 3_000_003 + 5 + 4, 3_000_003 + 5]);
    const firstBytes = baseBytes + (await duOfLayers(first));
    assert.deepEqual(await sizeOf("first:1"), { size: firstBytes, shared: baseBytes });
    const second = await build("second:1", "first:1", ["head -c 1000 /dev/urandom >/more"]);
    assert.deepEqual(await sizeOf("second:1"), { size: firstBytes + 1000, shared: firstBytes });
    assert.deepEqual(await sizeOf("first:1"), { size: firstBytes, shared: firstBytes });
    const all = [...base, ...first, ...second];
    assert.deepEqual(await layers(), all.sort());
    assert.equal((await usage()).LayersSize, await duOfLayers(all));

    // The same layers out of an archive are as large as they were.
    await text("save", "-o", daemon.path("saved.tar"), "first:1", "second:1");
    await text("rmi", "second:1", "first:1");
    assert.deepEqual(await layers(), base);
    await text("load", "-q", "-i", daemon.path("saved.tar"));
    assert.deepEqual(await sizeOf("second:1"), { size: firstBytes + 1000, shared: firstBytes });
    assert.equal((await usage()).LayersSize, await duOfLayers(await layers()));
    await text("rmi", "second:1", "first:1");
  });

  test("an archive of tar(1) with holes and hard links is as large as its tree", async () => {
    const before = await layers();
    const dir = await mkdtemp(join(tmpdir(), "berth-e2e-sizes-"));
    try {
      const tree = join(dir, "tree");
      await mkdir(join(tree, "many"), { recursive: true });
      for (let i = 0; i < 300; i++) await writeFile(join(tree, "many", String(i)), `${i}`);
      await writeFile(join(tree, "sparse"), "begin");
      await truncate(join(tree, "sparse"), HOLE_BYTES);
      await appendFile(join(tree, "sparse"), "end");
      for (const name of ["link", "many/link"]) await link(join(tree, "sparse"), join(tree, name));
      await symlink("sparse", join(tree, "symlink"));
      for (const format of ["gnu", "pax"]) {
        const tar = await run(["tar", "-C", tree, "--sparse", `--format=${format}`, "-c", "."]);
        assert.ok(tar.bytes.length < HOLE_BYTES / 2, "the hole is none of it");
        await daemon.run(client, ["import", "-", `tree:${format}`], { input: tar.bytes });
        const [id = ""] = (await layers()).filter((layer) => !before.includes(layer));
        const { size } = await sizeOf(`tree:${format}`);
        assert.equal(size, await du(tree));
        assert.equal(size, await duOfLayers([id]));
        await text("rmi", `tree:${format}`);
      }
    } finally {
      await rm(dir, { recursive: true });
    }
  });
});
