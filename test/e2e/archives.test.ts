// Image archives between Docker, podman, skopeo and Berth, both ways: everywhere the same configuration, byte for byte, and the same layers.
// An engine that is not installed is passed over.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { baseImageTar } from "./base-image.ts";
import { Live, run } from "./command.ts";
import { clients, TestDaemon } from "./harness.ts";

const has = (command: string): boolean =>
  (process.env["PATH"] ?? "").split(delimiter).some((d) => existsSync(join(d, command)));

/** Things that archives get wrong: whiteouts, hard links, modes, names beyond ASCII and beyond 100 bytes. */
const DOCKERFILE = `FROM busybox
LABEL one="1" two="\\"quoted\\" <&>"
ENV A="a b" PATH=/bin
RUN mkdir -p /data/deep && echo one > /data/one && ln /data/one /data/hard && ln -s one /data/soft
RUN rm /data/one && echo two > "/data/zwei ü" && chmod 4755 "/data/zwei ü" && rm -r /var && mkdir /var
RUN touch /data/deep/$(printf 'x%.0s' $(seq 150)) && mkfifo /data/pipe
USER dev:2000
WORKDIR /data
HEALTHCHECK --interval=3s CMD true
EXPOSE 80/tcp 53/udp
VOLUME /data/vol
STOPSIGNAL SIGINT
CMD ["sh", "-c", "cat zwei*"]
`;

/** What makes an image. */
interface Identity {
  readonly id: string;
  readonly layers: readonly string[];
}

