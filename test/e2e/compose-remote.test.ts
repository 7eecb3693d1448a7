// Compose and what lies elsewhere: files of git repositories, digests of registries.
import assert from "node:assert/strict";
import { chmod, mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { type Outcome, run } from "./command.ts";
import { ComposeProject } from "./compose-project.ts";
import { clients, TestDaemon } from "./harness.ts";
import { TestRegistry } from "./registry.ts";

const [berth] = clients as [(typeof clients)[0]];
let daemon: TestDaemon;
let registry: TestRegistry;
before(async () => {
  daemon = await TestDaemon.start();
  registry = await TestRegistry.start(daemon.path("registry"), daemon.network);
});
after(async () => {
  await registry.stop();
  await daemon.close();
});

const ok = async (argv: readonly string[], cwd: string): Promise<string> => {
  const identity = ["author", "committer"].flatMap((who) => [
    [`GIT_${who.toUpperCase()}_NAME`, "x"],
    [`GIT_${who.toUpperCase()}_EMAIL`, "x@example.org"],
  ]);
  const env = { ...daemon.environment, ...Object.fromEntries(identity) };
  const { status, stdout, stderr } = await run(argv, { cwd, env });
  assert.equal(status, 0, stderr);
  return stdout.trim();
};

/** Makes a repository with a branch `main`; returns its directory. */
async function repository(name: string, files: Readonly<Record<string, string>>): Promise<string> {
  const directory = daemon.path("repositories", name);
  await mkdir(directory, { recursive: true });
  await ok(["git", "init", "-q", "-b", "main"], directory);
  await commit(directory, files);
  return directory;
}

async function commit(directory: string, files: Readonly<Record<string, string>>): Promise<string> {
  for (const [path, text] of Object.entries(files)) {
    await mkdir(join(directory, path, ".."), { recursive: true });
    await writeFile(join(directory, path), text);
  }
  await ok(["git", "add", "-A"], directory);
  await ok(["git", "commit", "-q", "-m", "x"], directory);
  return ok(["git", "rev-parse", "HEAD"], directory);
}

/** Runs compose with a stand-in for ssh, which runs on this machine what it is to run on the other. */
async function compose(project: ComposeProject, ...args: string[]): Promise<Outcome> {
  const ssh = daemon.path("ssh");
  await writeFile(ssh, '#!/bin/sh\nfor last; do :; done\nexec sh -c "$last"\n');
  await chmod(ssh, 0o755);
  const env = { GIT_SSH_COMMAND: ssh, XDG_CACHE_HOME: daemon.path("cache"), PWD: project.directory };
  return daemon.run(berth, ["compose", ...args], { cwd: project.directory, env });
}

test("files of a repository are included, extended and used, at the ref that is named", async () => {
  const directory = await repository("shared", {
    "compose.yaml": "services: {whole: {image: whole}}\n",
    "dir/compose.yml": "services: {part: {build: ./app, volumes: [./data:/data]}}\n",
    "dir/app/Dockerfile": "FROM busybox\n",
    "base.yaml": "services: {base: {image: base, environment: {A: 1}}}\n",
  });
  const first = await ok(["git", "rev-parse", "HEAD"], directory);
  await ok(["git", "tag", "v1"], directory);
  const second = await commit(directory, { "compose.yaml": "services: {whole: {image: newer}}\n" });
  const url = `ssh://git@nowhere.invalid${directory}`;
  const project = new ComposeProject(daemon, "remote", {
    "compose.yaml": `include: ["${url}#v1", "${url}#main:dir"]
services:
  own: {extends: {file: "${url}#${first}:base.yaml", service: base}}
`,
  });
  const { status, stdout, stderr } = await compose(project, "config", "--format", "json");
  assert.equal(status, 0, stderr);
  const { services } = JSON.parse(stdout) as { services: Record<string, Record<string, unknown>> };
  const there = daemon.path("cache/berth/compose", second, "dir");
  assert.equal(services["whole"]?.["image"], "whole");
  assert.deepEqual(services["part"]?.["build"], { context: join(there, "app"), dockerfile: "Dockerfile" });
  assert.deepEqual(services["part"]?.["volumes"], [
    { type: "bind", source: join(there, "data"), target: "/data", bind: {} },
  ]);
  assert.deepEqual(services["own"]?.["environment"], { A: "1" });
  const whole = await compose(project, "-f", `${url}#main`, "config", "--images");
  assert.equal(whole.stdout, "newer\n", whole.stderr);
});

test("what is not in the repository, leads out of it or is no repository is refused in its place", async () => {
  const directory = await repository("hostile", { "empty/file": "" });
  await symlink("/etc", join(directory, "out"));
  await commit(directory, {});
  const url = `ssh://git@nowhere.invalid${directory}`;
  for (const [include, complaint] of [
    [`${url}#main:nowhere`, "there is no nowhere in the repository"],
    [`${url}#main:empty`, "there is no compose.yaml, compose.yml, docker-compose.yml, docker-compose.yaml"],
    [`${url}#main:out/passwd`, "there is no out/passwd in the repository"],
    [`${url}#main:../../../../etc/passwd`, "there is no ../../../../etc/passwd in the repository"],
    [`${url}#nope`, "git fetch: "],
    ["oci://example.org/app:v1", "Compose files in registries are not supported"],
    ["https://example.org/x.git#--upload-pack=x", "invalid git reference"],
  ] as const) {
    const project = new ComposeProject(daemon, "refused", {
      "compose.yaml": `include:\n  - "${include}"\nservices: {a: {image: x}}\n`,
    });
    const { status, stderr } = await compose(project, "config", "-q");
    assert.equal(status, 1, stderr);
    assert.ok(stderr.startsWith("compose.yaml:2:5: include: "), stderr);
    assert.ok(stderr.includes(complaint), stderr);
  }
});

test("config pins images to the digests that the registry gives, or says them in an override file", async () => {
  const image = `${registry.address}/app:v1`;
  await daemon.text(berth, ["tag", "busybox", image]);
  await daemon.text(berth, ["push", "-q", image]);
  const repoDigest = await daemon.text(berth, ["image", "inspect", "-f", "{{index .RepoDigests 0}}", image]);
  const digest = repoDigest.split("@")[1];
  const project = new ComposeProject(daemon, "pinned", {
    "compose.yaml": `services:\n  a: {image: "${image}", command: x}\n  b: {build: .}\n`,
  });
  const pinned = JSON.parse(await project.compose("config", "--resolve-image-digests", "--format", "json"));
  assert.equal(pinned.services.a.image, `${image}@${digest}`);
  assert.deepEqual(pinned.services.a.command, ["x"]);
  assert.equal(
    await project.compose("config", "--lock-image-digests"),
    `services:\n  a:\n    image: ${image}@${digest}\n  b: {}`,
  );
  project.write("compose.yaml", `services: {a: {image: "${registry.address}/nope:v1"}}\n`);
  const refused = await project.run(["config", "--resolve-image-digests"]);
  assert.equal(refused.status, 1);
  assert.match(refused.stderr, /nope/);
});
