// What a build is told beside its own fields.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Project, Service } from "../../model/project.ts";
import { type BuildOptions, settingsOf } from "./settings.ts";

const [AMD, ARM] = ["linux/amd64", "linux/arm64"] as const;

function settings(
  service: object,
  options: Partial<BuildOptions> = {},
  environment: Record<string, string> = {},
) {
  const project = { name: "p", separator: "-", environment: new Map(Object.entries(environment)) };
  const full = { name: "a", build: {}, ...service } as unknown as Service;
  return settingsOf({ version: "9" }, project as unknown as Project, full, { isQuiet: false, ...options });
}

test("names, labels and arguments are the service's, then the command line's, then the environment's", () => {
  const build = { tags: ["t:1"], labels: { own: "x" }, args: { A: "1", B: null, C: null } };
  const { tags, labels, args } = settings({ build }, { buildArgs: ["A=2", "D"] }, { B: "b", D: "d" });
  assert.deepEqual(tags, ["p-a", "t:1"]);
  assert.deepEqual(labels, {
    own: "x",
    "com.docker.compose.project": "p",
    "com.docker.compose.service": "a",
    "com.docker.compose.version": "9",
  });
  assert.deepEqual(args, { A: "2", B: "b", C: null, D: "d" });
});

test("only an image with a name of its own is pushed", () => {
  assert.equal(settings({}, { push: true }).push, false);
  assert.equal(settings({ image: "i" }, { push: true }).push, true);
});

test("several platforms are built by build alone; containers need one", () => {
  const build = { platforms: [AMD, ARM] };
  const all = { isForAllPlatforms: true };
  assert.deepEqual(settings({ build }, all).platforms, [AMD, ARM]);
  assert.deepEqual(settings({ build }).platforms, []);
  assert.deepEqual(settings({ build, platform: ARM }).platforms, [ARM]);
  assert.deepEqual(settings({ build, platform: ARM }, all).platforms, [AMD, ARM]);
  assert.deepEqual(settings({ platform: ARM }).platforms, [ARM]);
  assert.deepEqual(settings({ build: { platforms: [ARM] } }).platforms, [ARM]);
  assert.deepEqual(settings({ build }, {}, { DOCKER_DEFAULT_PLATFORM: AMD }).platforms, [AMD]);
});

test("a platform that the build does not have is refused", () => {
  assert.throws(() => settings({ build: { platforms: [AMD] }, platform: ARM }), {
    message: 'service "a" build configuration does not support platform: linux/arm64',
  });
  assert.throws(() => settings({ build: { platforms: [AMD] } }, {}, { DOCKER_DEFAULT_PLATFORM: ARM }), {
    message: 'service "a" build.platforms does not support value set by DOCKER_DEFAULT_PLATFORM: linux/arm64',
  });
});
