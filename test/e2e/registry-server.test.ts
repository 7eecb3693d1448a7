// `berth registry serve` as others see it: the docker client over our daemon, skopeo, podman and buildah push to it and pull from it, with
// TLS, passwords and client certificates; and as a cache of Debian's registry.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { copyFile, mkdir, readFile, rm } from "node:fs/promises";
import { after, before, describe, test } from "node:test";
import { Live, run } from "./command.ts";
import { clients, TestDaemon } from "./harness.ts";
import { makeCertificates, startOwnRegistry, stopRegistry, writeHtpasswd } from "./own-registry.ts";
import { digestOf, TestRegistry } from "./registry.ts";

const SECURE = "localhost:5443";
const MUTUAL = "localhost:5444";
const CACHE = "localhost:5055";

describe("registry serve", () => {
  let daemon: TestDaemon;
  let certificates: string;
  const servers: Live[] = [];

  before(async () => {
    daemon = await TestDaemon.start();
    certificates = daemon.path("tls");
    await makeCertificates(certificates);
    const file = (name: string): string => `${certificates}/${name}`;
    // The daemon finds them beside its daemon.json.
    for (const [host, names] of [
      [SECURE, ["ca.crt"]],
      [MUTUAL, ["ca.crt", "client.cert", "client.key"]],
    ] as const) {
      await mkdir(daemon.path("certs.d", host), { recursive: true });
      for (const name of names) await copyFile(file(name), daemon.path("certs.d", host, name));
    }
    const htpasswd = await writeHtpasswd(daemon.path("htpasswd"));
    const tls = ["--tlscert", file("server.crt"), "--tlskey", file("server.key")];
    const { network } = daemon;
    servers.push(
      await startOwnRegistry(daemon.path("secure"), network, {
        port: 5443,
        args: [...tls, "--htpasswd", htpasswd],
      }),
      await startOwnRegistry(daemon.path("mutual"), network, {
        port: 5444,
        args: [...tls, "--tlscacert", file("ca.crt")],
      }),
    );
  });
  after(async () => {
    for (const server of servers) await stopRegistry(server);
    await daemon.close();
  });

  const idOf = (image: string): Promise<string> =>
    daemon.text(clients[0] as (typeof clients)[number], ["image", "inspect", "-f", "{{.Id}}", image]);

  /** Runs another engine's command in the registry's network; it has to succeed. */
  async function other(...argv: string[]): Promise<string> {
    const { status, stdout, stderr } = await daemon.network.run(argv, {
      env: { PATH: daemon.environment["PATH"] ?? "", HOME: daemon.dir },
      timeoutMs: 60_000,
    });
    assert.equal(status, 0, `${argv.join(" ")}: ${stdout}${stderr}`);
    return stdout;
  }

  const trusted = (): string => daemon.path("certs.d", SECURE);

  for (const client of clients) {
    test(`${client.name}: push and pull with a password over TLS`, async () => {
      const image = `${SECURE}/team/${client.name}:v1`;
      const text = (...args: string[]): Promise<string> => daemon.text(client, args);
      await text("tag", "busybox", image);
      const refused = await daemon.run(client, ["push", image]);
      assert.equal(refused.status, 1);
      assert.match(refused.stderr, /no basic auth credentials/);
      const login = (password: string) =>
        daemon.run(client, ["login", "-u", "me", "--password-stdin", SECURE], { input: password });
      assert.match((await login("wrong")).stderr, /401 Unauthorized/);
      assert.match((await login("secret")).stdout, /Login Succeeded/);
      const digest = /digest: (sha256:\S+)/.exec(await text("push", image))?.[1];
      const id = await idOf(image);
      await text("rmi", image);
      assert.match(await text("pull", image), new RegExp(`Digest: ${digest}`));
      assert.equal(await idOf(image), id);
      assert.match(await text("push", image), /Layer already exists/);
      assert.equal(await text("run", "--rm", image, "echo", "hello"), "hello");
      await text("logout", SECURE);
      assert.match((await daemon.run(client, ["pull", image])).stderr, /pull access denied/);
      await text("rmi", image);
    });
  }

  test("a registry that wants a certificate gets the one of certs.d", async () => {
    const image = `${MUTUAL}/a:1`;
    const { berth } = { berth: (...args: string[]) => daemon.berth(...args) };
    await berth("tag", "busybox", image);
    const pushed = await berth("push", image);
    assert.equal(pushed.status, 0, pushed.stderr);
    await rm(daemon.path("certs.d", MUTUAL), { recursive: true });
    const refused = await berth("pull", image);
    assert.equal(refused.status, 1, "without one nothing is given out");
    await berth("rmi", image);
  });

  test("certificates of an unknown authority are refused, and it is said what can be done", async () => {
    const { network } = daemon;
    // Loopback is insecure by default; this address is another one.
    await network.run(["ip", "address", "add", "192.0.2.7/32", "dev", "lo"]);
    const server = await startOwnRegistry(daemon.path("unknown"), network, {
      host: "192.0.2.7",
      port: 5445,
      args: ["--tlscert", `${certificates}/server.crt`, "--tlskey", `${certificates}/server.key`],
    });
    const { status, stderr } = await daemon.berth("pull", "192.0.2.7:5445/a");
    assert.equal(status, 1);
    assert.match(stderr, /Get "https:\/\/192\.0\.2\.7:5445\/v2\/": tls: .*unknown authority.*certs\.d/);
    await stopRegistry(server);
  });

  test("skopeo copies to it and from it", { skip: !existsSync("/usr/bin/skopeo") }, async () => {
    const tls = (side: string) => [`--${side}-cert-dir`, trusted(), `--${side}-creds`, "me:secret"];
    const archive = daemon.path("saved.tar");
    assert.equal((await daemon.berth("save", "-o", archive, "busybox")).status, 0);
    const target = `docker://${SECURE}/skopeo/busybox:1`;
    await other("skopeo", "copy", ...tls("dest"), `docker-archive:${archive}`, target);
    const layout = daemon.path("layout");
    await other("skopeo", "copy", ...tls("src"), target, `oci:${layout}:x`);
    const index = JSON.parse(await readFile(`${layout}/index.json`, "utf8")) as {
      manifests: { digest: string }[];
    };
    const blob = (digest: string): Promise<string> =>
      readFile(`${layout}/blobs/${digest.replace(":", "/")}`, "utf8");
    const manifest = JSON.parse(await blob(index.manifests[0]?.digest ?? "")) as {
      config: { digest: string };
    };
    const inspected = JSON.parse(
      await daemon.text(clients[0] as (typeof clients)[number], ["image", "inspect", "busybox"]),
    ) as { RootFS: { Layers: string[] } }[];
    const config = JSON.parse(await blob(manifest.config.digest)) as { rootfs: { diff_ids: string[] } };
    assert.deepEqual(config.rootfs.diff_ids, inspected[0]?.RootFS.Layers);
    const tags = await other(
      "skopeo",
      "list-tags",
      "--cert-dir",
      trusted(),
      "--creds",
      "me:secret",
      `docker://${SECURE}/skopeo/busybox`,
    );
    assert.deepEqual((JSON.parse(tags) as { Tags: string[] }).Tags, ["1"]);
    await other("skopeo", "delete", "--cert-dir", trusted(), "--creds", "me:secret", target);
  });

  for (const engine of ["podman", "buildah"]) {
    test(`${engine} pushes to it and pulls from it`, {
      skip: !existsSync(`/usr/bin/${engine}`),
    }, async () => {
      const root = [
        "--root",
        daemon.path(engine, "root"),
        "--runroot",
        daemon.path(engine, "run"),
        "--storage-driver",
        "vfs",
      ];
      const tls = ["--cert-dir", trusted(), "--creds", "me:secret"];
      const image = `${SECURE}/${engine}/busybox:1`;
      const archive = daemon.path(`${engine}.tar`);
      assert.equal((await daemon.berth("save", "-o", archive, "busybox")).status, 0);
      const loaded = (await other(engine, ...root, "pull", "-q", `docker-archive:${archive}`)).trim();
      await other(engine, ...root, "push", "-q", ...tls, loaded, `docker://${image}`);
      await other(engine, ...root, "rmi", loaded);
      const id = await other(engine, ...root, "pull", "-q", ...tls, image);
      assert.match(id, /^[0-9a-f]{64}\n$/);
      await other(engine, ...root, "rmi", id.trim());
    });
  }

  test("as a cache it asks Debian's registry once", {
    skip: !existsSync("/usr/bin/docker-registry"),
  }, async () => {
    const upstream = await TestRegistry.start(daemon.path("upstream"), daemon.network, { port: 5056 });
    const args = ["--proxy", `http://${upstream.address}`];
    servers.push(await startOwnRegistry(daemon.path("cache"), daemon.network, { port: 5055, args }));
    await daemon.berth("tag", "busybox", `${upstream.address}/base/busybox:1`);
    assert.equal((await daemon.berth("push", `${upstream.address}/base/busybox:1`)).status, 0);
    const image = `${CACHE}/base/busybox:1`;
    for (const client of clients) {
      assert.match(
        await daemon.text(client, ["pull", image]),
        /Status: (Downloaded newer image|Image is up to date)/,
      );
      assert.equal(await daemon.text(client, ["run", "--rm", image, "echo", "x"]), "x");
      await daemon.text(client, ["rmi", image]);
    }
    assert.match(
      await daemon.text(clients[0] as (typeof clients)[number], ["pull", image]),
      /Digest: sha256:/,
    );
    const refused = await daemon.berth("push", image);
    assert.equal(refused.status, 1);
    assert.match(refused.stderr, /read-only/);
    await upstream.stop();
    assert.match(
      await daemon.text(clients[0] as (typeof clients)[number], ["pull", image]),
      /Digest: sha256:/,
    );
    await daemon.berth("rmi", image);
  });

  test("an upload survives kill -9 in the middle of a chunk", async () => {
    const dir = daemon.path("killed");
    const options = { port: 5056 };
    let server = await startOwnRegistry(dir, daemon.network, options);
    const bytes = randomBytes(5 << 20);
    const digest = digestOf(bytes);
    const curl = async (args: string[], input?: Uint8Array): Promise<string> => {
      const argv = daemon.network.wrap(["curl", "-sSf", "-D", "-", "-o", "/dev/null", ...args]);
      const { status, stdout, stderr } = await run(argv, input === undefined ? {} : { input });
      assert.equal(status, 0, `${args.join(" ")}: ${stderr}`);
      return stdout;
    };
    const takenBy = async (url: string): Promise<number> =>
      Number(/^Range: 0-(\d+)/im.exec(await curl([url]))?.[1]) + 1;
    const begun = await curl(["-X", "POST", "http://127.0.0.1:5056/v2/app/blobs/uploads/"]);
    const upload = `http://127.0.0.1:5056${/^Location: (\S+)/im.exec(begun)?.[1]}`;
    const patch = ["-X", "PATCH", "-H", "Content-Type: application/octet-stream", "-T", "-", upload];
    await curl(patch, bytes.subarray(0, 1 << 20));
    const cut = new Live(daemon.network.wrap(["curl", "-sS", ...patch]));
    cut.stdin.write(bytes.subarray(1 << 20, 4 << 20));
    // More than the first chunk is on its way to the disk when the server is killed.
    while ((await takenBy(upload)) <= 2 << 20);
    server.kill("SIGKILL");
    await server.ended;
    cut.stdin.end();
    await cut.ended;

    server = await startOwnRegistry(dir, daemon.network, options);
    const taken = await takenBy(upload);
    assert.ok(taken > 2 << 20 && taken <= 4 << 20, `${taken}`);
    await curl(patch, bytes.subarray(taken));
    assert.match(await curl(["-X", "PUT", `${upload}?digest=${digest}`]), / 201 Created/);
    const pulled = daemon.path("pulled");
    await other("curl", "-sSf", "-o", pulled, `http://127.0.0.1:5056/v2/app/blobs/${digest}`);
    assert.equal(digestOf(await readFile(pulled)), digest);
    await stopRegistry(server);
  });

  test("a second server on the same directory is refused", async () => {
    const second = await daemon.berth(
      "registry",
      "serve",
      "--listen",
      "127.0.0.1:0",
      "--root",
      daemon.path("secure"),
    );
    assert.equal(second.status, 1);
    assert.match(second.stderr, /in use|another/);
  });
});
