import assert from "node:assert/strict";
import { test } from "node:test";
import { formatPlatform } from "../oci/platform.ts";
import { platformsOfAttrs, requestOfAttrs } from "./frontend-attrs.ts";

const ATTRS = {
  filename: "My.Dockerfile",
  target: "t",
  "build-arg:A": "1",
  "label:l": "2",
  "context:c": "docker-image://x",
  "no-cache": "one,two",
  "add-hosts": "a=1.2.3.4,b=::1",
  "force-network-mode": "host",
  "shm-size": "1024",
  ulimit: "nofile=10:20",
  "cgroup-parent": "/p",
  "image-resolve-mode": "pull",
};

test("requestOfAttrs reads the options of the Dockerfile frontend", () => {
  assert.deepEqual(requestOfAttrs(ATTRS, { os: "linux", architecture: "amd64" }), {
    dialect: "buildkit",
    noCacheFilter: ["one", "two"],
    buildArgs: { A: "1" },
    labels: { l: "2" },
    contexts: { c: "docker-image://x" },
    network: "host",
    extraHosts: ["a:1.2.3.4", "b:::1"],
    shmSizeBytes: 1024,
    limits: {
      ulimits: [{ name: "nofile", soft: 10, hard: 20 }],
      cgroupParent: "/p",
      memory: 0,
      memorySwap: 0,
      cpuShares: 0,
      cpuPeriod: 0,
      cpuQuota: 0,
    },
    pull: true,
    explains: false,
    debugs: false,
    localContext: { context: "context", dockerfile: "dockerfile" },
    dockerfile: "My.Dockerfile",
    target: "t",
    platform: { os: "linux", architecture: "amd64" },
  });
});

test("a remote context stands in for the client's directories", () => {
  const remote = requestOfAttrs({ context: "https://h/x.git", "no-cache": "" });
  assert.equal(remote.remote, "https://h/x.git");
  assert.equal(remote.localContext, undefined);
  assert.equal(remote.noCache, true);
});

test("platformsOfAttrs returns each platform once, in the order asked for", () => {
  const names = (platform: string) => platformsOfAttrs({ platform }).map(formatPlatform);
  assert.deepEqual(names("linux/arm64,linux/x86_64,linux/arm64/v8"), ["linux/arm64", "linux/amd64"]);
  assert.deepEqual(platformsOfAttrs({}), []);
  assert.throws(() => names("linux/amd64,a/b/c/d"), { kind: "invalidParameter" });
});
