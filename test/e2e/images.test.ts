// Images: listed, inspected, tagged, removed by Docker's rules, saved, loaded, imported, and pulled from a registry.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, describe, test } from "node:test";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { baseImageTar } from "./base-image.ts";
import { run } from "./command.ts";
import { type Client, clients, TestDaemon } from "./harness.ts";

let daemon: TestDaemon;
before(async () => {
  daemon = await TestDaemon.start();
});
afterEach(() => daemon.removeContainers());
after(() => daemon.close());

for (const client of clients)
  describe(`${client.name}: images`, () => {
    const text = (...args: string[]) => daemon.text(client, args);
    const outcome = (...args: string[]) => daemon.run(client, args);
    const idOf = (name: string) => text("image", "inspect", "-f", "{{.Id}}", name);

    test("are listed with name, tag, id and size", async () => {
      const lines = (await text("images", "busybox")).split("\n");
      assert.match(lines[0] ?? "", /^REPOSITORY\s+TAG\s+IMAGE ID\s+CREATED\s+SIZE$/);
      assert.match(lines[1] ?? "", /^busybox\s+latest\s+[0-9a-f]{12}\s+.*ago\s+\d+(\.\d+)?MB$/);
      assert.equal(await text("images", "-q", "--no-trunc", "busybox"), await idOf("busybox"));
    });

    test("have an inspect with layers, size and configuration", async () => {
      const [image] = JSON.parse(await text("image", "inspect", "busybox"));
      assert.equal(image.RepoTags.includes("busybox:latest"), true);
      assert.deepEqual([image.Os, image.RootFS.Type, image.RootFS.Layers.length], ["linux", "layers", 1]);
      assert.equal(
        image.RootFS.Layers[0],
        `sha256:${createHash("sha256")
          .update(await baseImageTar())
          .digest("hex")}`,
      );
      assert.ok(image.Size > 1_000_000);
    });

    test("get further names, and lose them one by one; the last takes the image", async () => {
      await daemon.importImage(`own-${client.name}:1`);
      const base = `own-${client.name}:1`;
      const id = await idOf(base);
      await text("tag", base, `own-${client.name}:2`);
      await text("tag", base, `localhost:5000/deep/own:3`);
      assert.equal(await idOf(`own-${client.name}:2`), id);
      assert.match(await text("rmi", base), new RegExp(`^Untagged: ${base}$`));
      const several = await outcome("rmi", id);
      assert.equal(several.status, 1);
      assert.match(several.stderr, /image is referenced in multiple repositories|must be forced/);
      await text("rmi", "localhost:5000/deep/own:3");
      const last = await text("rmi", `own-${client.name}:2`);
      assert.match(last, /Untagged: own-\w+:2/);
      assert.match(last, new RegExp(`Deleted: ${id}`));
      const unknown = await outcome("rmi", "nosuch");
      assert.equal(unknown.status, 1);
      assert.match(unknown.stderr, /No such image: nosuch/);
    });

    test("that containers use are kept: by a running one always, by a stopped one unless forced", async () => {
      const name = `used-${client.name}`;
      await daemon.run(client, ["build", "-t", name, "-"], { input: `FROM busybox\nENV X=${client.name}\n` });
      await text("run", "-d", "--name", "user", name, "sleep", "1000");
      const running = await outcome("rmi", name);
      assert.equal(running.status, 1);
      assert.match(
        running.stderr,
        /conflict: unable to remove repository reference "used-\w+" \(must force\) - container [0-9a-f]{12} is using its referenced image [0-9a-f]{12}/,
      );
      const id = await idOf(name);
      const forced = await outcome("rmi", "-f", id);
      assert.match(forced.stderr, /cannot be forced/);
      await text("kill", "user");
      assert.equal((await outcome("rmi", name)).status, 1);
      await text("rmi", "-f", name);
      assert.equal(await text("start", "user"), "user", "its container still works");
      await text("rm", "-f", "user");
    });

    test("show how they were made", async () => {
      await daemon.run(client, ["build", "-t", "made", "-"], {
        input: "FROM busybox\nENV A=1\nRUN echo x > /x\n",
      });
      const history = (await text("history", "--no-trunc", "--format", "{{.CreatedBy}}", "made")).split("\n");
      assert.equal(history.length, 3);
      assert.match(history[0] ?? "", /\/bin\/sh -c echo x > \/x/);
      assert.match(history[1] ?? "", /ENV A=1/);
    });

    test("keep their id through save and load, names and containers included", async () => {
      const name = `kept-${client.name}:v1`;
      const dockerfile =
        'FROM busybox\nRUN echo one > /one && rm /etc/group && ln /one /two && mknod /dev/x c 1 3\nRUN rm -r /home && mkdir /home\nCMD ["cat", "/two"]\n';
      await daemon.run(client, ["build", "-t", name, "-"], { input: dockerfile });
      const id = await idOf(name);
      const layers = await text("image", "inspect", "-f", "{{json .RootFS.Layers}}", name);
      const saved = await outcome("save", name);
      assert.equal(saved.status, 0, saved.stderr);
      const names = (await run(["tar", "-t"], { input: saved.bytes })).stdout;
      assert.match(names, /^manifest\.json$/m);
      await text("rmi", name);
      assert.equal((await outcome("image", "inspect", id)).status, 1);
      const loaded = await daemon.run(client, ["load"], { input: saved.bytes });
      assert.match(loaded.stdout, new RegExp(`Loaded image: ${name}`));
      assert.equal(await idOf(name), id);
      assert.equal(await text("image", "inspect", "-f", "{{json .RootFS.Layers}}", name), layers);
      assert.equal(await text("run", "--rm", name), "one");
      assert.equal(
        await text("run", "--rm", name, "sh", "-c", "ls /home; test -e /etc/group || echo none"),
        "none",
      );
      await text("rmi", name);
    });

    test("are imported from an archive, compressed or not, with changes", async () => {
      const tar = await baseImageTar();
      const packed = async (tool: string) => (await run([tool, "-1", "-c"], { input: tar })).bytes;
      const ways = {
        plain: tar,
        gzip: gzipSync(tar),
        zstd: zstdCompressSync(tar),
        bzip2: await packed("bzip2"),
        xz: await packed("xz"),
      };
      for (const [name, input] of Object.entries(ways)) {
        const imported = await daemon.run(
          client,
          ["import", "-c", 'CMD ["echo", "imported"]', "-", `im-${name}`],
          { input },
        );
        assert.equal(imported.status, 0, imported.stderr);
        assert.equal(await text("run", "--rm", `im-${name}`), "imported");
      }
      const bad = await daemon.run(client, ["import", "-", "broken"], { input: tar.subarray(0, 300_000) });
      assert.notEqual(bad.status, 0);
      assert.equal((await outcome("image", "inspect", "broken")).status, 1);
    });
  });

