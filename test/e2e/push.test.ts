// Pushing to a registry: what is sent, what is taken over or there already, digests that stay, logins, and what is refused.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { after, afterEach, before, describe, test } from "node:test";
import { type Client, clients, TestDaemon } from "./harness.ts";
import { TestRegistry } from "./registry.ts";

const PUSHED = /^(\w+): digest: (sha256:[0-9a-f]{64}) size: (\d+)$/m;

describe("push", { skip: !existsSync("/usr/bin/docker-registry") }, () => {
  let daemon: TestDaemon;
  let registry: TestRegistry;
  before(async () => {
    daemon = await TestDaemon.start();
    registry = await TestRegistry.start(daemon.path("registry"), daemon.network);
  });
  afterEach(() => daemon.removeContainers());
  after(async () => {
    await registry.stop();
    await daemon.close();
  });

  /** The manifest as the registry has it. */
  async function manifestOf(name: string, reference: string): Promise<{ text: string; type: string }> {
    const url = `http://${registry.address}/v2/${name}/manifests/${reference}`;
    const accept = [
      "application/vnd.docker.distribution.manifest.v2+json",
      "application/vnd.oci.image.manifest.v1+json",
    ].flatMap((t) => ["-H", `Accept: ${t}`]);
    const { stdout } = await daemon.network.run(["curl", "-sS", "-f", "-i", ...accept, url]);
    const [head = "", ...body] = stdout.split("\r\n\r\n");
    return { text: body.join("\r\n\r\n"), type: /^Content-Type: (\S+)/im.exec(head)?.[1] ?? "" };
  }

  for (const client of clients) {
    const outcome = (...args: string[]) => daemon.run(client, args);
    const text = (...args: string[]) => daemon.text(client, args);
    const ok = async (...args: string[]): Promise<string> => {
      const { status, stdout, stderr } = await outcome(...args);
      assert.equal(status, 0, `${args.join(" ")}: ${stderr}`);
      return stdout;
    };

    /** Builds an image with a layer of its own. */
    async function build(image: string, word: string): Promise<void> {
      const built = await daemon.run(client, ["build", "-q", "-t", image, "-"], {
        input: `FROM busybox\nRUN echo ${word} > /word\nCMD ["cat", "/word"]\n`,
      });
      assert.equal(built.status, 0, built.stderr);
    }

    test(`${client.name}: what is pushed comes back the same`, async () => {
      const name = `one-${client.name}`;
      const image = `${registry.address}/${name}:v1`;
      await build(image, name);
      const id = await text("image", "inspect", "-f", "{{.Id}}", image);
      const out = await ok("push", image);
      assert.match(out, new RegExp(`^The push refers to repository \\[${registry.address}/${name}\\]$`, "m"));
      const [, tag, digest, size] = PUSHED.exec(out) ?? [];
      assert.equal(tag, "v1");
      const manifest = await manifestOf(name, "v1");
      assert.equal(manifest.text.length, Number(size));
      assert.equal(manifest.type, "application/vnd.docker.distribution.manifest.v2+json");
      const digests = await text("image", "inspect", "-f", "{{json .RepoDigests}}", image);
      assert.deepEqual(JSON.parse(digests), [`${registry.address}/${name}@${digest}`]);
      await ok("rmi", "-f", image);
      const pulled = await ok("pull", image);
      assert.match(pulled, new RegExp(`Digest: ${digest}`));
      assert.equal(await text("image", "inspect", "-f", "{{.Id}}", image), id);
      assert.equal(await text("run", "--rm", image), name);
    });

    test(`${client.name}: layers that the registry has are not sent again, a neighbour's are mounted`, async () => {
      const name = `two-${client.name}`;
      await build(`${registry.address}/${name}:a`, name);
      const first = await ok("push", `${registry.address}/${name}:a`);
      assert.match(first, /: Pushed/);
      const again = await ok("push", `${registry.address}/${name}:a`);
      assert.match(again, /: Layer already exists/);
      assert.doesNotMatch(again, /: Pushed/);
      assert.equal(PUSHED.exec(again)?.[2], PUSHED.exec(first)?.[2]);
      await ok("tag", `${registry.address}/${name}:a`, `${registry.address}/deep/${name}:a`);
      const moved = await ok("push", `${registry.address}/deep/${name}:a`);
      assert.match(moved, new RegExp(`: Mounted from ${name}$`, "m"));
      assert.doesNotMatch(moved, /: Pushed/);
      assert.equal(PUSHED.exec(moved)?.[2], PUSHED.exec(first)?.[2]);
    });

    test(`${client.name}: -a pushes every tag, a default tag is named, -q prints the name only`, async () => {
      const name = `three-${client.name}`;
      const repository = `${registry.address}/${name}`;
      for (const tag of ["x", "y", "latest"]) await build(`${repository}:${tag}`, `${name}-${tag}`);
      const all = await ok("push", "-a", repository);
      for (const tag of ["x", "y", "latest"]) assert.match(all, new RegExp(`^${tag}: digest: sha256:`, "m"));
      assert.match(await ok("push", repository), /^Using default tag: latest$/m);
      assert.equal(await ok("push", "-q", `${repository}:x`), `${repository}:x\n`);
    });

    test(`${client.name}: pull -a brings every tag, and says once how it went`, async () => {
      const name = `five-${client.name}`;
      const repository = `${registry.address}/${name}`;
      for (const tag of ["x", "y"]) await build(`${repository}:${tag}`, `${name}-${tag}`);
      await ok("push", "-a", repository);
      await ok("rmi", `${repository}:x`, `${repository}:y`);
      const pulled = await ok("pull", "-a", repository);
      for (const tag of ["x", "y"]) assert.match(pulled, new RegExp(`^${tag}: Pulling from ${name}$`, "m"));
      assert.match(pulled, /: Download complete/);
      const status = pulled.match(/^Status: .*$/gm);
      assert.deepEqual(status, [`Status: Downloaded newer image for ${repository}`]);
      assert.equal(await text("run", "--rm", `${repository}:y`), `${name}-y`);
      assert.match(await ok("pull", "-a", repository), /^Status: Image is up to date for /m);
      await ok("tag", `${repository}:x`, "kept");
      await ok("rmi", `${repository}:x`);
      // The image is here under another name; its own is new.
      assert.match(await ok("pull", `${repository}:x`), /^Status: Downloaded newer image for /m);
      await ok("rmi", "kept", `${repository}:x`, `${repository}:y`);
    });

    test(`${client.name}: what is not here is refused in Docker's words`, async () => {
      const none = await outcome("push", `${registry.address}/nosuch-${client.name}:v1`);
      assert.equal(none.status, 1);
      assert.match(
        none.stderr,
        /An image does not exist locally with the tag: localhost:5000\/nosuch-\w+\n$/,
      );
      await ok("tag", "busybox", `${registry.address}/four-${client.name}:here`);
      const tag = await outcome("push", `${registry.address}/four-${client.name}:there`);
      assert.equal(tag.status, 1);
      assert.match(tag.stderr, /tag does not exist: localhost:5000\/four-\w+:there\n$/);
    });
  }

  test("an image that was pulled keeps its digest under another name", async () => {
    const [client] = clients as [Client];
    const ok = (...args: string[]): Promise<string> => daemon.text(client, args);
    await ok("tag", "busybox", `${registry.address}/kept:a`);
    await ok("push", `${registry.address}/kept:a`);
    // The same manifest with another indentation has another digest: only who keeps the bytes can send them again.
    const { text, type } = await manifestOf("kept", "a");
    const odd = await registry.pushManifest("kept", "odd", JSON.parse(text), type);
    await ok("rmi", "-f", `${registry.address}/kept:a`);
    await ok("pull", `${registry.address}/kept:odd`);
    await ok("tag", `${registry.address}/kept:odd`, `${registry.address}/copy:b`);
    const out = await ok("push", `${registry.address}/copy:b`);
    assert.equal(PUSHED.exec(out)?.[2], odd.digest);
  });

  describe("with a password", () => {
    let closed: TestRegistry;
    before(async () => {
      await writeFile(daemon.path("htpasswd"), HTPASSWD);
      const options = { port: 5001, htpasswd: daemon.path("htpasswd") };
      closed = await TestRegistry.start(daemon.path("closed"), daemon.network, options);
    });
    after(() => closed.stop());

    for (const client of clients) {
      test(`${client.name}: login is checked, and lets push and pull through`, async () => {
        const image = `${closed.address}/secret-${client.name}:v1`;
        const config = ["--config", daemon.path(`config-${client.name}`)];
        const outcome = (args: string[], input = "") => daemon.run(client, [...config, ...args], { input });
        assert.equal((await outcome(["tag", "busybox", image])).status, 0);
        const refused = await outcome(["push", image]);
        assert.equal(refused.status, 1);
        assert.match(refused.stderr, /no basic auth credentials\n$/);
        const wrong = await outcome(["login", "-u", "me", "--password-stdin", closed.address], "wrong");
        assert.equal(wrong.status, 1);
        assert.match(
          wrong.stderr,
          /login attempt to http:\/\/localhost:5001\/v2\/ failed with status: 401 Unauthorized/,
        );
        const login = await outcome(["login", "-u", "me", "--password-stdin", closed.address], "secret");
        assert.equal(login.status, 0, login.stderr);
        assert.match(login.stdout, /Login Succeeded/);
        const pushed = await outcome(["push", image]);
        assert.equal(pushed.status, 0, pushed.stderr);
        assert.equal((await outcome(["rmi", image])).status, 0);
        assert.equal((await outcome(["pull", image])).status, 0);
        await outcome(["logout", closed.address]);
        assert.equal((await outcome(["pull", image])).status, 1);
      });
    }
  });
});

/** me, with the password "secret" in bcrypt, which is all that the registry takes. */
const HTPASSWD = "me:$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n";
