// What a registry says about an image beside it: a pull brings the attestations of the image's list, the API shows them, and their
// statements live as long as an image that has them.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import { baseImageTar } from "./base-image.ts";
import { type Client, clients, TestDaemon } from "./harness.ts";
import { type Blob, digestOf, OCI_INDEX, OCI_MANIFEST, TestRegistry } from "./registry.ts";

const OWN = process.arch === "arm64" ? "arm64" : "amd64";
const CONFIG = "application/vnd.oci.image.config.v1+json";
const GZIP = "application/vnd.oci.image.layer.v1.tar+gzip";
const IN_TOTO = "application/vnd.in-toto+json";
const PROVENANCE = "https://slsa.dev/provenance/v0.2";
const SPDX = "https://spdx.dev/Document";

interface Statement {
  Descriptor: { mediaType: string; digest: string; size: number };
  PredicateType: string;
  Statement?: { predicateType: string };
}

describe("attestations", { skip: !existsSync("/usr/bin/docker-registry") }, () => {
  let daemon: TestDaemon;
  let registry: TestRegistry;
  const client = clients[0] as Client;
  const text = (...args: string[]): Promise<string> => daemon.text(client, args);

  before(async () => {
    daemon = await TestDaemon.start({ config: { undo: false } });
    registry = await TestRegistry.start(daemon.path("registry"), daemon.network);
  });
  after(async () => {
    await registry.stop();
    await daemon.close();
  });

  const statement = (predicateType: string, note: string): Buffer =>
    Buffer.from(
      JSON.stringify({ _type: "https://in-toto.io/Statement/v0.1", predicateType, predicate: { note } }),
    );

  /** Pushes an image as BuildKit does, with two statements about it and one about another platform's; returns the former. */
  async function push(tag: string): Promise<{ name: string; statements: Blob[]; attestation: Blob }> {
    const tar = await baseImageTar();
    const layer = await registry.pushBlob("app", gzipSync(tar), GZIP);
    const manifests: object[] = [];
    const attestations: object[] = [];
    const pushed: { statements: Blob[]; attestation: Blob }[] = [];
    for (const architecture of [OWN, "s390x"]) {
      const config = {
        architecture,
        os: "linux",
        config: { Cmd: ["echo", tag] },
        rootfs: { type: "layers", diff_ids: [digestOf(tar)] },
      };
      const configBlob = await registry.pushBlob("app", Buffer.from(JSON.stringify(config)), CONFIG);
      const image = { schemaVersion: 2, mediaType: OCI_MANIFEST, config: configBlob, layers: [layer] };
      const manifest = await registry.pushManifest("app", `${tag}-${architecture}`, image, OCI_MANIFEST);
      const statements: Blob[] = [];
      for (const type of [PROVENANCE, SPDX])
        statements.push(await registry.pushBlob("app", statement(type, `${tag} ${architecture}`), IN_TOTO));
      const about = {
        schemaVersion: 2,
        mediaType: OCI_MANIFEST,
        config: await registry.pushBlob("app", Buffer.from(JSON.stringify({ about: tag })), CONFIG),
        layers: statements.map((blob, i) => ({
          ...blob,
          annotations: { "in-toto.io/predicate-type": [PROVENANCE, SPDX][i] },
        })),
      };
      const attestation = await registry.pushManifest(
        "app",
        `${tag}-${architecture}-att`,
        about,
        OCI_MANIFEST,
      );
      pushed.push({ statements, attestation });
      manifests.push({ ...manifest, platform: { os: "linux", architecture } });
      attestations.push({
        ...attestation,
        platform: { os: "unknown", architecture: "unknown" },
        annotations: {
          "vnd.docker.reference.type": "attestation-manifest",
          "vnd.docker.reference.digest": manifest.digest,
        },
      });
    }
    const list = { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [...manifests, ...attestations] };
    await registry.pushManifest("app", tag, list, OCI_INDEX);
    const [own] = pushed as [(typeof pushed)[number]];
    return { name: `${registry.address}/app:${tag}`, ...own };
  }

  const asked = (name: string, query = "", version = "v1.56") =>
    daemon.request("GET", `/${version}/images/${name}/attestations${query}`);
  async function listed(name: string, query = ""): Promise<Statement[]> {
    const { status, body } = await asked(name, query);
    assert.equal(status, 200, JSON.stringify(body));
    return body as Statement[];
  }
  const hexesHere = (): Promise<string[]> => readdir(join(daemon.dataRoot, "content/sha256"));
  const areHere = async (blobs: readonly Blob[]): Promise<boolean> => {
    const hexes = await hexesHere();
    return blobs.every((blob) => hexes.includes(blob.digest.slice(7)));
  };

  test("come with a pull, are listed by type and with their text, and are shown with the list", async () => {
    const { name, statements, attestation } = await push("one");
    await text("pull", "-q", name);
    assert.equal(await text("run", "--rm", name), "one");
    const all = await listed(name);
    assert.deepEqual(
      all.map((s) => [s.PredicateType, s.Descriptor.mediaType, s.Descriptor.digest, s.Descriptor.size]),
      [PROVENANCE, SPDX].map((type, i) => [type, IN_TOTO, statements[i]?.digest, statements[i]?.size]),
    );
    assert.ok(all.every((s) => !("Statement" in s)));
    const type = encodeURIComponent(SPDX);
    const [whole, ...others] = await listed(name, `?type=${type}&statement=true`);
    assert.deepEqual([whole?.Statement, others], [JSON.parse(statement(SPDX, `one ${OWN}`).toString()), []]);
    assert.equal((await listed(name, `?type=${type}&type=${encodeURIComponent(PROVENANCE)}`)).length, 2);
    assert.deepEqual(await listed(name, "?type=nothing"), []);
    const platform = (architecture: string) =>
      encodeURIComponent(JSON.stringify({ os: "linux", architecture }));
    assert.equal((await listed(name, `?platform=${platform(OWN)}`)).length, 2);
    assert.equal((await asked(name, `?platform=${platform("s390x")}`)).status, 404);
    assert.equal((await asked(name, "?platform={")).status, 400);
    assert.equal((await asked(name, `?platform=${platform(OWN)}&platform=${platform(OWN)}`)).status, 400);
    assert.equal((await asked("nosuch")).status, 404);
    assert.equal((await asked(name, "", "v1.55")).status, 400, "not in that version");
    assert.deepEqual(await listed("busybox"), [], "nobody has said anything about it");

    const { body } = await daemon.request("GET", `/v1.51/images/${name}/json?manifests=1`);
    const manifests = (body as { Manifests: { ID: string; Kind: string; Available: boolean }[] }).Manifests;
    assert.deepEqual(
      manifests.map((m) => [m.Kind, m.Available]),
      [
        ["image", true],
        ["image", false],
        ["attestation", true],
        ["attestation", false],
      ],
    );
    assert.equal(manifests[2]?.ID, attestation.digest);
    await text("rmi", name);
  });

  test("stay as long as an image has them, over restarts and prunes, and go after it", async () => {
    const { name, statements } = await push("two");
    await text("pull", "-q", name);
    for (let i = 0; i < 2; i++) {
      await daemon.kill();
      await daemon.up();
      await text("image", "prune", "-f");
      assert.ok(await areHere(statements));
    }
    assert.equal((await listed(name, "?statement=true")).length, 2);
    assert.equal((await daemon.run(client, ["system", "check"])).status, 0);
    await text("rmi", name);
    await daemon.terminate();
    await daemon.up();
    await daemon.logs(/removed \d+ bytes of layers and blobs/);
    const left = await hexesHere();
    assert.deepEqual(
      statements.filter((s) => left.includes(s.digest.slice(7))),
      [],
    );
  });

  test("that cannot be had do not keep an image from being pulled", async () => {
    const { name, statements } = await push("three");
    await rm(registry.blobFile(statements[1]?.digest ?? ""));
    await text("pull", "-q", name);
    assert.equal(await text("run", "--rm", name), "three");
    assert.deepEqual(await listed(name), []);
    await text("rmi", name);
  });
});