interface Usage {
  LayersSize: number;
  Images: { RepoTags: string[]; Size: number; SharedSize: number; Containers: number }[];
  Containers: { SizeRw?: number }[];
}

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

/** A `docker save` archive as docker before 25 writes it, made by hand: legacy layer directories, no OCI index. */
async function legacyArchive(name: string): Promise<{ archive: Buffer; id: string }> {
  const layer = await baseImageTar();
  const config = Buffer.from(
    JSON.stringify({
      architecture: "amd64",
      os: "linux",
      created: "2024-02-06T00:00:00Z",
      config: { Cmd: ["echo", "legacy"], Env: ["PATH=/bin"] },
      rootfs: { type: "layers", diff_ids: [`sha256:${sha256(layer)}`] },
      history: [{ created: "2024-02-06T00:00:00Z", created_by: "by hand" }],
    }),
  );
  const id = sha256(config);
  const dir = await mkdtemp(join(tmpdir(), "berth-e2e-save-"));
  try {
    await run(["mkdir", join(dir, "abc")]);
    await writeFile(join(dir, "abc/layer.tar"), layer);
    await writeFile(join(dir, "abc/VERSION"), "1.0");
    await writeFile(join(dir, `${id}.json`), config);
    await writeFile(
      join(dir, "manifest.json"),
      JSON.stringify([{ Config: `${id}.json`, RepoTags: [name], Layers: ["abc/layer.tar"] }]),
    );
    await writeFile(join(dir, "repositories"), "{}");
    const tar = await run(["tar", "-C", dir, "-c", "."]);
    return { archive: tar.bytes, id: `sha256:${id}` };
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

describe("archives from elsewhere", () => {
  const client = clients[0] as Client;

  test("a repository's name is saved with all its tags, a filter may be the whole name", async () => {
    const [client] = clients as [(typeof clients)[number]];
    const ok = (...args: string[]): Promise<string> => daemon.text(client, args);
    for (const tag of ["one", "two"]) await ok("tag", "busybox", `many:${tag}`);
    const saved = await daemon.run(client, ["save", "many"]);
    const listed = await daemon.network.run(["tar", "-xOf", "-", "manifest.json"], { input: saved.bytes });
    assert.deepEqual(JSON.parse(listed.stdout)[0].RepoTags, ["many:one", "many:two"]);
    const filter = (reference: string) =>
      ok("images", "--filter", `reference=${reference}`, "--format", "{{.Tag}}");
    assert.deepEqual((await filter("docker.io/library/many")).split("\n").sort(), ["one", "two"]);
    assert.equal(await filter("docker.io/library/many:t*"), "two");
    await ok("rmi", "many:one", "many:two");
    const refused = await daemon.run(client, ["tag", "busybox", "sha256:some"]);
    assert.match(refused.stderr, /refusing to create an ambiguous tag using digest algorithm as name/);
  });

  test("an archive that is none is refused in the stream, as clients of the API expect", async () => {
    const url = "http://x/v1.41/images/load";
    const post = [
      "curl",
      "-sS",
      "-w",
      " %{http_code}",
      "--unix-socket",
      daemon.socket,
      "--data-binary",
      "abc",
      url,
    ];
    const { stdout } = await daemon.network.run(post);
    assert.match(stdout, /^\{"errorDetail":\{"message":".+"\},"error":".+"\}\r?\n 200$/);
  });

  test("image diff says how files and configuration differ, whatever the times are", async () => {
    const [first] = clients as [Client];
    const berth = (...args: string[]) => daemon.text(first, args);
    const tried = (...args: string[]) => daemon.run(first, args);
    const dockerfile =
      "FROM busybox\nENV A=1\nRUN printf 123456 > /etc/new && rm /bin/vi && touch /etc/passwd\n";
    await daemon.run(first, ["build", "-t", "other", "-"], { input: dockerfile });
    assert.equal(await berth("image", "diff", "busybox", "other"), "C /bin\nD /bin/vi\nC /etc\nA /etc/new");
    assert.match(await berth("image", "diff", "-s", "other", "busybox"), /^D \/etc\/new\t-6B$/m);
    assert.match(await berth("image", "diff", "--config", "busybox", "other"), /Config\.Env: .*"A=1"/);
    assert.equal(await berth("image", "diff", "other", "other"), "");
    const missing = await tried("image", "diff", "busybox", "nosuch");
    assert.match(missing.stderr, /No such image: nosuch/);
    await berth("rmi", "other");
  });

  test("system df counts what images share once, who uses them, and what containers have written", async () => {
    const [first] = clients as [Client];
    const dockerfile = "FROM busybox\nRUN head -c 1000 /dev/zero > /one\n";
    const usage = async (version: string) =>
      (await daemon.request("GET", `/${version}/system/df`)).body as Usage;
    const before = (await usage("v1.45")).LayersSize;
    await daemon.run(first, ["build", "-t", "grown", "-"], { input: dockerfile });
    await daemon.text(first, [
      "run",
      "--name",
      "writer",
      "grown",
      "sh",
      "-c",
      "head -c 5000 /dev/zero > /five",
    ]);
    const { Images, Containers, LayersSize } = await usage("v1.45");
    const of = (name: string) => Images.find((i) => i.RepoTags.includes(`${name}:latest`));
    const [base, grown] = [of("busybox"), of("grown")];
    assert.equal(base?.SharedSize, base?.Size, "all of it is in the other one, too");
    assert.deepEqual(
      [grown?.Size, grown?.SharedSize, grown?.Containers],
      [(base?.Size ?? 0) + 1000, base?.Size, 1],
    );
    assert.equal(LayersSize, before + 1000);
    assert.equal(Containers[0]?.SizeRw, 5000);
    await daemon.text(first, ["rm", "writer"]);
    await daemon.text(first, ["rmi", "grown"]);
  });

  test("an archive of docker save of old loads under its own id", async () => {
    const { archive, id } = await legacyArchive("legacy:1");
    const loaded = await daemon.run(client, ["load"], { input: gzipSync(archive) });
    assert.match(loaded.stdout, /Loaded image: legacy:1/);
    assert.equal(await daemon.text(client, ["image", "inspect", "-f", "{{.Id}}", "legacy:1"]), id);
    assert.equal(await daemon.text(client, ["run", "--rm", "legacy:1"]), "legacy");
  });

  test("an archive whose layer is not what its configuration says is refused and leaves nothing", async () => {
    const { archive } = await legacyArchive("forged:1");
    const at = archive.indexOf("/home/dev:/bin/sh");
    archive.write("X", at + 1);
    const before = await daemon.text(client, ["images", "-aq"]);
    const refused = await daemon.run(client, ["load"], { input: archive });
    assert.equal(refused.status, 1);
    assert.equal(await daemon.text(client, ["images", "-aq"]), before);
  });

  test("garbage and truncated archives are refused", async () => {
    const { archive } = await legacyArchive("cut:1");
    for (const input of [
      Buffer.from("no archive at all"),
      archive.subarray(0, archive.length >> 1),
      Buffer.alloc(0),
    ]) {
      const refused = await daemon.run(client, ["load"], { input });
      assert.notEqual(refused.status, 0, `${input.length} bytes`);
    }
    assert.equal((await daemon.run(client, ["image", "inspect", "cut:1"])).status, 1);
  });
});
