import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { Fault } from "../lib/errors.ts";
import {
  canonicalName,
  canonicalString,
  familiarName,
  familiarString,
  parseIdOrReference,
  parseReference,
  withDefaultTag,
  withDigest,
  withTag,
} from "./reference.ts";
import { parseDigest } from "./digest.ts";

const HEX = "0123456789abcdef".repeat(4);
const SHA = `sha256:${HEX}`;

describe("parseReference", () => {
  // text, canonical string, familiar string
  const good: [string, string, string][] = [
    ["ubuntu", "docker.io/library/ubuntu", "ubuntu"],
    ["ubuntu:22.04", "docker.io/library/ubuntu:22.04", "ubuntu:22.04"],
    ["library/ubuntu", "docker.io/library/ubuntu", "ubuntu"],
    ["docker.io/ubuntu", "docker.io/library/ubuntu", "ubuntu"],
    ["index.docker.io/library/ubuntu", "docker.io/library/ubuntu", "ubuntu"],
    ["index.docker.io/ubuntu", "docker.io/library/ubuntu", "ubuntu"],
    ["user/app:v1", "docker.io/user/app:v1", "user/app:v1"],
    ["library/a/b", "docker.io/library/a/b", "library/a/b"],
    ["localhost/app", "localhost/app", "localhost/app"],
    ["localhost:5000/app:x", "localhost:5000/app:x", "localhost:5000/app:x"],
    ["127.0.0.1:5000/a/b/c", "127.0.0.1:5000/a/b/c", "127.0.0.1:5000/a/b/c"],
    ["[::1]:5000/app", "[::1]:5000/app", "[::1]:5000/app"],
    ["ghcr.io/a/b__c.d-e---f", "ghcr.io/a/b__c.d-e---f", "ghcr.io/a/b__c.d-e---f"],
    ["UPPER.io/app", "UPPER.io/app", "UPPER.io/app"],
    [`ubuntu@${SHA}`, `docker.io/library/ubuntu@${SHA}`, `ubuntu@${SHA}`],
    [`ubuntu:22.04@${SHA}`, `docker.io/library/ubuntu:22.04@${SHA}`, `ubuntu:22.04@${SHA}`],
    ["a:B_c.D-e", "docker.io/library/a:B_c.D-e", "a:B_c.D-e"],
    [`x:${"t".repeat(128)}`, `docker.io/library/x:${"t".repeat(128)}`, `x:${"t".repeat(128)}`],
  ];
  for (const [text, canonical, familiar] of good) {
    test(`takes ${text.slice(0, 60)}`, () => {
      const reference = parseReference(text);
      assert.equal(canonicalString(reference), canonical);
      assert.equal(familiarString(reference), familiar);
      assert.deepEqual(parseReference(canonical), reference);
      assert.deepEqual(parseReference(familiar), reference);
    });
  }

  const bad: [string, string][] = [
    ["UPPER", "invalid reference format: repository name (library/UPPER) must be lowercase"],
    ["Upper:tag", "invalid reference format: repository name (library/Upper) must be lowercase"],
    ["docker.io/User/app", "invalid reference format: repository name (User/app) must be lowercase"],
    ["UPPER/app", "invalid reference format: repository name (UPPER/app) must be lowercase"],
    ["", "invalid reference format"],
    [":tag", "invalid reference format"],
    ["a:", "invalid reference format"],
    ["a:-tag", "invalid reference format"],
    [`a:${"t".repeat(129)}`, "invalid reference format"],
    ["a//b", "invalid reference format"],
    ["a/", "invalid reference format"],
    ["-a", "invalid reference format"],
    ["a-", "invalid reference format"],
    ["a___b", "invalid reference format"],
    ["a..b", "invalid reference format"],
    ["a b", "invalid reference format"],
    ["a\nb", "invalid reference format"],
    ["a\n", "invalid reference format"],
    ["a@sha256:abc", "invalid reference format"],
    [`a@sha256:${"a".repeat(63)}`, "invalid checksum digest length"],
    [`a@sha999:${HEX}`, "unsupported digest algorithm"],
    ["exa$mple.com/a", "invalid reference format"],
    ["https://ghcr.io/a", "invalid reference format"],
    [HEX, `invalid repository name (${HEX}), cannot specify 64-byte hexadecimal strings`],
    [`a/${"b".repeat(255)}`, "repository name must not be more than 255 characters"],
    ["x".repeat(100_000), "invalid reference format"],
  ];
  for (const [text, message] of bad) {
    test(`refuses ${JSON.stringify(text.slice(0, 40))}`, () => {
      assert.throws(
        () => parseReference(text),
        (e) => e instanceof Fault && e.kind === "invalidParameter" && e.message === message,
      );
    });
  }

  test("throws nothing but Fault, and prints what it took in a form it takes again", () => {
    const part = fc.string({ unit: fc.constantFrom(..."aZ09._-/:@[]"), maxLength: 30 });
    fc.assert(
      fc.property(
        fc.oneof(
          part,
          fc.string(),
          part.map((p) => `${p}@${SHA}`),
        ),
        (text) => {
          try {
            const reference = parseReference(text);
            assert.deepEqual(parseReference(familiarString(reference)), reference);
          } catch (error) {
            if (!(error instanceof Fault)) throw error;
          }
        },
      ),
      { numRuns: 3000 },
    );
  });
});

describe("references", () => {
  test("get tags and digests", () => {
    const plain = parseReference("ghcr.io/a/b");
    assert.equal(familiarString(withDefaultTag(plain)), "ghcr.io/a/b:latest");
    assert.equal(familiarString(withDefaultTag(parseReference("a:1"))), "a:1");
    assert.equal(familiarString(withDefaultTag(parseReference(`a@${SHA}`))), `a@${SHA}`);
    assert.equal(familiarString(withTag(parseReference(`a:1@${SHA}`), "2")), "a:2");
    assert.equal(familiarString(withDigest(parseReference("a:1"), parseDigest(SHA))), `a@${SHA}`);
    assert.equal(canonicalName(parseReference("a:1")), "docker.io/library/a");
    assert.equal(familiarName(parseReference("b/a:1")), "b/a");
    assert.throws(() => withTag(plain, "a b"), /invalid tag format/);
  });

  test("are told from ids", () => {
    assert.deepEqual(parseIdOrReference(HEX), { kind: "id", digest: SHA });
    assert.deepEqual(parseIdOrReference(SHA), { kind: "id", digest: SHA });
    assert.equal(parseIdOrReference("abcdef").kind, "name");
    // compat: Docker, too, takes this for the tag ABC of a repository called sha256.
    assert.deepEqual(parseIdOrReference("sha256:ABC"), {
      kind: "name",
      reference: parseReference("sha256:ABC"),
    });
    assert.throws(() => parseIdOrReference("A b"), Fault);
  });
});
