// Builds as options of the command `build`.

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import type { BuildSpec, Project } from "../model/project.ts";
import { buildOptions, needsSession } from "./build-options.ts";

const directory = mkdtempSync(join(tmpdir(), "berth-compose-"));
after(() => rmSync(directory, { recursive: true, force: true }));

const settings = {
  tags: ["p-a"],
  args: { A: "1", B: null },
  labels: { l: "x" },
  extraHosts: ["h:1.2.3.4"],
  noCache: true,
  pull: false,
  platform: undefined,
  memory: 1024,
  dockerfile: "/c/Dockerfile",
  isQuiet: false,
};
const project = {
  secrets: {
    file: { file: "/a,b/key" },
    variable: { environment: "KEY", content: "from a variable" },
    unset: { environment: "NOWHERE" },
  },
} as unknown as Project;

test("only what the build operation cannot do needs the session", () => {
  assert.equal(needsSession({ context: ".", target: "x", cache_from: ["y"], secrets: [] }), false);
  assert.equal(needsSession({ secrets: [{ source: "file" }] }), true);
  assert.equal(needsSession({ additional_contexts: { a: "./a" } }), true);
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
    additional_contexts: { res: "/res" },
  };
  assert.deepEqual(buildOptions(project, build, settings, directory), [
    "--progress=plain",
    "--file=/c/Dockerfile",
    "--tag=p-a",
    "--build-arg=A=1",
    "--build-arg=B",
    "--label=l=x",
    "--add-host=h:1.2.3.4",
    "--no-cache",
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
    "--ssh=default",
    "--ssh=key=/socket",
    "--build-context=res=/res",
  ]);
});

test("a secret is a file, or what a variable holds in one that only the user reads", () => {
  const secrets = [{ source: "file" }, { source: "variable", target: "token" }];
  const options = buildOptions(project, { secrets }, settings, directory);
  const path = join(directory, "secret-1");
  assert.deepEqual(options.slice(-2), ['--secret=id=file,"src=/a,b/key"', `--secret=id=token,src=${path}`]);
  assert.equal(readFileSync(path, "utf8"), "from a variable");
  assert.equal(statSync(path).mode & 0o777, 0o600);
});

test("a secret of a variable that is not set is refused", () => {
  assert.throws(() => buildOptions(project, { secrets: [{ source: "unset" }] }, settings, directory), {
    message: 'environment variable "NOWHERE" required by secret "unset" is not set',
  });
});
