// Builds as options of the command `build`.

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import type { BuildSpec, Project } from "../../model/project.ts";
import { buildOptions, needsSession } from "./options.ts";
import type { BuildSettings } from "./settings.ts";

const directory = mkdtempSync(join(tmpdir(), "berth-compose-"));
after(() => rmSync(directory, { recursive: true, force: true }));

const settings: BuildSettings = {
  tags: ["p-a"],
  args: { A: "1", B: null },
  labels: { l: "x" },
  extraHosts: ["h:1.2.3.4"],
  noCache: true,
  pull: false,
  push: false,
  platforms: [],
  memory: 1024,
  ssh: {},
  provenance: "",
  sbom: "",
  isQuiet: false,
};
const input = { directory, dockerfile: "/c/Dockerfile", images: new Map([["base", "sha256:1"]]) };
const project = {
  secrets: {
    file: { file: "/a,b/key" },
    variable: { environment: "KEY", content: "from a variable" },
    unset: { environment: "NOWHERE" },
  },
} as unknown as Project;

test("only what the build operation cannot do needs the session", () => {
  const needs = (build: BuildSpec, more: Partial<BuildSettings> = {}): boolean =>
    needsSession(build, { ...settings, ...more });
  assert.equal(
    needs({ context: ".", target: "x", cache_from: ["y"], secrets: [], privileged: false }),
    false,
  );
  assert.equal(needs({}, { platforms: ["linux/amd64"] }), false);
  assert.equal(needs({ secrets: [{ source: "file" }] }), true);
  assert.equal(needs({ additional_contexts: { a: "./a" } }), true);
  assert.equal(needs({ privileged: true }), true);
  assert.equal(needs({ sbom: "true" }), true);
  assert.equal(needs({}, { ssh: { default: null } }), true);
  assert.equal(needs({}, { provenance: "mode=max" }), true);
  assert.equal(needs({}, { platforms: ["linux/amd64", "linux/arm64"] }), true);
});

test("every field is an option", () => {
  const build: BuildSpec = {
    target: "t",
    network: "host",
    shm_size: 64,
    ulimits: { nofile: { soft: 1, hard: 2 }, nproc: 3 },
    cache_from: ["f"],
    cache_to: ["type=inline"],
    no_cache_filter: ["s"],
    entitlements: ["network.host"],
    ssh: { default: null, key: "/socket" },
    additional_contexts: { res: "/res", other: "service:base" },
    privileged: true,
    provenance: "mode=max",
    sbom: "true",
  };
  const more = { ...settings, push: true, ssh: { mine: "/mine" }, platforms: ["linux/amd64", "linux/arm64"] };
  assert.deepEqual(buildOptions(project, build, more, input), [
    "--progress=plain",
    "--file=/c/Dockerfile",
    "--tag=p-a",
    "--build-arg=A=1",
    "--build-arg=B",
    "--label=l=x",
    "--add-host=h:1.2.3.4",
    "--no-cache",
    "--push",
    "--platform=linux/amd64,linux/arm64",
    "--memory=1024",
    "--target=t",
    "--network=host",
    "--shm-size=64",
    "--ulimit=nofile=1:2",
    "--ulimit=nproc=3",
    "--cache-from=f",
    "--cache-to=type=inline",
    "--no-cache-filter=s",
    "--allow=network.host",
    "--allow=security.insecure",
    "--attest=type=provenance,mode=max",
    "--attest=type=sbom",
    "--ssh=default",
    "--ssh=key=/socket",
    "--ssh=mine=/mine",
    "--build-context=res=/res",
    "--build-context=other=docker-image://sha256:1",
  ]);
});

test("a secret is a file, or what a variable holds in one that only the user reads", () => {
  const secrets = [{ source: "file" }, { source: "variable", target: "token" }];
  const options = buildOptions(project, { secrets }, settings, input);
  const path = join(directory, "secret-1");
  assert.deepEqual(options.slice(-2), ['--secret=id=file,"src=/a,b/key"', `--secret=id=token,src=${path}`]);
  assert.equal(readFileSync(path, "utf8"), "from a variable");
  assert.equal(statSync(path).mode & 0o777, 0o600);
});

test("a secret of a variable that is not set is refused", () => {
  assert.throws(() => buildOptions(project, { secrets: [{ source: "unset" }] }, settings, input), {
    message: 'environment variable "NOWHERE" required by secret "unset" is not set',
  });
});
