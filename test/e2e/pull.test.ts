// Pulling from a registry: names, digests, platforms, compressions, what is there already, and what must be refused.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { truncate, writeFile } from "node:fs/promises";
import { after, afterEach, before, describe, test } from "node:test";
import { stripVTControlCharacters } from "node:util";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { baseImageTar } from "./base-image.ts";
import { run } from "./command.ts";
import { startBrokenRegistry } from "./broken-registry.ts";
import { clients, TestDaemon } from "./harness.ts";
import { type Blob, digestOf, OCI_INDEX, OCI_MANIFEST, TestRegistry } from "./registry.ts";

const OCI_CONFIG = "application/vnd.oci.image.config.v1+json";
const GZIP = "application/vnd.oci.image.layer.v1.tar+gzip";
const ZSTD = "application/vnd.oci.image.layer.v1.tar+zstd";

/** One entry as an archive. */
async function layerOf(name: string, content: string): Promise<Buffer> {
  const script =
    'd=$(mktemp -d) && printf %s "$2" > "$d/$1" && tar -C "$d" --numeric-owner -c "$1"; rm -rf "$d"';
  return (await run(["sh", "-c", script, "sh", name, content])).bytes;
}

describe("pull", { skip: !existsSync("/usr/bin/docker-registry") }, () => {
  let daemon: TestDaemon;
  let registry: TestRegistry;
  let base: Blob;
  before(async () => {
    daemon = await TestDaemon.start({
      hasImage: false,
      config: { "registry-mirrors": ["http://localhost:5000"] },
    });
    registry = await TestRegistry.start(daemon.path("registry"), daemon.network);
    base = await registry.pushBlob("app", gzipSync(await baseImageTar()), GZIP);
  });
  afterEach(() => daemon.removeContainers());
  after(async () => {
    await registry.stop();
    await daemon.close();
  });

  /** Pushes an image with the base layer and one more; returns its manifest. */
  async function push(
    name: string,
    tag: string,
    word: string,
    options: { arch?: string; compress?: "gzip" | "zstd" } = {},
  ) {
    const layer = await layerOf("word", `${word}\n`);
    const config = {
      architecture: options.arch ?? "amd64",
      os: "linux",
      config: { Cmd: ["cat", "/word"], Env: ["PATH=/bin"] },
      rootfs: { type: "layers", diff_ids: [digestOf(await baseImageTar()), digestOf(layer)] },
      history: [{ created_by: "base" }, { created_by: word }],
    };
    const isZstd = options.compress === "zstd";
    await registry.pushBlob(name, gzipSync(await baseImageTar()), GZIP);
    const top = await registry.pushBlob(
      name,
      isZstd ? zstdCompressSync(layer) : gzipSync(layer),
      isZstd ? ZSTD : GZIP,
    );
    const configBlob = await registry.pushBlob(name, Buffer.from(JSON.stringify(config)), OCI_CONFIG);
    const manifest = { schemaVersion: 2, mediaType: OCI_MANIFEST, config: configBlob, layers: [base, top] };
    return {
      manifest: await registry.pushManifest(name, tag, manifest, OCI_MANIFEST),
      top,
      config: configBlob,
    };
  }

  for (const client of clients) {
    const text = (...args: string[]) => daemon.text(client, args);
    const outcome = (...args: string[]) => daemon.run(client, args);

    test(`${client.name}: an image by tag and by digest, with its layers shown`, async () => {
      const { manifest, config } = await push("app", client.name, `hello ${client.name}`);
      const image = `${registry.address}/app:${client.name}`;
      const pulled = await outcome("pull", image);
      assert.equal(pulled.status, 0, pulled.stderr);
      assert.match(pulled.stdout, new RegExp(`^${client.name}: Pulling from app$`, "m"));
      assert.match(pulled.stdout, /: Pull complete/);
      assert.match(pulled.stdout, new RegExp(`Digest: ${manifest.digest}`));
      assert.match(pulled.stdout, /Status: Downloaded newer image for localhost:5000\/app/);
      assert.equal(await text("image", "inspect", "-f", "{{.Id}}", image), config.digest);
      assert.equal(await text("run", "--rm", image), `hello ${client.name}`);
      const again = await outcome("pull", image);
      assert.match(again.stdout, /Image is up to date/);
      const byDigest = `${registry.address}/app@${manifest.digest}`;
      assert.equal((await outcome("pull", byDigest)).status, 0);
      assert.equal(await text("run", "--rm", byDigest), `hello ${client.name}`);
      await text("rmi", "-f", config.digest);
    });

    test(`${client.name}: run pulls what is missing and says so`, async () => {
      await push("auto", client.name, "automatic");
      const ran = await outcome("run", "--rm", `${registry.address}/auto:${client.name}`);
      assert.deepEqual([ran.status, ran.stdout], [0, "automatic\n"]);
      assert.match(ran.stderr, /Unable to find image 'localhost:5000\/auto:\w+' locally/);
      const never = await outcome("run", "--rm", "--pull", "never", `${registry.address}/auto:none`);
      assert.equal(never.status, 125);
    });

    test(`${client.name}: what the registry has not is an error that names it`, async () => {
      const tag = await outcome("pull", `${registry.address}/app:nosuch`);
      assert.equal(tag.status, 1);
      assert.match(tag.stderr, /localhost:5000\/app:nosuch not found|manifest unknown/);
      const ran = await outcome("run", "--rm", `${registry.address}/nosuch`);
      assert.equal(ran.status, 125);
    });

    test(`${client.name}: FROM pulls`, async () => {
      await push("from", client.name, "from the registry");
      const built = await daemon.run(client, ["build", "-t", "derived", "-"], {
        input: `FROM ${registry.address}/from:${client.name}\nENV A=1\n`,
      });
      assert.equal(built.status, 0, built.stderr);
      assert.equal(await text("run", "--rm", "derived"), "from the registry");
    });
  }

  const first = (...args: string[]) => daemon.run(clients[0] as (typeof clients)[number], args);

  test("an index gives the image of this machine's platform", async () => {
    const own = process.arch === "arm64" ? "arm64" : "amd64";
    const [mine, other] = [
      await push("multi", "mine", "mine", { arch: own }),
      await push("multi", "other", "other", { arch: "s390x" }),
    ];
    const manifests = [
      { ...other.manifest, platform: { os: "linux", architecture: "s390x" } },
      { ...mine.manifest, platform: { os: "linux", architecture: own } },
    ];
    await registry.pushManifest(
      "multi",
      "all",
      { schemaVersion: 2, mediaType: OCI_INDEX, manifests },
      OCI_INDEX,
    );
    assert.equal((await first("run", "--rm", `${registry.address}/multi:all`)).stdout, "mine\n");
    const { body } = await daemon.request(
      "GET",
      `/v1.51/images/${registry.address}/multi:all/json?manifests=1`,
    );
    const { Descriptor, Manifests } = body as {
      Descriptor: { mediaType: string };
      Manifests: { ID: string; Available: boolean; ImageData: { Platform: { architecture: string } } }[];
    };
    assert.equal(Descriptor.mediaType, OCI_INDEX);
    assert.deepEqual(
      Manifests.map((m) => [m.ID, m.Available, m.ImageData.Platform.architecture]),
      [
        [other.manifest.digest, false, "s390x"],
        [mine.manifest.digest, true, own],
      ],
    );
    const trees = await Promise.all(
      clients.map(async (client) => daemon.text(client, ["images", "--tree", `${registry.address}/multi`])),
    );
    // Docker's client of these days colours its heads wherever it writes to.
    const [tree = "", ...others] = trees.map(stripVTControlCharacters);
    assert.match(tree, /├─ linux\/s390x [^]*└─ linux\/amd64|└─ linux\/arm64/);
    for (const other of others) assert.equal(tree, other);
    const older = (await daemon.request("GET", `/v1.47/images/${registry.address}/multi:all/json`))
      .body as object;
    assert.equal("Descriptor" in older, false);
    const foreign = await first("pull", "--platform", "linux/s390x", `${registry.address}/multi:all`);
    assert.equal(foreign.status, 0, foreign.stderr);
    const missing = await first("pull", "--platform", "linux/riscv64", `${registry.address}/multi:all`);
    assert.equal(missing.status, 1);
  });

  test("zstd layers are unpacked", async () => {
    await push("packed", "zstd", "zstd word", { compress: "zstd" });
    assert.equal((await first("run", "--rm", `${registry.address}/packed:zstd`)).stdout, "zstd word\n");
  });

  test("layers that are here already are not downloaded again", async () => {
    await push("shared", "a", "one");
    assert.equal((await first("pull", `${registry.address}/shared:a`)).status, 0);
    await push("shared", "b", "two");
    const pulled = await first("pull", `${registry.address}/shared:b`);
    assert.match(pulled.stdout, /: Already exists/);
  });

  test("names without a registry are asked of the mirror", async () => {
    await push("library/mirrored", "latest", "out of the mirror");
    assert.equal((await first("run", "--rm", "mirrored")).stdout, "out of the mirror\n");
    assert.equal(
      (await first("image", "inspect", "-f", "{{index .RepoTags 0}}", "mirrored")).stdout,
      "mirrored:latest\n",
    );
  });

  test("a blob that is not what its digest says is refused and leaves nothing", async () => {
    const images = (await first("images", "-aq")).stdout;
    const { top } = await push("forged", "latest", "forged word");
    const other = gzipSync(await layerOf("word", "something else\n"));
    await writeFile(registry.blobFile(top.digest), other);
    const refused = await first("pull", `${registry.address}/forged`);
    assert.equal(refused.status, 1);
    assert.match(refused.stderr, /digest|size|mismatch|expected/i);
    assert.equal((await first("images", "-aq")).stdout, images);
  });

  test("a download that breaks off goes on from there, after a while that is told", async () => {
    const script =
      'd=$(mktemp -d) && head -c 4000000 /dev/urandom > "$d/big" && tar -C "$d" -c big; rm -rf "$d"';
    const tar = (await run(["sh", "-c", script])).bytes;
    const broken = await startBrokenRegistry(daemon.dir, daemon.network, {
      port: 5011,
      layer: gzipSync(tar),
      diffId: digestOf(tar),
      breaks: 1,
    });
    try {
      const pulled = await first("pull", "localhost:5011/broken");
      assert.equal(pulled.status, 0, pulled.stderr);
      for (const left of [5, 4, 3, 2])
        assert.match(pulled.stdout, new RegExp(`: Retrying in ${left} seconds$`, "m"));
      assert.match(pulled.stdout, /: Retrying in 1 second$/m);
      const starts = [...broken.output.matchAll(/layer from (\d+)/g)].map((m) => Number(m[1]));
      assert.equal(starts[0], 0);
      assert.ok((starts[1] ?? 0) > 10_000, `it goes on where it broke off: ${starts}`);
      assert.equal(starts.length, 2);
      const layers = await first("image", "inspect", "-f", "{{.RootFS.Layers}}", "localhost:5011/broken");
      assert.equal(layers.stdout, `[${digestOf(tar)}]\n`);
    } finally {
      broken.kill("SIGKILL");
    }
  });

  test("a blob that ends early is refused", async () => {
    const { top } = await push("cut", "latest", "x".repeat(100_000), { compress: "zstd" });
    await truncate(registry.blobFile(top.digest), top.size - 5);
    assert.equal((await first("pull", `${registry.address}/cut`)).status, 1);
    assert.equal((await first("image", "inspect", `${registry.address}/cut`)).status, 1);
  });
});
