import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import fc from "fast-check";
import { Fault } from "../lib/errors.ts";
import { type Digest, Digester, digestOf, hexOf, isDigest, parseDigest } from "./digest.ts";
import {
  chainIdOf,
  chainIdsOf,
  encodeImageConfig,
  type ImageConfig,
  imageIdOf,
  parseImageConfig,
} from "./image-config.ts";
import { encodeManifest, isImageManifest, type Manifest, parseManifest } from "./manifest.ts";
import { layerCompression, MEDIA_TYPES } from "./mediatype.ts";
import { bestPlatform, formatPlatform, hostPlatform, parsePlatform, platformDistance } from "./platform.ts";

const bytes = (value: unknown) => Buffer.from(typeof value === "string" ? value : JSON.stringify(value));
const invalid = (e: unknown) => e instanceof Fault && e.kind === "invalidParameter";

describe("digests", () => {
  test("are parsed strictly", () => {
    const digest = digestOf("x");
    assert.equal(parseDigest(digest), digest);
    assert.equal(hexOf(digest).length, 64);
    assert.ok(isDigest(digestOf("x", "sha512")));
    for (const bad of [
      "",
      "sha256:",
      digest.toUpperCase(),
      `${digest}0`,
      digest.slice(0, -1),
      "md5:00",
      `sha256:${"g".repeat(64)}`,
      `../${digest}`,
      `${digest}\n`,
    ]) {
      assert.equal(isDigest(bad), false, bad);
      assert.throws(() => parseDigest(bad), invalid);
    }
  });

  test("are the same in pieces", () => {
    const digester = new Digester();
    for (const part of ["a", "bc"]) digester.update(Buffer.from(part));
    assert.equal(digester.sizeBytes, 3);
    assert.equal(digester.finish(), digestOf("abc"));
  });
});

describe("manifests", () => {
  const descriptor = (text: string, mediaType: string) => ({
    mediaType,
    digest: digestOf(text),
    size: text.length,
  });
  const image = {
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.ociManifest,
    config: descriptor("c", MEDIA_TYPES.ociConfig),
    layers: [descriptor("l", MEDIA_TYPES.ociLayerGzip)],
    annotations: { a: "b", __proto__x: "y" },
  };
  const index = {
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.dockerManifestList,
    manifests: [
      {
        ...descriptor("m", MEDIA_TYPES.dockerManifest),
        platform: { architecture: "arm64", os: "linux", variant: "v8" },
      },
    ],
  };

  test("are read and written without loss", () => {
    const manifest = parseManifest(bytes(image)) as Manifest;
    assert.equal(manifest.kind, "manifest");
    assert.ok(isImageManifest(manifest));
    assert.deepEqual(JSON.parse(Buffer.from(encodeManifest(manifest)).toString()), image);
    assert.deepEqual(parseManifest(encodeManifest(manifest)), manifest);
    const list = parseManifest(bytes(index));
    assert.ok(list.kind === "index");
    assert.equal(list.manifests[0]?.platform && formatPlatform(list.manifests[0].platform), "linux/arm64");
    assert.deepEqual(parseManifest(encodeManifest(list)), list);
  });

  test("take their type from the header or the shape when they do not say it", () => {
    const { mediaType: _, ...untyped } = image;
    assert.equal(parseManifest(bytes(untyped)).mediaType, MEDIA_TYPES.ociManifest);
    assert.equal(
      parseManifest(bytes(untyped), `${MEDIA_TYPES.dockerManifest}; charset=utf-8`).mediaType,
      MEDIA_TYPES.dockerManifest,
    );
    const { mediaType: __, ...list } = index;
    assert.equal(parseManifest(bytes(list)).kind, "index");
  });

  test("are refused when malformed", () => {
    for (const bad of [
      "",
      "null",
      "[]",
      "{",
      "[".repeat(100_000),
      { ...image, schemaVersion: 1 },
      { ...image, schemaVersion: "2" },
      { ...image, manifests: [] },
      { ...image, mediaType: "text/html" },
      { ...image, config: null },
      { ...image, layers: [{ digest: "sha256:x" }] },
      { ...image, layers: [{ ...descriptor("l", ""), size: -1 }] },
      { ...image, layers: [{ ...descriptor("l", ""), size: 1.5 }] },
      { ...image, layers: "x" },
      { ...image, layers: [null] },
      { ...image, layers: new Array(20_000).fill(descriptor("l", "")) },
      { ...image, annotations: { a: 1 } },
    ]) {
      assert.throws(() => parseManifest(bytes(bad)), invalid, JSON.stringify(bad)?.slice(0, 80));
    }
    assert.throws(() => parseManifest(Buffer.alloc(5 << 20, " ")), invalid);
  });

  test("throw nothing but Fault on any JSON", () => {
    fc.assert(
      fc.property(
        fc.jsonValue(),
        fc.constantFrom("config", "layers", "manifests", "subject", "annotations"),
        (value, key) => {
          for (const parse of [parseManifest, parseImageConfig]) {
            for (const document of [
              value,
              { ...image, [key]: value },
              { config: value, rootfs: value, history: value },
            ]) {
              try {
                parse(bytes(document));
              } catch (error) {
                if (!(error instanceof Fault)) throw error;
              }
            }
          }
        },
      ),
    );
  });

  test("know what layers are packed with", () => {
    assert.equal(layerCompression(MEDIA_TYPES.ociLayerZstd), "zstd");
    assert.equal(layerCompression(MEDIA_TYPES.dockerLayerGzip), "gzip");
    assert.equal(layerCompression(MEDIA_TYPES.ociLayer), "none");
    assert.equal(layerCompression("x"), undefined);
  });
});

