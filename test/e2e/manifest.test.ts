// Manifest lists, made without a daemon: docker and berth do the same with the same words, down to the files and to what
// is in the registry afterwards; each goes on with what the other began.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { type Outcome, run } from "./command.ts";
import { type Client, clients } from "./harness.ts";
import { NetworkNamespace } from "./namespace.ts";
import { type Blob, OCI_INDEX, OCI_MANIFEST, TestRegistry } from "./registry.ts";

/** me, with the password "secret" in bcrypt, which is all that the registry takes. */
const HTPASSWD = "me:$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n";
const DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json";

const lines = `inspect --insecure R/app:amd64
inspect --insecure R/app:list
inspect --insecure -v R/app:list
inspect --insecure -v R/oci:amd64
inspect --insecure R/oci:amd64
inspect --insecure R/oci:index
inspect --insecure R/oci:nothing
inspect --insecure R/nothing
inspect R/APP
create --insecure R/l R/app:amd64
create --insecure R/l R/app:arm
create --insecure --amend R/l R/app:arm R/other/x:riscv
inspect --insecure R/l
inspect --insecure -v R/l
inspect R/l R/app:arm
inspect -v R/l R/app:arm
inspect R/l R/nothing
create --insecure R/l2 R/app:list
create --insecure R/l2 R/app:nothing
create --insecure UP R/app:amd64
create --insecure R/l2 UP
annotate R/l R/app:arm --os windows --arch amd64 --os-features a,b --os-features b,c --os-version 1 --variant x
inspect R/l
create --insecure -a R/l R/app:arm
inspect R/l
annotate R/l R/app:arm --os foo
annotate R/l R/app:nothing --os linux
annotate UP x
annotate x UP
annotate R/l R/app:arm --os linux --arch arm
push --insecure R/l
inspect --insecure R/l R/app:arm
push --insecure -p R/l
inspect --insecure R/l
push R/l
rm R/l
rm a UP
create --insecure R/oci:own R/oci:amd64 R/oci:arm64
push --insecure R/oci:own
rm R/oci:own
inspect --insecure R/oci:own
create --insecure other.host/x R/oci:amd64
push --insecure other.host/x
inspect other.host/x
rm other.host/x
create --insecure R/odd R/odd:none
push --insecure R/odd
inspect R/odd
annotate R/odd R/odd:none --os linux
create --insecure R/mixed R/oci:amd64 R/app:arm
inspect R/mixed
create --insecure R/digest R/app@DIGEST
inspect --insecure R/app:arm@DIGEST
create --insecure R/never R/app:amd64@DIGEST
inspect --insecure R/oci@DIGEST
push --insecure R/digest`.split("\n");

