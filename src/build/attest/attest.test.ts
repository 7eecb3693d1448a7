import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { DirectorySession } from "../solver/ports-fake.ts";
import { scanPackages } from "./packages.ts";
import { type BuildFacts, provenanceOf } from "./provenance.ts";
import { spdxDocument } from "./spdx.ts";

let root = "";
const put = (path: string, text: string): void => {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
};
before(() => {
  root = mkdtempSync(join(tmpdir(), "berth-attest-"));
  put("etc/os-release", 'ID=debian\nVERSION_ID="12"\n');
  put(
    "var/lib/dpkg/status",
    "Package: libc6\nStatus: install ok installed\nArchitecture: amd64\nVersion: 2.36-9+deb12u9\nDescription: C\n library\n\nPackage: gone\nStatus: deinstall ok config-files\nVersion: 1\n",
  );
  put("lib/apk/db/installed", "P:musl\nV:1.2.5-r0\nA:x86_64\nL:MIT\n\n");
  put(
    "app/node_modules/@types/node/package.json",
    '{"name":"@types/node","version":"22.1.0","license":"MIT"}',
  );
  put("app/node_modules/left-pad/package.json", '{"name":"left-pad","version":"1.3.0"}');
  put("app/node_modules/left-pad/test/package.json", '{"name":"inner","version":"0"}');
  put("app/node_modules/broken/package.json", "not json");
  put(
    "usr/lib/python3/dist-packages/Flask-3.0.dist-info/METADATA",
    "Name: Flask\nVersion: 3.0\n\nlong text\n",
  );
});
after(() => rmSync(root, { recursive: true }));

test("packages of dpkg, apk, Node and Python are found, removed ones and what is no package are not", async () => {
  await using session = new DirectorySession(root);
  const found = await scanPackages(session);
  assert.deepEqual(
    found.map((p) => p.purl),
    [
      "pkg:apk/debian/musl@1.2.5-r0?arch=x86_64&distro=debian-12",
      "pkg:deb/debian/libc6@2.36-9%2Bdeb12u9?arch=amd64&distro=debian-12",
      "pkg:npm/%40types/node@22.1.0",
      "pkg:npm/left-pad@1.3.0",
      "pkg:pypi/flask@3.0",
    ],
  );
  assert.equal(found[1]?.foundIn, "/var/lib/dpkg/status");
  const document = spdxDocument(found, {
    name: "app",
    imageId: "sha256:aa",
    createdAt: "2026-01-01T00:00:00.123456789Z",
  }) as {
    packages: { name: string; SPDXID: string }[];
    relationships: object[];
    creationInfo: { created: string };
  };
  assert.equal(document.packages.length, found.length + 1);
  assert.equal(document.relationships.length, found.length + 1);
  assert.equal(document.creationInfo.created, "2026-01-01T00:00:00Z");
  assert.equal(new Set(document.packages.map((p) => p.SPDXID)).size, found.length + 1);
});

test("provenance names what was built from; mode=min keeps arguments and the Dockerfile to itself", () => {
  const facts: BuildFacts = {
    buildId: "b1",
    hostPlatform: "linux/amd64",
    attrs: { target: "t", "build-arg:TOKEN": "s3cret", "label:a": "b", "attest:provenance": "mode=min" },
    dockerfile: { name: "Dockerfile", text: "FROM debian:12\n" },
    materials: [{ name: "debian:12", platform: "linux/amd64", digest: "sha256:ab" }],
    startedAt: "2026-01-01T00:00:00Z",
    finishedAt: "2026-01-01T00:00:01Z",
  };
  const min = JSON.stringify(provenanceOf(facts, { mode: "min", version: "v0.2" }));
  assert.doesNotMatch(min, /s3cret|label:a|attest:/);
  assert.match(min, /"uri":"pkg:docker\/debian@12\?platform=linux%2Famd64","digest":\{"sha256":"ab"\}/);
  assert.match(min, /"args":\{"target":"t"\}/);
  const max = JSON.stringify(provenanceOf(facts, { mode: "max", version: "v0.2" }));
  assert.match(max, /"build-arg:TOKEN":"s3cret"/);
  assert.match(max, new RegExp(Buffer.from(facts.dockerfile.text).toString("base64")));
  const v1 = JSON.stringify(provenanceOf(facts, { mode: "min", version: "v1" }));
  assert.match(v1, /"resolvedDependencies":\[\{"uri":"pkg:docker\/debian@12/);
  assert.doesNotMatch(v1, /s3cret/);
});
