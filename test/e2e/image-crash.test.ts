// kill -9 in the middle of what changes images: pull, load, push, removal, prune. The next daemon serves what there was, finds nothing
// damaged, does what was broken off when it is asked again, and keeps nothing of it when it is not.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, afterEach, before, describe, test } from "node:test";
import { TAR_END, tarEntry, tarHeader, tarPadding } from "../../src/lib/tar/writer.ts";
import type { Live } from "./command.ts";
import { type Client, clients, TestDaemon } from "./harness.ts";
import { startOwnRegistry, stopRegistry } from "./own-registry.ts";
import { digestOf } from "./registry.ts";

const REGISTRY = "localhost:5000";
/** Of each of the image's layers: enough for many writes. */
const LAYER_BYTES = 6 << 20;
const LAYERS = 3;

function tarOf(name: string, content: Uint8Array): Buffer {
  const head = tarHeader(tarEntry({ type: "file", name, sizeBytes: content.length }));
  return Buffer.concat([head, content, tarPadding(content.length), TAR_END]);
}

/** An archive of docker save with one image. */
function archiveOf(name: string): { archive: Buffer; parts: Buffer[] } {
  const layers = Array.from({ length: LAYERS }, (_, i) => tarOf(`file${i}`, randomBytes(LAYER_BYTES)));
  const config = Buffer.from(
    JSON.stringify({
      architecture: process.arch === "arm64" ? "arm64" : "amd64",
      os: "linux",
      config: { Cmd: ["true"] },
      rootfs: { type: "layers", diff_ids: layers.map((l) => digestOf(l)) },
    }),
  );
  const paths = layers.map((_, i) => `layer${i}.tar`);
  const manifest = [{ Config: "config.json", RepoTags: [name], Layers: paths }];
  const file = (path: string, bytes: Uint8Array): Buffer => tarOf(path, bytes).subarray(0, -TAR_END.length);
  const parts = [
    ...layers.map((l, i) => file(`layer${i}.tar`, l)),
    file("config.json", config),
    file("manifest.json", Buffer.from(JSON.stringify(manifest))),
    Buffer.from(TAR_END),
  ];
  return { archive: Buffer.concat(parts), parts };
}