describe("manifest lists", { skip: !existsSync("/usr/bin/docker-registry") }, () => {
  let dir: string;
  let network: NetworkNamespace;
  let digest: string;
  const registries: TestRegistry[] = [];

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), "berth-manifest-"));
    network = await NetworkNamespace.make();
    for (const [index, { name }] of clients.entries()) {
      await mkdir(join(dir, name, "registry"), { recursive: true });
      const registry = await TestRegistry.start(join(dir, name, "registry"), network, { port: 5000 + index });
      registries.push(registry);
      digest = await fill(registry);
    }
  });
  after(async () => {
    for (const registry of registries) await registry.stop();
    await network.close();
    await rm(dir, { recursive: true });
  });

  /** Runs a client on a store; R stands for the registry, DIGEST for that of app:arm. */
  function on(store: string, client: Client, line: string, registry: TestRegistry): Promise<Outcome> {
    const words = line.replaceAll(/\bR\//g, `${registry.address}/`).replaceAll("DIGEST", digest).split(" ");
    const env = { PATH: process.env["PATH"] ?? "", HOME: join(dir, store) };
    return run(network.wrap([...client.argv, "manifest", ...words]), { cwd: dir, env });
  }

  test("the same words have the same effect on output, exit code, files and registry", {
    skip: clients.length < 2,
  }, async () => {
    for (const line of lines) {
      const told: unknown[] = [];
      for (const [index, client] of clients.entries()) {
        const registry = registries[index] as TestRegistry;
        const { status, stdout, stderr } = await on(client.name, client, line, registry);
        const settle = (text: string): string => text.replaceAll(registry.address, "R");
        const stored = await filesBelow(join(dir, client.name, ".docker/manifests"), settle);
        told.push({ status, stdout: settle(stdout), stderr: settle(stderr), stored });
      }
      assert.deepEqual(told[0], told[1], line);
    }
    const [ours, theirs] = await Promise.all(
      clients.map(({ name }) => tagsBelow(join(dir, name, "registry/files"))),
    );
    assert.ok((ours ?? []).some((tag) => tag.includes("/l/") && tag.includes("latest")));
    assert.deepEqual(ours, theirs);
  });

  for (const maker of clients) {
    for (const taker of clients.filter((one) => one !== maker)) {
      test(`${taker.name} goes on with a list that ${maker.name} began`, async () => {
        const registry = registries[0] as TestRegistry;
        const ok = async (client: Client, line: string): Promise<string> => {
          const { status, stdout, stderr } = await on("shared", client, line, registry);
          assert.equal(status, 0, `${client.name} ${line}: ${stderr}`);
          return stdout;
        };
        const list = `R/shared-${maker.name}`;
        await ok(maker, `create --insecure ${list} R/app:amd64 R/app:arm`);
        await ok(taker, `annotate ${list} R/app:arm --variant v6`);
        await ok(taker, `create --insecure -a ${list} R/other/x:riscv`);
        await ok(maker, `push --insecure -p ${list}`);
        const pushed = JSON.parse(await ok(taker, `inspect --insecure ${list}`)) as {
          manifests: { platform: unknown }[];
        };
        assert.deepEqual(
          pushed.manifests.map(({ platform }) => platform),
          [
            { architecture: "amd64", os: "linux" },
            { architecture: "arm", os: "linux", variant: "v6" },
            { architecture: "riscv64", os: "linux" },
          ],
        );
      });
    }
  }

  test("a manifest that does not have its digest any more is not pushed", async () => {
    const registry = registries[0] as TestRegistry;
    const berth = clients[0] as Client;
    await on("changed", berth, "create --insecure R/changed R/app:amd64", registry);
    const files = join(dir, "changed/.docker/manifests");
    const [list = ""] = await readdir(files);
    const [name = ""] = await readdir(join(files, list));
    const kept = JSON.parse(await readFile(join(files, list, name), "utf8")) as Record<string, unknown>;
    await writeFile(join(files, list, name), JSON.stringify({ ...kept, Raw: "e30=" }));
    const { status, stderr } = await on("changed", berth, "push --insecure R/changed", registry);
    assert.equal(status, 1);
    assert.match(stderr, /internal digest mismatch/);
  });
});

describe("manifest lists in a registry with a password", {
  skip: !existsSync("/usr/bin/docker-registry"),
}, () => {
  for (const client of clients) {
    test(`${client.name}: the credentials are those of config.json`, async () => {
      const dir = await mkdtemp(join(tmpdir(), "berth-manifest-"));
      const network = await NetworkNamespace.make();
      await writeFile(join(dir, "htpasswd"), HTPASSWD);
      const registry = await TestRegistry.start(join(dir, "registry"), network, {
        htpasswd: join(dir, "htpasswd"),
      });
      await using stack = new AsyncDisposableStack();
      stack.defer(() => rm(dir, { recursive: true }));
      stack.defer(() => network.close());
      stack.defer(() => registry.stop());
      const inspect = (home: string): Promise<Outcome> => {
        const env = { PATH: process.env["PATH"] ?? "", HOME: join(dir, home) };
        const words = ["manifest", "inspect", "--insecure", `${registry.address}/app:nothing`];
        return run(network.wrap([...client.argv, ...words]), { env });
      };
      await mkdir(join(dir, "known/.docker"), { recursive: true });
      const auth = Buffer.from("me:secret").toString("base64");
      await writeFile(
        join(dir, "known/.docker/config.json"),
        JSON.stringify({ auths: { [registry.address]: { auth } } }),
      );
      assert.match((await inspect("unknown")).stderr, /no basic auth credentials\n$/);
      const { stderr } = await inspect("known");
      assert.equal(stderr, `no such manifest: ${registry.address}/app:nothing\n`);
      const statuses = registry.log.matchAll(/"GET \/v2\/app\/manifests\/nothing HTTP\/1.1" (\d+)/g);
      const seen = [...statuses].map(([, status]) => status);
      assert.equal(seen.at(-1), "404");
    });
  }
});