describe("image configurations", () => {
  const full: ImageConfig = {
    architecture: "arm",
    variant: "v7",
    os: "linux",
    created: "2024-01-02T03:04:05.123456789Z",
    author: "me",
    config: {
      user: "nobody:nogroup",
      exposedPorts: ["443/tcp", "80/tcp"],
      env: ["PATH=/bin", "A=ü"],
      entrypoint: ["/entry"],
      cmd: ["run"],
      volumes: ["/data"],
      workingDir: "/srv",
      labels: { a: "1", b: "<2>" },
      stopSignal: "SIGQUIT",
      stopTimeoutSeconds: 7,
      shell: ["/bin/bash", "-c"],
      healthcheck: { test: ["CMD", "true"], intervalNanos: 30_000_000_000, retries: 3 },
      onBuild: ["RUN x"],
    },
    diffIds: [digestOf("a"), digestOf("b")],
    history: [
      { created: "2024-01-01T00:00:00Z", createdBy: "ADD x", comment: "c" },
      { createdBy: "CMD", emptyLayer: true },
    ],
  };

  test("are read and written without loss, always to the same bytes", () => {
    const encoded = encodeImageConfig(full);
    assert.deepEqual(parseImageConfig(encoded), full);
    assert.equal(imageIdOf(encoded), digestOf(encoded));
    const shuffled = {
      ...full,
      config: { ...full.config, exposedPorts: ["80/tcp", "443/tcp"], labels: { b: "<2>", a: "1" } },
    };
    assert.deepEqual(encodeImageConfig(shuffled), encoded);
  });

  test("may leave out nearly everything, as old images do", () => {
    const config = parseImageConfig(
      bytes({ os: "linux", config: { Cmd: null, Env: null, Labels: null }, rootfs: { type: "layers" } }),
    );
    assert.deepEqual(config, { architecture: "", os: "linux", config: {}, diffIds: [], history: [] });
  });

  test("keep keys that look like JavaScript's own", () => {
    const config = parseImageConfig(bytes('{"config":{"Labels":{"__proto__":"x","constructor":"y"}}}'));
    assert.deepEqual(Object.entries(config.config.labels ?? {}), [
      ["__proto__", "x"],
      ["constructor", "y"],
    ]);
  });

  test("are refused when malformed", () => {
    for (const bad of [
      "x",
      { rootfs: { type: "windows" } },
      { rootfs: { diff_ids: ["sha256:abc"] } },
      { rootfs: { diff_ids: [1] } },
      { config: { Env: "A=B" } },
      { config: { Cmd: [1] } },
      { config: { Labels: { a: 1 } } },
      { config: { Healthcheck: { Interval: "30s" } } },
      { history: {} },
    ]) {
      assert.throws(() => parseImageConfig(bytes(bad)), invalid, JSON.stringify(bad));
    }
  });

  test("chain ids follow the specification", () => {
    const [a, b, c] = ["a", "b", "c"].map((t) => digestOf(t)) as [Digest, Digest, Digest];
    const ab = chainIdOf(chainIdOf(null, a), b);
    assert.equal(chainIdOf(null, a), a);
    assert.equal(ab, digestOf(`${a} ${b}`));
    assert.deepEqual(chainIdsOf([a, b, c]), [a, ab, digestOf(`${ab} ${c}`)]);
    assert.deepEqual(chainIdsOf([]), []);
  });
});