describe("kill -9", () => {
  let daemon: TestDaemon;
  let registry: Live;
  const client = clients[0] as Client;
  const text = (...args: string[]): Promise<string> => daemon.text(client, args);

  before(async () => {
    // What is removed is to be gone at once.
    daemon = await TestDaemon.start({ config: { undo: false } });
    registry = await startOwnRegistry(daemon.path("registry"), daemon.network, { port: 5000 });
  });
  afterEach(() => daemon.removeContainers());
  after(async () => {
    await stopRegistry(registry);
    await daemon.close();
  });

  const layersOnDisk = async (): Promise<string[]> =>
    (await readdir(join(daemon.dataRoot, "layers"))).filter((name) => !name.startsWith(".")).sort();
  const blobsOnDisk = (): Promise<string[]> => readdir(join(daemon.dataRoot, "content/sha256"));

  /** Starts the daemon again: what there was is served and whole, and of what was broken off nothing takes room. */
  async function recovers(expected: { images: string[]; layers: string[] }): Promise<void> {
    await daemon.up();
    assert.equal(await text("run", "--rm", "busybox", "echo", "fine"), "fine");
    const report = await daemon.run(client, ["system", "check"]);
    assert.equal(report.status, 0, report.stdout + report.stderr);
    const names = (await text("images", "--format", "{{.Repository}}:{{.Tag}}")).split("\n").sort();
    assert.deepEqual(names, [...expected.images, "busybox:latest"].sort());
    // A prune ends when what was left is gone.
    await text("image", "prune", "-f");
    assert.deepEqual(await layersOnDisk(), expected.layers);
    assert.deepEqual(await readdir(join(daemon.dataRoot, "content/ingest")), []);
    assert.deepEqual(await readdir(join(daemon.dataRoot, "layers/.work")), []);
  }

  test("a load is cut off after each of its parts", async () => {
    const { parts } = archiveOf("cut:1");
    const layers = await layersOnDisk();
    for (let sent = 1; sent < parts.length; sent++) {
      const load = daemon.live(client, ["load", "-q"]);
      const half = (parts[sent] as Buffer).subarray(0, (parts[sent] as Buffer).length / 2);
      const sentAll = Promise.withResolvers<void>();
      load.stdin.write(Buffer.concat([...parts.slice(0, sent), half]), () => sentAll.resolve());
      await sentAll.promise;
      await daemon.kill();
      await load.ended;
      await recovers({ images: [], layers });
    }
    const whole = await daemon.run(client, ["load", "-q"], { input: Buffer.concat(parts) });
    assert.equal(whole.stdout, "Loaded image: cut:1\n");
    await text("rmi", "cut:1");
  });

  test("a pull, a push, a removal and a prune are cut off at many moments", async () => {
    const { archive } = archiveOf(`${REGISTRY}/app:1`);
    const name = `${REGISTRY}/app:1`;
    const without = await layersOnDisk();
    const load = (): Promise<unknown> => daemon.run(client, ["load", "-q"], { input: archive });
    await load();
    const withImage = async (): Promise<{ images: string[]; layers: string[] }> => ({
      images: [name],
      layers: await layersOnDisk(),
    });

    /** Kills the daemon when the client has printed `when`. */
    const cut = async (args: string[], when: RegExp): Promise<void> => {
      const live = daemon.live(client, args);
      await Promise.race([live.prints(when), live.ended]);
      await daemon.kill();
      await live.ended;
    };
    for (const when of [/push refers/, /Preparing/, /Pushed/]) {
      const expected = await withImage();
      await cut(["push", name], when);
      await recovers(expected);
    }
    assert.match(await text("push", name), /digest: sha256:/);
    await text("rmi", name);
    for (const when of [/Pulling from/, /Pulling fs layer/, /Download complete/, /Pull complete/]) {
      await cut(["pull", name], when);
      // A pull that was faster than the kill is a pull.
      await daemon.up();
      const isThere = (await daemon.run(client, ["image", "inspect", name])).status === 0;
      if (isThere) await text("rmi", name);
      await daemon.kill();
      await recovers({ images: [], layers: without });
    }
    assert.match(await text("pull", name), /Downloaded newer image/);
    for (const args of [
      ["rmi", name],
      ["image", "prune", "-a", "-f", "--filter", "label!=keep"],
    ]) {
      const live = daemon.live(client, args);
      await Promise.race([live.prints(/Untagged|untagged/), live.ended]);
      await daemon.kill();
      await live.ended;
      await daemon.up();
      const isThere = (await daemon.run(client, ["image", "inspect", name])).status === 0;
      assert.equal(isThere, false, "what was said to be removed is");
      if ((await daemon.run(client, ["image", "inspect", "busybox"])).status !== 0)
        await daemon.importImage("busybox");
      await daemon.kill();
      await daemon.up();
      await text("image", "prune", "-f");
      assert.equal((await daemon.run(client, ["system", "check"])).status, 0);
      await text("pull", name);
    }
    await text("rmi", name);
    assert.equal((await blobsOnDisk()).length, 0, "nothing of the layers is left");
  });

  test("system check finds what was damaged, and repair makes room for a new copy", async () => {
    const [pulled, loaded] = [`${REGISTRY}/sound:1`, "loaded:1"];
    await daemon.run(client, ["load", "-q"], { input: archiveOf(pulled).archive });
    await text("push", pulled);
    await text("rmi", pulled);
    await text("pull", pulled);
    const { archive } = archiveOf(loaded);
    const before = await layersOnDisk();
    await daemon.run(client, ["load", "-q"], { input: archive });
    assert.match(await text("system", "check"), /^3 images, 7 layers, 3 blobs: all is well$/m);

    const [blob = ""] = await blobsOnDisk();
    await writeFile(join(daemon.dataRoot, "content/sha256", blob), "damage");
    const layer = (await layersOnDisk()).find((id) => !before.includes(id)) ?? "";
    const [file = ""] = await readdir(join(daemon.dataRoot, "layers", layer));
    await writeFile(join(daemon.dataRoot, "layers", layer, file), randomBytes(LAYER_BYTES));
    const found = await daemon.run(client, ["system", "check"]);
    assert.equal(found.status, 1);
    assert.match(found.stdout, new RegExp(`^blob sha256:${blob}: its content has the digest`, "m"));
    assert.match(found.stdout, new RegExp(`^layer ${layer}: .*damaged`, "m"));
    assert.match(found.stderr, /problems are left: see --repair/);

    // What a container uses stays, whatever its state.
    const user = await text("create", loaded);
    const partly = await daemon.run(client, ["system", "check", "--repair"]);
    assert.equal(partly.status, 1);
    assert.match(partly.stdout, /^image sha256:\w+: its layer \w+ is damaged: a container uses it$/m);
    assert.notEqual(
      (await daemon.run(client, ["image", "inspect", pulled])).status,
      0,
      "the pulled one is gone",
    );
    await text("rm", user);
    assert.equal((await daemon.run(client, ["system", "check", "--repair"])).status, 0);
    assert.match(await text("system", "check"), /^1 images, 1 layers, 0 blobs: all is well$/m);
    assert.match(await text("pull", pulled), /Downloaded newer image/);
    await daemon.run(client, ["load", "-q"], { input: archive });
    assert.equal((await daemon.run(client, ["system", "check"])).status, 0);
    await text("rmi", pulled, loaded);
  });
});