/** Every file below a directory with its mode and content. */
async function filesBelow(path: string, settle: (text: string) => string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const name of await readdir(path, { recursive: true }).catch(() => [])) {
    const info = await stat(join(path, name));
    const content = info.isFile() ? settle(await readFile(join(path, name), "utf8")) : "";
    found[name.replaceAll(/localhost-\d+/g, "R")] = `${(info.mode & 0o7777).toString(8)} ${content}`;
  }
  return found;
}

/** Which tags a registry has, and what they stand for. */
async function tagsBelow(path: string): Promise<string[]> {
  const links = (await readdir(path, { recursive: true })).filter((name) => name.endsWith("current/link"));
  const lines = links.map(async (name) => `${name} ${await readFile(join(path, name), "utf8")}`);
  return (await Promise.all(lines)).sort((a, b) => (a < b ? -1 : 1));
}

/** Gives a registry images of two kinds for several platforms; returns the digest of app:arm. */
async function fill(registry: TestRegistry): Promise<string> {
  const image = async (name: string, tag: string, platform: object, isOci = false): Promise<Blob> => {
    const kind = isOci ? "application/vnd.oci.image." : "application/vnd.docker.";
    const config = Buffer.from(JSON.stringify({ ...platform, rootfs: { type: "layers", diff_ids: [] } }));
    const configType = `${kind}${isOci ? "config" : "container.image"}.v1+json`;
    const layerType = `${kind}${isOci ? "layer.v1.tar+gzip" : "image.rootfs.diff.tar.gzip"}`;
    const mediaType = isOci ? OCI_MANIFEST : DOCKER_MANIFEST;
    const manifest = {
      schemaVersion: 2,
      mediaType,
      config: await registry.pushBlob(name, config, configType),
      layers: [await registry.pushBlob(name, Buffer.from(`${name}:${tag}`), layerType)],
      ...(isOci ? { annotations: { text: "<&>" } } : {}),
    };
    return registry.pushManifest(name, tag, manifest, mediaType);
  };
  const on = (blob: Blob, platform: object): object => ({ ...blob, platform });
  const amd64 = { architecture: "amd64", os: "linux" };
  const v7 = { architecture: "arm", os: "linux", variant: "v7" };
  const v8 = { architecture: "arm64", os: "linux", variant: "v8" };
  const windows = { architecture: "amd64", os: "windows", "os.version": "10.0.1", "os.features": ["win32k"] };
  const arm = await image("app", "arm", v7);
  const apps = [
    on(await image("app", "amd64", amd64), amd64),
    on(arm, v7),
    on(await image("app", "win", windows), windows),
  ];
  await registry.pushManifest(
    "app",
    "list",
    { schemaVersion: 2, mediaType: DOCKER_LIST, manifests: apps },
    DOCKER_LIST,
  );
  const ocis = [
    on(await image("oci", "amd64", amd64, true), amd64),
    on(await image("oci", "arm64", v8, true), v8),
  ];
  await registry.pushManifest(
    "oci",
    "index",
    { schemaVersion: 2, mediaType: OCI_INDEX, manifests: ocis },
    OCI_INDEX,
  );
  await image("other/x", "riscv", { architecture: "riscv64", os: "linux" });
  await image("odd", "none", { architecture: "", os: "" });
  return arm.digest;
}
