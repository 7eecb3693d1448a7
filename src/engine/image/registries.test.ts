import assert from "node:assert/strict";
import { test } from "node:test";
import { checkMirror, isInsecureRegistry, mirrorsOf } from "./registries.ts";

test("isInsecureRegistry knows names, names with ports, and blocks of addresses", () => {
  const settings = {
    mirrors: [],
    insecure: ["plain.example:5000", "bare.example", "10.1.0.0/16", "fd00::/8"],
  };
  for (const domain of ["plain.example:5000", "bare.example", "10.1.2.3", "10.1.2.3:5000", "[fd00::1]:5000"])
    assert.equal(isInsecureRegistry(settings, domain), true, domain);
  for (const domain of ["plain.example", "bare.example:1", "10.2.0.1", "fe80::1", "docker.io"])
    assert.equal(isInsecureRegistry(settings, domain), false, domain);
});

test("mirrors belong to the registry that they name, those without a name to Docker Hub", () => {
  const mirrors = ["https://hub.example", "quay.io=http://mirror:5000/", "quay.io=https://second"];
  assert.deepEqual(mirrorsOf({ mirrors }, "docker.io"), ["https://hub.example"]);
  assert.deepEqual(mirrorsOf({ mirrors }, "quay.io"), ["http://mirror:5000/", "https://second"]);
  assert.deepEqual(mirrorsOf({ mirrors }, "ghcr.io"), []);
  mirrors.forEach(checkMirror);
  for (const wrong of ["mirror:5000", "quay.io=mirror", "ftp://x", "https://u:p@x", "https://x?y"])
    assert.throws(() => checkMirror(wrong), { kind: "invalidParameter", message: /invalid mirror/ });
});