describe("platforms", () => {
  test("a word that every object knows is no alias", () => {
    for (const word of ["__proto__", "constructor", "toString"]) {
      assert.throws(() => parsePlatform(word), /unknown operating system or architecture/);
      assert.equal(formatPlatform(parsePlatform(`linux/${word}`)), `linux/${word.toLowerCase()}`);
    }
  });

  test("are normalised", () => {
    const host = { os: "linux", architecture: "amd64" };
    const cases: [string, string][] = [
      ["linux/amd64", "linux/amd64"],
      ["linux/x86_64", "linux/amd64"],
      ["LINUX/aarch64", "linux/arm64"],
      ["linux/arm64/v8", "linux/arm64"],
      ["linux/arm", "linux/arm/v7"],
      ["linux/arm/6", "linux/arm/v6"],
      ["linux/armhf", "linux/arm/v7"],
      ["linux/armel", "linux/arm/v6"],
      ["linux", "linux/amd64"],
      ["arm64", "linux/arm64"],
      ["linux/amd64/v3", "linux/amd64/v3"],
    ];
    for (const [text, expected] of cases) assert.equal(formatPlatform(parsePlatform(text, host)), expected);
    for (const bad of ["", "a/b/c/d", "nonsense", "linux/", "linux/a b"])
      assert.throws(() => parsePlatform(bad), invalid, bad);
    assert.equal(hostPlatform().os, "linux");
  });

  test("match as well as a machine can run them", () => {
    const p = parsePlatform;
    assert.equal(platformDistance(p("linux/amd64"), p("linux/amd64")), 0);
    assert.equal(platformDistance(p("linux/amd64"), p("linux/arm64")), undefined);
    assert.equal(platformDistance(p("linux/arm/v7"), p("linux/arm/v6")), 1);
    assert.equal(platformDistance(p("linux/arm/v6"), p("linux/arm/v7")), undefined);
    assert.equal(platformDistance(p("linux/amd64/v3"), p("linux/amd64")), 2);
    const offers = ["linux/386", "windows/amd64", "linux/amd64", "linux/amd64/v4"].map((text) => ({
      platform: p(text),
    }));
    assert.equal(bestPlatform(p("linux/amd64"), offers), offers[2]);
    assert.equal(
      bestPlatform(p("linux/arm64"), [{ platform: p("linux/arm/v6") }, { platform: p("linux/arm/v7") }])
        ?.platform.variant,
      "v7",
    );
    assert.equal(bestPlatform(p("linux/s390x"), offers), undefined);
  });
});

describe("the corpus of manifests", () => {
  const corpus = join(import.meta.dirname, "../../test/corpus/manifest");
  const files = (kind: string): [string, Buffer][] =>
    readdirSync(join(corpus, kind)).map((name) => [name, readFileSync(join(corpus, kind, name))]);

  test("good ones are understood, and what is encoded of them is the same", () => {
    for (const [name, text] of files("good")) {
      const parsed = parseManifest(text);
      assert.deepEqual(parseManifest(encodeManifest(parsed)), parsed, name);
    }
    assert.equal(({} as { polluted?: unknown }).polluted, undefined);
  });

  test("bad ones are refused", () => {
    for (const [name, text] of files("bad")) assert.throws(() => parseManifest(text), invalid, name);
  });

  test("no cut and no changed byte makes them do anything but answer or refuse", () => {
    for (const [name, text] of [...files("good"), ...files("bad")].filter(([, t]) => t.length < 10_000)) {
      for (let at = 0; at < text.length; at++) {
        const changed = Buffer.from(text);
        changed[at] = (changed[at] as number) ^ (1 << (at % 8));
        for (const input of [text.subarray(0, at), changed]) {
          try {
            parseManifest(input);
          } catch (error) {
            assert.ok(invalid(error), `${name} at ${at}: ${String(error)}`);
          }
        }
      }
    }
  });
});