describe("archives", () => {
  let daemon: TestDaemon;
  let own: Identity;
  let ownArchive: string;
  const [client] = clients as [(typeof clients)[number]];

  before(async () => {
    daemon = await TestDaemon.start();
    await mkdir(daemon.path("archives"));
    const built = await daemon.run(client, ["build", "-q", "-t", "own:1", "-"], { input: DOCKERFILE });
    assert.equal(built.status, 0, built.stderr);
    own = await known("own:1");
    ownArchive = at("own.tar");
    await daemon.text(client, ["save", "-o", ownArchive, "own:1"]);
  });
  after(() => daemon.close());

  const at = (name: string): string => daemon.path("archives", name);
  const environment = (): Record<string, string> => ({ PATH: process.env["PATH"] ?? "", HOME: daemon.dir });

  async function ok(...argv: string[]): Promise<string> {
    const { status, stdout, stderr } = await run(argv, { env: environment(), timeoutMs: 60_000 });
    assert.equal(status, 0, `${argv.join(" ")}: ${stdout}${stderr}`);
    return stdout;
  }

  async function known(name: string): Promise<Identity> {
    const inspected = await daemon.text(client, ["image", "inspect", name]);
    const [image] = JSON.parse(inspected) as { Id: string; RootFS: { Layers: string[] } }[];
    return { id: image?.Id ?? "", layers: image?.RootFS.Layers ?? [] };
  }

  /** How skopeo sees an archive. */
  async function seen(source: string): Promise<Identity> {
    const config = await run(["skopeo", "inspect", "--config", "--raw", source], { env: environment() });
    assert.equal(config.status, 0, config.stderr);
    const { rootfs } = JSON.parse(config.stdout) as { rootfs: { diff_ids: string[] } };
    return {
      id: `sha256:${createHash("sha256").update(config.bytes).digest("hex")}`,
      layers: rootfs.diff_ids,
    };
  }

  /** Loads an archive that holds one image and removes the image again. */
  async function loaded(archive: string): Promise<Identity> {
    const said = await daemon.text(client, ["load", "-q", "-i", archive]);
    const name = /^Loaded image(?: ID)?: (\S+)$/m.exec(said)?.[1] ?? "";
    const image = await known(name);
    await daemon.text(client, ["rmi", "-f", image.id]);
    return image;
  }

  describe("with Docker Engine", { skip: !has("dockerd") || !has("docker") }, () => {
    let engine: Live;
    let docker: (...args: string[]) => Promise<string>;
    before(async () => {
      const home = daemon.path("engine");
      await mkdir(home);
      const socket = `unix://${join(home, "sock")}`;
      await writeFile(join(home, "daemon.json"), "{}");
      const places = ["data-root:data", "exec-root:run", "pidfile:pid", "config-file:daemon.json"].flatMap(
        (p) => {
          const [flag, name = ""] = p.split(":");
          return [`--${flag}`, join(home, name)];
        },
      );
      const settings = ["--bridge", "none", "--iptables=false", "--storage-driver", "vfs"];
      engine = new Live(["unshare", "-mn", "dockerd", "-H", socket, ...places, ...settings], {
        timeoutMs: 120_000,
      });
      await engine.prints("API listen on");
      docker = (...args) => ok("docker", "-H", socket, ...args);
    });
    after(async () => {
      engine.kill("SIGTERM");
      await engine.ended;
    });

    test("what Berth saved is the same image there, and comes back the same", async () => {
      await docker("load", "-q", "-i", ownArchive);
      const [image] = JSON.parse(await docker("image", "inspect", "own:1")) as {
        Id: string;
        RootFS: { Layers: string[] };
      }[];
      assert.deepEqual({ id: image?.Id, layers: image?.RootFS.Layers }, own);
      await docker("save", "-o", at("returned.tar"), "own:1");
      await daemon.text(client, ["rmi", "own:1"]);
      assert.deepEqual(await loaded(at("returned.tar")), own);
    });

    test("what Docker made and saved loads, several images at once", async () => {
      await writeFile(at("base.tar"), await baseImageTar());
      await docker("import", "-c", 'CMD ["sh"]', "-c", "ENV A=1", at("base.tar"), "made:1");
      await docker("tag", "made:1", "made:2");
      await docker("save", "-o", at("docker.tar"), "made:1", "made:2", "own:1");
      const said = await daemon.text(client, ["load", "-q", "-i", at("docker.tar")]);
      assert.deepEqual(said.split("\n").sort(), [
        "Loaded image: made:1",
        "Loaded image: made:2",
        "Loaded image: own:1",
      ]);
      for (const name of ["made:1", "made:2", "own:1"])
        assert.equal(
          (await known(name)).id,
          (await docker("image", "inspect", "-f", "{{.Id}}", name)).trim(),
        );
      await daemon.text(client, ["rmi", "made:1", "made:2", "own:1"]);
    });
  });

  describe("with podman", { skip: !has("podman") || !has("skopeo") }, () => {
    const podman = (...args: string[]): Promise<string> => {
      const home = daemon.path("podman");
      const stores = [
        "--root",
        join(home, "graph"),
        "--runroot",
        join(home, "run"),
        "--storage-driver",
        "vfs",
      ];
      return ok("podman", ...stores, "--events-backend", "none", "--tmpdir", join(home, "tmp"), ...args);
    };

    test("what Berth saved is the same image there", async () => {
      await podman("load", "-q", "-i", ownArchive);
      const [image] = JSON.parse(await podman("image", "inspect", "own:1")) as {
        Id: string;
        RootFS: { Layers: string[] };
      }[];
      assert.deepEqual({ id: `sha256:${image?.Id}`, layers: image?.RootFS.Layers }, own);
    });

    for (const format of ["docker-archive", "oci-archive"])
      test(`what podman saved as ${format} is the same image here`, async () => {
        await podman("load", "-q", "-i", ownArchive);
        const archive = at(`podman-${format}.tar`);
        await podman("save", "-q", "--format", format, "-o", archive, "own:1");
        assert.deepEqual(await loaded(archive), await seen(`${format}:${archive}`));
      });

    test("an archive of several images", async () => {
      await podman("load", "-q", "-i", ownArchive);
      await podman("tag", "own:1", "localhost/other:2");
      const archive = at("podman-multi.tar");
      await podman("save", "-q", "--multi-image-archive", "-o", archive, "own:1", "localhost/other:2");
      const said = await daemon.text(client, ["load", "-q", "-i", archive]);
      assert.match(said, /Loaded image: localhost\/other:2/);
      await daemon.text(client, ["rmi", "-f", (await known("localhost/other:2")).id]);
    });
  });

  describe("with skopeo", { skip: !has("skopeo") }, () => {
    const policy = ["--insecure-policy"];

    test("it reads what Berth saved, as both formats that it is", async () => {
      assert.deepEqual(await seen(`docker-archive:${ownArchive}`), own);
      assert.deepEqual(await seen(`oci-archive:${ownArchive}`), own);
    });

    for (const format of ["docker-archive", "oci-archive"])
      test(`what it wrote as ${format} is the same image here, also compressed`, async () => {
        const archive = at(`skopeo-${format}.tar`);
        await ok(
          "skopeo",
          ...policy,
          "copy",
          "-q",
          `docker-archive:${ownArchive}`,
          `${format}:${archive}:own:1`,
        );
        const expected = await seen(`${format}:${archive}`);
        assert.deepEqual(expected.layers, own.layers);
        assert.deepEqual(await loaded(archive), expected);
        for (const [tool, suffix] of [
          ["gzip", "gz"],
          ["xz", "xz"],
          ["bzip2", "bz2"],
        ] as const) {
          await ok(tool, "-kf", archive);
          assert.deepEqual(await loaded(`${archive}.${suffix}`), expected, tool);
        }
      });

    test("a layout with several images, as a stream, has them all", async () => {
      const layout = at("layout");
      for (const name of ["first:1", "second:2"])
        await ok("skopeo", ...policy, "copy", "-q", `docker-archive:${ownArchive}`, `oci:${layout}:${name}`);
      const tar = await run(["tar", "-C", layout, "-c", "."]);
      const load = await daemon.run(client, ["load"], { input: tar.bytes });
      assert.match(load.stdout, /Loaded image: first:1\n(.*\n)*Loaded image: second:2/);
      const expected = await seen(`oci:${layout}:first:1`);
      assert.deepEqual(await known("first:1"), expected);
      assert.deepEqual(await known("second:2"), expected);
      await daemon.text(client, ["rmi", "first:1", "second:2"]);
    });
  });
});
