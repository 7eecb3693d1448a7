import assert from "node:assert/strict";
import { test } from "node:test";
import { digestOf } from "../../oci/digest.ts";
import { imageIdOf } from "../../oci/image-config.ts";
import { MEDIA_TYPES } from "../../oci/mediatype.ts";
import { manifestsOf, targetOf } from "./manifests.ts";
import { requirePlatform, wantedPlatform } from "./platform.ts";
import type { ImageRecord } from "./record.ts";

const CONFIG =
  '{"architecture":"arm64","os":"linux","variant":"v8","rootfs":{"type":"layers","diff_ids":[]}}';
const LAYER = { mediaType: MEDIA_TYPES.ociLayer, digest: digestOf(Buffer.from("layer")), size: 30 };
const MANIFEST = JSON.stringify({
  schemaVersion: 2,
  mediaType: MEDIA_TYPES.ociManifest,
  config: { mediaType: MEDIA_TYPES.ociConfig, digest: digestOf(Buffer.from(CONFIG)), size: CONFIG.length },
  layers: [LAYER],
});
const own = digestOf(Buffer.from(MANIFEST));
const entry = (digest: string, more: object) => ({
  mediaType: MEDIA_TYPES.ociManifest,
  digest,
  size: 7,
  ...more,
});
const other = digestOf(Buffer.from("other"));
const attested = digestOf(Buffer.from("attestation"));
const INDEX = JSON.stringify({
  schemaVersion: 2,
  mediaType: MEDIA_TYPES.ociIndex,
  manifests: [
    entry(other, { platform: { os: "linux", architecture: "amd64" } }),
    entry(own, { platform: { os: "linux", architecture: "arm64", variant: "v8" } }),
    entry(attested, {
      platform: { os: "unknown", architecture: "unknown" },
      annotations: {
        "vnd.docker.reference.type": "attestation-manifest",
        "vnd.docker.reference.digest": own,
      },
    }),
  ],
});
const built: ImageRecord = {
  version: 1,
  id: imageIdOf(Buffer.from(CONFIG)),
  configText: CONFIG,
  layers: [],
  sizeBytes: 1000,
  repoDigests: [],
  parentId: "",
  isIntermediate: false,
};
const pulled = { ...built, manifest: { mediaType: MEDIA_TYPES.ociManifest, text: MANIFEST } };
const listed = { ...pulled, index: { mediaType: MEDIA_TYPES.ociIndex, text: INDEX } };

test("an image's name stands for the list it came from, else for its manifest; what was built here for nothing", () => {
  assert.equal(targetOf(built), undefined);
  assert.equal(
    manifestsOf(built, [built], () => []),
    undefined,
  );
  assert.deepEqual(targetOf(pulled), {
    mediaType: MEDIA_TYPES.ociManifest,
    digest: own,
    size: MANIFEST.length,
  });
  assert.equal(targetOf(listed)?.digest, digestOf(Buffer.from(INDEX)));
  assert.equal(targetOf(listed)?.mediaType, MEDIA_TYPES.ociIndex);
});

test("all manifests of a list are shown; those of other platforms, and what attests, are not here", () => {
  const all = manifestsOf(listed, [listed], () => ["c1"]) ?? [];
  assert.deepEqual(
    all.map((m) => [m.ID, m.Kind, m.Available]),
    [
      [other, "image", false],
      [own, "image", true],
      [attested, "attestation", false],
    ],
  );
  const content = MANIFEST.length + CONFIG.length + LAYER.size;
  assert.deepEqual(all[1]?.Size, { Content: content, Total: content + 1000 });
  assert.deepEqual(all[1]?.ImageData?.Containers, ["c1"]);
  assert.deepEqual(all[2]?.AttestationData, { For: own });
  assert.equal(manifestsOf(pulled, [pulled], () => [])?.length, 1);
});

test("a platform is JSON or a text, and has to be the image's", () => {
  assert.deepEqual(
    wantedPlatform('{"os":"linux","architecture":"arm64","variant":"v8"}'),
    wantedPlatform("linux/arm64"),
  );
  for (const text of ["{", '{"os":"linux"}', '{"os":1,"architecture":"x"}'])
    assert.throws(() => wantedPlatform(text), { kind: "invalidParameter" });
  requirePlatform(built, "x", [undefined, ""]);
  requirePlatform(built, "x", ["linux/amd64", "linux/arm64"]);
  assert.throws(() => requirePlatform(built, "x:1", ['{"os":"linux","architecture":"amd64"}']), {
    kind: "notFound",
    message: "image with reference x:1 was found but does not provide the specified platform (linux/amd64)",
  });
});
