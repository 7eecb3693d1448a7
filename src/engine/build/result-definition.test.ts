// Results of builds as contexts of other builds.
import assert from "node:assert/strict";
import { test } from "node:test";
import { definition, operation } from "../../lib/build-protocol/definition.ts";
import { addressOf, definitionOf, remoteOf, withInputs } from "./result-definition.ts";

const ID = `sha256:${"a".repeat(64)}`;
const OTHER = `sha256:${"b".repeat(64)}`;
const AMD = { os: "linux", architecture: "amd64" };

test("a definition names its image when it comes back", () => {
  assert.equal(addressOf(definitionOf(ID)), `docker-image://${ID}`);
  const { operations, metadata } = definition.decode(definitionOf(ID));
  const [source, end] = operations.map((op) => operation.decode(op));
  assert.equal(source?.source?.identifier, `docker-image://${ID}`);
  // Clients look for what the last operation points at, and for its metadata.
  assert.deepEqual(Object.keys(metadata), [end?.inputs[0]?.digest]);
});

test("a definition that is not ours is refused", () => {
  const foreign = (...identifiers: string[]): Uint8Array =>
    definition.encode({
      operations: identifiers.map((identifier) => operation.encode({ source: { identifier } })),
    });
  for (const bytes of [foreign("local://context"), foreign("docker-image://busybox"), foreign()])
    assert.throws(() => addressOf(bytes), { code: "build.definition" });
  assert.throws(() => addressOf(foreign(`docker-image://${ID}`, `docker-image://${OTHER}`)), {
    code: "build.definition",
  });
});

test("contexts that are results become images, those of several platforms the one of the build's", () => {
  const inputs = {
    a: definitionOf(ID),
    "b::linux/amd64": definitionOf(OTHER),
    "b::linux/arm64": definitionOf(ID),
  };
  const attrs = {
    target: "t",
    "context:one": "input:a",
    "context:two::linux/amd64": "input:b::linux/amd64",
    "context:two::linux/arm64": "input:b::linux/arm64",
    "context:files": "local:x",
  };
  assert.deepEqual(withInputs(attrs, inputs, AMD), {
    target: "t",
    "context:one": `docker-image://${ID}`,
    "context:two": `docker-image://${OTHER}`,
    "context:files": "local:x",
  });
  assert.throws(() => withInputs({ "context:x": "input:none" }, inputs, AMD), { code: "build.definition" });
});

test("a definition of a repository or an archive is its address, one of a command is refused", () => {
  const defined = (...operations: Parameters<typeof operation.encode>[0][]): Uint8Array =>
    definition.encode({ operations: operations.map((op) => operation.encode(op)) });
  const git = {
    source: { identifier: "git://host/app.git#main:part", attrs: { "git.fullurl": "https://host/app.git" } },
  };
  assert.equal(remoteOf(defined(git, {})), "https://host/app.git#main:part");
  assert.equal(remoteOf(defined({ source: { identifier: "https://host/x.tar" } }, {})), "https://host/x.tar");
  for (const foreign of [
    defined(git, { exec: Uint8Array.of(1) }, {}),
    defined(git, git),
    defined({ source: { identifier: "local://context" } }),
    defined({ source: { identifier: "git://host/app.git" } }),
  ])
    assert.throws(() => remoteOf(foreign), { code: "build.definition" });
});
