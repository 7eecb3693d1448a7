// Compose and what lies elsewhere: files of git repositories and of registries, digests of registries.
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

/** Runs compose in the network of the registry, with a stand-in for ssh, which runs on this machine what it is to run on the other. */
const compose = (project: ComposeProject, ...args: string[]): Promise<Outcome> =>
  composeWith(project, "", args);

async function composeWith(
  project: ComposeProject,
  input: string,
  args: readonly string[],
): Promise<Outcome> {
  const ssh = daemon.path("ssh");
  await writeFile(ssh, '#!/bin/sh\nfor last; do :; done\nexec sh -c "$last"\n');
  await chmod(ssh, 0o755);
  const env = {
    ...daemon.environment,
    GIT_SSH_COMMAND: ssh,
    XDG_CACHE_HOME: daemon.path("cache"),
    PWD: project.directory,
  };
  const argv = daemon.network.wrap([...berth.argv, "compose", ...args]);
  return run(argv, { cwd: project.directory, env, input });
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

const manifestOf = async (name: string, tag: string): Promise<Record<string, any>> => {
  const url = `http://${registry.address}/v2/${name}/manifests/${tag}`;
  const type = "Accept: application/vnd.oci.image.manifest.v1+json";
  return JSON.parse((await daemon.network.run(["curl", "-sf", "-H", type, url])).stdout);
};

test("a project is published, and used from its registry with what it extends and its env files", async () => {
  const project = new ComposeProject(daemon, "published", {
    "compose.yaml": `services:
  app:
    image: busybox # as it is written
    environment: {HELLO: "\${GREETING:-WORLD}"}
    env_file: [vars.env, {path: missing.env, required: false}]
  more: {extends: {file: sub/base.yaml, service: base}}
`,
    "over.yaml": "services: {app: {command: [sleep, '1']}}\n",
    "sub/base.yaml":
      "services: {base: {image: base, labels: {a: b}, extends: {file: next.yaml, service: last}}}\n",
    "sub/next.yaml": "services: {last: {user: nobody}}\n",
    "vars.env": "V=1\n",
  });
  const target = `${registry.address}/project:v1`;
  const files = ["-f", "compose.yaml", "-f", "over.yaml"];
  const done = await compose(project, ...files, "publish", "--with-env", target);
  assert.equal(done.status, 0, done.stderr);
  assert.match(done.stderr, /project:v1 published/);
  const { artifactType, layers } = await manifestOf("project", "v1");
  assert.equal(artifactType, "application/vnd.docker.compose.project");
  assert.deepEqual(
    layers.map((l: any) => [
      l.mediaType.split(".").at(-1),
      l.annotations["com.docker.compose.extends"] ?? "",
    ]),
    [
      ["file+yaml", ""],
      ["file+yaml", ""],
      ["file+yaml", "true"],
      ["file+yaml", "true"],
      ["envfile", ""],
    ],
  );
  const elsewhere = new ComposeProject(daemon, "reader", {
    "compose.yaml": `include: ["oci://${target}"]
services: {own: {extends: {file: "oci://${target}", service: more}}}
`,
  });
  for (const from of [[], ["-f", `oci://${target}`]]) {
    const read = await compose(elsewhere, ...from, "config", "--format", "json");
    assert.equal(read.status, 0, read.stderr);
    const { services } = JSON.parse(read.stdout);
    assert.deepEqual(services.app.environment, { HELLO: "WORLD", V: "1" });
    assert.deepEqual(services.app.command, ["sleep", "1"]);
    assert.deepEqual(
      [services.more.image, services.more.labels, services.more.user],
      ["base", { a: "b" }, "nobody"],
    );
    if (from.length === 0) assert.deepEqual([services.own.image, services.own.user], ["base", "nobody"]);
  }
  const up = await compose(elsewhere, "-f", `oci://${target}`, "-p", "reader", "up", "-d", "app");
  assert.equal(up.status, 0, up.stderr);
  await compose(elsewhere, "-p", "reader", "down", "-t", "0");
});

test("what somebody may not want to publish is asked for, and what nobody could use is refused", async () => {
  const project = new ComposeProject(daemon, "secretive", {
    "compose.yaml": `services:
  a:
    image: busybox
    volumes: [./data:/user-data]
    env_file: vars.env
    environment: {DB_PASSWORD: hunter2, SHOWN: "\${DB_TOKEN}", GITHUB: "ghp_1234567890abcdefghijklmnopqrstuvwxyz"}
configs: {c: {content: "a literal"}}
`,
    "vars.env": "V=1\n",
  });
  const target = `${registry.address}/secretive:v1`;
  const asked = async (answers: string, ...args: string[]): Promise<Outcome> =>
    composeWith(project, answers, ["publish", "--dry-run", ...args, target]);
  for (const [answers, words] of [
    ["n\n", [/a: .*\/data:\/user-data/, /Are you ok to publish these bind mount declarations\?/]],
    [
      "y\nn\n",
      [/Github authentication\n"services.a.environment.GITHUB": ghp_/, /publish these sensitive data\?/],
    ],
    ["y\ny\nn\n", [/service "a": env_file declared/, /service "a": literal value for "DB_PASSWORD"\n/]],
    ["y\ny\ny\nn\n", [/ {2}config "c"/, /Are you ok to publish these config contents\?/]],
  ] as const) {
    const { status, stdout, stderr } = await asked(answers);
    assert.equal(status, 130, stdout + stderr);
    for (const word of words) assert.match(stdout, word);
    assert.doesNotMatch(stderr, /published/);
  }
  for (const [answers, args] of [
    ["y\ny\ny\ny\n", []],
    ["", ["-y"]],
  ] as const) {
    const done = await asked(answers, ...args);
    assert.equal(done.status, 0, done.stderr);
    assert.match(done.stderr, /secretive:v1 published/);
  }
  project.write("compose.yaml", "services: {b: {build: .}, c: {image: x}}\n");
  const built = await project.run(["publish", "-y", target]);
  assert.equal(built.status, 1);
  assert.match(built.stderr, /it only contains a build section for service\(s\):\n- "b"/);
  project.write("compose.yaml", "include: [other.yaml]\nservices: {c: {image: x}}\n");
  project.write("other.yaml", "services: {d: {image: x}}\n");
  const including = await project.run(["publish", "-y", target]);
  assert.match(including.stderr, /cannot publish compose file with local includes/);
});

test("--app puts the images beside the project, by their digests", async () => {
  const image = `${registry.address}/library/app:v1`;
  await daemon.text(berth, ["tag", "busybox", image]);
  await daemon.text(berth, ["push", "-q", image]);
  const project = new ComposeProject(daemon, "app", {
    "compose.yaml": `services: {a: {image: "${image}"}}\n`,
  });
  const target = `${registry.address}/bundle:v1`;
  const done = await compose(project, "publish", "-y", "--app", target);
  assert.equal(done.status, 0, done.stderr);
  const read = await compose(project, "-f", `oci://${target}`, "config", "--format", "json");
  const found = JSON.parse(read.stdout);
  const [, digest = ""] = found.services.a.image.split("@");
  assert.match(digest, /^sha256:/);
  assert.ok((await manifestOf("bundle", digest))["layers"].length > 0);
});

test("an image is no project, and what is not there is said to be so", async () => {
  const image = `${registry.address}/plain:v1`;
  await daemon.text(berth, ["tag", "busybox", image]);
  await daemon.text(berth, ["push", "-q", image]);
  for (const [name, complaint] of [
    ["plain:v1", /plain:v1 is not a compose project OCI artifact, but application\/vnd\./],
    ["nowhere:v1", /failed to pull OCI resource ".*nowhere:v1": /],
  ] as const) {
    const project = new ComposeProject(daemon, "none", {
      "compose.yaml": `include:\n  - "oci://${registry.address}/${name}"\n`,
    });
    const { status, stderr } = await compose(project, "config", "-q");
    assert.equal(status, 1, stderr);
    assert.match(stderr, /^compose.yaml:2:5: include: /);
    assert.match(stderr, complaint);
  }
});
