// One name for several platforms: pulled, shown, tagged, saved, loaded, pushed and removed, together and one by one.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import { baseImageTar } from "./base-image.ts";
import { clients, TestDaemon } from "./harness.ts";
import { digestOf, OCI_INDEX, OCI_MANIFEST, TestRegistry } from "./registry.ts";

const OWN = process.arch === "arm64" ? "arm64" : "amd64";
const OTHER = "s390x";

interface Row {
  readonly ID: string;
  readonly Repository: string;
  readonly Tag: string;
}

describe("several platforms under one name", { skip: !existsSync("/usr/bin/docker-registry") }, () => {
  let daemon: TestDaemon;
  let registry: TestRegistry;
  /** Ids of the images, and digests of their manifests, by architecture; the index. */
  const ids: Record<string, string> = {};
  const manifests: Record<string, string> = {};
  let index = "";

  before(async () => {
    daemon = await TestDaemon.start({ hasImage: false });
    registry = await TestRegistry.start(daemon.path("registry"), daemon.network);
    const tar = await baseImageTar();
    const layer = await registry.pushBlob(
      "multi",
      gzipSync(tar),
      "application/vnd.oci.image.layer.v1.tar+gzip",
    );
    const entries: object[] = [];
    for (const architecture of [OTHER, OWN, "riscv64"]) {
      const config = {
        architecture,
        os: "linux",
        config: { Cmd: ["sh", "-c", `echo ${architecture}`], Env: ["PATH=/bin"] },
        rootfs: { type: "layers", diff_ids: [digestOf(tar)] },
      };
      const blob = await registry.pushBlob(
        "multi",
        Buffer.from(JSON.stringify(config)),
        "application/vnd.oci.image.config.v1+json",
      );
      const manifest = { schemaVersion: 2, mediaType: OCI_MANIFEST, config: blob, layers: [layer] };
      const pushed = await registry.pushManifest("multi", architecture, manifest, OCI_MANIFEST);
      ids[architecture] = blob.digest;
      manifests[architecture] = pushed.digest;
      entries.push({ ...pushed, platform: { os: "linux", architecture } });
    }
    const listOf = (count: number): object => ({
      schemaVersion: 2,
      mediaType: OCI_INDEX,
      manifests: entries.slice(0, count),
    });
    index = (await registry.pushManifest("multi", "1", listOf(2), OCI_INDEX)).digest;
    await registry.pushManifest("multi", "3", listOf(3), OCI_INDEX);
  });
  after(async () => {
    await registry.stop();
    await daemon.close();
  });

  for (const client of clients) {
    test(`${client.name}: from the pull to the removal`, async () => {
      const image = `${registry.address}/multi:1`;
      const copy = `${registry.address}/copy-${client.name}:1`;
      const text = (...args: string[]): Promise<string> => daemon.text(client, args);
      const idFor = (name: string, architecture?: string): Promise<string> =>
        text(
          "image",
          "inspect",
          "-f",
          "{{.Id}}",
          ...(architecture === undefined ? [] : ["--platform", `linux/${architecture}`]),
          name,
        );
      const rows = async (): Promise<Row[]> =>
        (await text("images", "--no-trunc", "--format", "json"))
          .split("\n")
          .filter(Boolean)
          .map((l) => JSON.parse(l) as Row);
      const bothUnder = async (name: string): Promise<void> => {
        assert.equal(await idFor(name), ids[OWN], "without a platform it is this machine's");
        assert.equal(await idFor(name, OWN), ids[OWN]);
        assert.equal(await idFor(name, OTHER), ids[OTHER]);
      };
      const removed = async (name: string): Promise<void> => {
        assert.notEqual((await daemon.run(client, ["image", "inspect", name])).status, 0);
      };

      // In both orders.
      await text("pull", "--platform", `linux/${OTHER}`, image);
      assert.equal(await idFor(image), ids[OTHER], "the only one there is");
      assert.match(await text("pull", image), /Downloaded newer image/);
      await bothUnder(image);
      assert.match(await text("pull", "--platform", `linux/${OTHER}`, image), /Image is up to date/);
      await bothUnder(image);
      assert.deepEqual(
        (await rows()).map((r) => r.ID),
        [ids[OWN]],
        "one row",
      );
      assert.equal(await text("run", "--rm", image), OWN);
      const created = await text("create", "--platform", `linux/${OTHER}`, image);
      assert.equal(await text("inspect", "-f", "{{.Image}}", created), ids[OTHER]);
      await text("rm", created);
      const tree = await text("image", "ls", "--tree");
      assert.match(tree, new RegExp(`linux/${OWN}`));
      assert.match(tree, new RegExp(`linux/${OTHER}`));
      const { body } = await daemon.request("GET", `/v1.51/images/${image}/json?manifests=1`);
      const { Descriptor, Manifests } = body as {
        Descriptor: { digest: string };
        Manifests: { ID: string; Available: boolean }[];
      };
      assert.equal(Descriptor.digest, index);
      assert.deepEqual(
        Manifests.map((m) => [m.ID, m.Available]),
        [
          [manifests[OTHER], true],
          [manifests[OWN], true],
        ],
      );

      await text("tag", image, copy);
      await bothUnder(copy);
      assert.match(await text("push", copy), new RegExp(`digest: ${index} `), "the list as it came");
      assert.match(
        await text("push", "--platform", `linux/${OTHER}`, copy),
        new RegExp(`digest: ${manifests[OTHER]} `),
      );

      const [both, one] = [daemon.path(`both-${client.name}.tar`), daemon.path(`one-${client.name}.tar`)];
      await text("save", "-o", both, image);
      await text("save", "--platform", `linux/${OTHER}`, "-o", one, image);
      await text("rmi", image, copy);
      await removed(image);
      await removed(ids[OTHER] ?? "");
      assert.equal(await text("load", "-q", "-i", one), `Loaded image: ${image}`);
      assert.equal(await idFor(image), ids[OTHER]);
      await text("rmi", image);
      assert.equal(await text("load", "-q", "-i", both), `Loaded image: ${image}`);
      await bothUnder(image);
      await text("rmi", image);
      assert.equal(
        await text("load", "-q", "--platform", `linux/${OTHER}`, "-i", both),
        `Loaded image: ${image}`,
      );
      assert.equal(await idFor(image), ids[OTHER]);
      await text("rmi", image);

      await text("pull", image);
      await text("pull", "--platform", `linux/${OTHER}`, image);
      assert.equal(await text("rmi", "--platform", `linux/${OTHER}`, image), `Deleted: ${ids[OTHER]}`);
      assert.equal(await idFor(image), ids[OWN]);
      const absent = await daemon.run(client, ["rmi", "--platform", "linux/riscv64", image]);
      assert.equal(absent.status, 1);
      assert.match(absent.stderr, /does not provide the specified platform/);
      await text("rmi", image);
      await removed(image);
      assert.deepEqual(await rows(), []);
    });
  }

  test("a list with gaps is not pushed as if it were whole", async () => {
    const [source, image] = [`${registry.address}/multi:3`, `${registry.address}/gaps:1`];
    await daemon.berth("pull", source);
    await daemon.berth("tag", source, image);
    const alone = await daemon.berth("push", image);
    assert.match(alone.stdout, new RegExp(`digest: ${manifests[OWN]} `), "one of three goes alone");
    await daemon.berth("pull", "--platform", `linux/${OTHER}`, source);
    await daemon.berth("tag", source, image);
    const refused = await daemon.berth("push", image);
    assert.equal(refused.status, 1);
    assert.match(refused.stderr, /not all platforms of the image are here or in the registry/);
    const known = await daemon.berth("push", source);
    assert.equal(known.status, 0, "where the registry has the third one, the list is whole");
    await daemon.berth("rmi", image, source);
  });

  test("a name that moves to another list leaves the other platforms behind", async () => {
    const image = `${registry.address}/multi:1`;
    await daemon.berth("pull", "--platform", `linux/${OTHER}`, image);
    await daemon.berth("pull", image);
    await daemon.berth("tag", `${registry.address}/multi@${index}`, "keeps:1");
    const own = `${registry.address}/multi:${OWN}`;
    await daemon.berth("pull", own);
    await daemon.berth("tag", own, image);
    const inspected = await daemon.berth("image", "inspect", "--platform", `linux/${OTHER}`, image);
    assert.equal(inspected.status, 1);
    assert.equal(
      (await daemon.berth("image", "inspect", "--platform", `linux/${OTHER}`, "keeps:1")).status,
      0,
    );
    await daemon.berth("rmi", "-f", image, own, "keeps:1", `${registry.address}/multi@${index}`);
    assert.equal((await daemon.berth("images", "-q")).stdout, "");
  });
});
