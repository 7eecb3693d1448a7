// Builds for several platforms, and what is attested of an image: indexes in a registry and in OCI layouts.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { run } from "./command.ts";
import { withContext } from "./context.ts";
import { type Client, clients, TestDaemon } from "./harness.ts";
import { TestRegistry } from "./registry.ts";

const [berth] = clients as readonly [Client];
let daemon: TestDaemon;
let registry: TestRegistry;
let dir = "";

before(async () => {
  daemon = await TestDaemon.start();
  registry = await TestRegistry.start(daemon.path("registry"), daemon.network, { port: 5056 });
});
after(async () => {
  await registry.stop();
  await daemon.close();
});

/** The context of the test that runs. */
const inContext = (files: Readonly<Record<string, string>>, use: () => Promise<void>): Promise<void> =>
  withContext(files, (made) => {
    dir = made;
    return use();
  });

const build = (...args: string[]) => daemon.run(berth, ["build", "--progress=plain", ...args, dir]);

async function built(...args: string[]): Promise<string> {
  const { status, stderr } = await build(...args);
  assert.equal(status, 0, stderr);
  return stderr;
}

interface Entry {
  digest: string;
  platform: { os: string; architecture: string };
  annotations?: Record<string, string>;
}
interface Document {
  mediaType: string;
  manifests: Entry[];
  config: { digest: string };
  layers: { digest: string; annotations?: Record<string, string> }[];
}
interface Statement {
  predicateType: string;
  subject: { name: string; digest: { sha256: string } }[];
  predicate: Record<string, never>;
}

const ACCEPT = "Accept: application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json";

/** Asks the registry, which is in the daemon's network. */
async function get<T>(path: string): Promise<T> {
  const url = `http://${registry.address}/v2/${path}`;
  const { stdout } = await run(daemon.network.wrap(["curl", "-fsS", "-H", ACCEPT, url]));
  return JSON.parse(stdout) as T;
}
const manifest = (name: string, reference: string) => get<Document>(`${name}/manifests/${reference}`);
const blob = <T>(name: string, digest: string) => get<T>(`${name}/blobs/${digest}`);

const FOR_TWO = "linux/amd64,linux/arm64";
const DOCKERFILE =
  "FROM --platform=$BUILDPLATFORM busybox AS make\nARG TARGETARCH\nRUN echo for $TARGETARCH > /made\nFROM scratch\nCOPY --from=make /made /made\n";

test("a build for two platforms is pushed as an index, and each is pulled and built upon by its platform", () =>
  inContext({ Dockerfile: DOCKERFILE }, async () => {
    const name = `${registry.address}/two:1`;
    const said = await built("--platform", FOR_TWO, "-t", name, "--push");
    assert.match(said, /\[linux\/arm64 make 2\/2\] RUN echo for/);
    const index = await manifest("two", "1");
    assert.equal(index.mediaType, "application/vnd.oci.image.index.v1+json");
    assert.deepEqual(
      index.manifests.map((m) => m.platform.architecture),
      ["amd64", "arm64"],
    );
    for (const { digest, platform } of index.manifests) {
      const { config } = await manifest("two", digest);
      const { architecture } = await blob<{ architecture: string }>("two", config.digest);
      assert.equal(architecture, platform.architecture);
    }
    assert.equal((await daemon.run(berth, ["rmi", "-f", name])).status, 0);
    // A stage that starts from the foreign image gets its files, and the name stays with the image for this machine.
    await writeFile(
      join(dir, "Dockerfile"),
      `FROM ${name} AS foreign\nFROM --platform=$BUILDPLATFORM busybox\nCOPY --from=foreign /made /made\nRUN cat /made\n`,
    );
    assert.match(await built("--platform", "linux/arm64", "-t", "foreign"), /^#\d+ [\d.]+ for arm64$/m);
    const here = await daemon.run(berth, ["image", "inspect", "-f", "{{.Architecture}}", name]);
    assert.equal(here.status, 1, "only a foreign platform was pulled: the name means nothing here");
  }));

test("an OCI layout holds an index with all images; directories hold one for each platform", () =>
  inContext({ Dockerfile: DOCKERFILE }, async () => {
    const archive = join(dir, "out.tar");
    await built("--platform", FOR_TWO, "-t", "laid:1", "--output", `type=oci,dest=${archive}`);
    const layout = join(dir, "layout");
    await mkdir(layout);
    assert.equal((await run(["tar", "-xf", archive, "-C", layout])).status, 0);
    const read = async <T>(path: string) => JSON.parse(await readFile(join(layout, path), "utf8")) as T;
    const top = await read<Document>("index.json");
    const [entry] = top.manifests;
    assert.equal(entry?.annotations?.["io.containerd.image.name"], "docker.io/library/laid:1");
    const index = await read<Document>(`blobs/${entry?.digest.replace(":", "/")}`);
    assert.equal(index.manifests.length, 2);
    for (const { digest } of index.manifests) {
      const { layers } = await read<Document>(`blobs/${digest.replace(":", "/")}`);
      assert.equal(layers.length, 1);
    }
    // What is listed is there, and has the content that its name says.
    for (const hex of await readdir(join(layout, "blobs/sha256"))) {
      const { stdout } = await run(["sha256sum", join(layout, "blobs/sha256", hex)]);
      assert.equal(stdout.slice(0, 64), hex);
    }
    const files = join(dir, "files");
    await built("--platform", FOR_TWO, "--output", files);
    assert.equal(await readFile(join(files, "linux_arm64/made"), "utf8"), "for arm64\n");
    assert.equal(await readFile(join(files, "linux_amd64/made"), "utf8"), "for amd64\n");
    const tar = join(dir, "files.tar");
    await built("--platform", FOR_TWO, "--output", `type=tar,dest=${tar}`);
    const { stdout } = await run(["tar", "-xOf", tar, "linux_arm64/made"]);
    assert.equal(stdout, "for arm64\n");
  }));

test("the daemon keeps the images of all platforms under their name, and builds on each", () =>
  inContext({ Dockerfile: DOCKERFILE }, async () => {
    await built("--platform", FOR_TWO, "-t", "kept:1");
    const architecture = async (...args: string[]) =>
      (await daemon.text(berth, ["image", "inspect", "-f", "{{.Architecture}}", ...args, "kept:1"])).trim();
    assert.equal(await architecture(), "amd64");
    assert.equal(await architecture("--platform", "linux/arm64"), "arm64");
    await writeFile(
      join(dir, "Dockerfile"),
      "FROM kept:1 AS foreign\nFROM --platform=$BUILDPLATFORM busybox\nCOPY --from=foreign /made /made\nRUN cat /made\n",
    );
    assert.match(await built("--no-cache", "--platform", "linux/arm64"), /^#\d+ [\d.]+ for arm64$/m);
    assert.match(await built("--no-cache"), /^#\d+ [\d.]+ for amd64$/m);
  }));

test("what cannot hold several platforms is refused before anything is built", () =>
  inContext({ Dockerfile: DOCKERFILE }, async () => {
    const refused = async (pattern: RegExp, ...args: string[]) => {
      const { status, stderr } = await build("--platform", FOR_TWO, ...args);
      assert.equal(status, 1);
      assert.match(stderr, pattern);
      assert.doesNotMatch(stderr, /RUN/);
    };
    await refused(
      /docker exporter does not currently support exporting manifest lists/,
      "--output",
      `type=docker,dest=${dir}/x`,
    );
    assert.match((await build("--platform", "linux/nonsense/1/2")).stderr, /cannot parse platform specifier/);
  }));

test("a command for a platform that nothing here can run says so", () =>
  inContext({ Dockerfile: "FROM scratch\nCOPY sh /bin/sh\nRUN true\n" }, async () => {
    // An ELF header for a machine that no interpreter is registered for.
    const header = Buffer.alloc(64);
    header.write("\x7fELF\x02\x01\x01", "latin1");
    header.writeUInt16LE(2, 16);
    header.writeUInt16LE(0xfe, 18);
    await writeFile(join(dir, "sh"), header, { mode: 0o755 });
    const { status, stderr } = await build("--platform", "linux/s390x");
    assert.equal(status, 1);
    assert.match(stderr, /cannot run a command for linux\/s390x on a linux\/amd64 host: no interpreter/);
    assert.match(stderr, />>> RUN true/);
  }));

test("provenance and an SBOM are attached to what is pushed, as attestation manifests", () =>
  inContext(
    {
      Dockerfile:
        "FROM busybox\nARG WHO\nCOPY status /var/lib/dpkg/status\nRUN --mount=type=secret,id=token test -s /run/secrets/token && echo $WHO > /who\n",
      status: "Package: libc6\nStatus: install ok installed\nArchitecture: amd64\nVersion: 2.36\n",
      token: "never-to-be-told",
    },
    async () => {
      const name = `${registry.address}/attested:1`;
      const secret = ["--secret", `id=token,src=${join(dir, "token")}`];
      await writeFile(join(dir, ".dockerignore"), "token\n");
      await built(
        "--provenance=mode=max",
        "--sbom",
        "--build-arg",
        "WHO=me",
        ...secret,
        "-t",
        name,
        "--push",
      );
      const { manifests } = await manifest("attested", "1");
      const [image, about] = manifests as [Entry, Entry];
      assert.equal(manifests.length, 2);
      assert.deepEqual(about.platform, { architecture: "unknown", os: "unknown" });
      assert.equal(about.annotations?.["vnd.docker.reference.digest"], image.digest);
      assert.equal(about.annotations?.["vnd.docker.reference.type"], "attestation-manifest");
      const { layers } = await manifest("attested", about.digest);
      const statements = await Promise.all(layers.map((l) => blob<Statement>("attested", l.digest)));
      assert.deepEqual(
        layers.map((l) => l.annotations?.["in-toto.io/predicate-type"]),
        ["https://spdx.dev/Document", "https://slsa.dev/provenance/v1"],
      );
      for (const { subject } of statements) {
        assert.equal(`sha256:${subject[0]?.digest.sha256}`, image.digest);
        assert.match(subject[0]?.name ?? "", /^pkg:docker\/[^@]+attested@1\?platform=linux%2Famd64$/);
      }
      const [sbom, provenance] = statements.map((s) => JSON.stringify(s.predicate)) as [string, string];
      assert.match(sbom, /"referenceLocator":"pkg:deb\/debian\/libc6@2.36\?arch=amd64/);
      assert.match(provenance, /"build-arg:WHO":"me"/);
      assert.match(provenance, /"uri":"pkg:docker\/busybox@latest\?platform=linux%2Famd64"/);
      assert.doesNotMatch(sbom + provenance, /never-to-be-told/);
      // Clients that know nothing of it take the image.
      assert.equal((await daemon.run(berth, ["rmi", name])).status, 0);
      assert.equal((await daemon.text(berth, ["run", "--rm", name, "cat", "/who"])).trim(), "me");
      const alone = await build("--provenance", "--output", "type=docker,dest=-");
      assert.match(alone.stderr, /name such an output/);
      assert.equal(alone.status, 1);
    },
  ));

test("what is attested lies beside files that are given out, where it was asked for", () =>
  inContext(
    { Dockerfile: "FROM scratch\nCOPY a z /\nCOPY sub /sub/\n", a: "A", z: "Z", "sub/f": "F" },
    async () => {
      const files = async (...args: string[]): Promise<string[]> => {
        await built(...args);
        return (await readdir(join(dir, "out"), { recursive: true })).sort();
      };
      assert.deepEqual(await files("--output", join(dir, "out")), ["a", "sub", "sub/f", "z"]);
      const attested = ["--provenance=mode=max", "--sbom", "--output", `type=local,dest=${join(dir, "out")}`];
      const all = ["a", "provenance.json", "sbom.spdx.json", "sub", "sub/f", "z"];
      assert.deepEqual(await files(...attested), all);
      for (const name of ["provenance.json", "sbom.spdx.json"]) {
        const path = join(dir, "out", name);
        assert.equal((await stat(path)).mode & 0o777, 0o600);
        const { subject } = JSON.parse(await readFile(path, "utf8")) as Statement;
        const sha256 = createHash("sha256").update("F").digest("hex");
        assert.deepEqual(
          subject.map(({ name: of }) => of),
          ["a", "sub/f", "z"],
        );
        assert.deepEqual(subject[1], { name: "sub/f", digest: { sha256 } });
      }
      await rm(join(dir, "out"), { recursive: true });
      const renamed = await files(
        "--provenance",
        "--output",
        `type=local,dest=${join(dir, "out")},attestation-prefix=my-`,
      );
      assert.deepEqual(renamed, ["a", "my-provenance.json", "sub", "sub/f", "z"]);
      await built("--provenance", "--output", `type=tar,dest=${join(dir, "out.tar")}`);
      const { stdout } = await run(["tar", "-tf", join(dir, "out.tar")]);
      assert.deepEqual(stdout.trim().split("\n"), ["a", "provenance.json", "sub/", "sub/f", "z"]);
    },
  ));

test("what is attested of an image that stays in the daemon is kept with it, the latest build's", () =>
  inContext({ Dockerfile: "FROM busybox\nARG WHO\nRUN echo same > /file\n" }, async () => {
    interface Listed {
      PredicateType: string;
      Statement: { predicate: unknown; subject: { name: string }[] };
    }
    const listed = async (): Promise<Listed[]> => {
      const { status, body } = await daemon.request(
        "GET",
        "/v1.56/images/kept:1/attestations?statement=true",
      );
      assert.equal(status, 200);
      return body as Listed[];
    };
    const args = ["--provenance=mode=max", "--sbom", "-t", "kept:1"];
    await built(...args, "--build-arg", "WHO=one");
    await built(...args, "--build-arg", "WHO=two");
    const both = await listed();
    assert.deepEqual(
      both.map((s) => s.PredicateType),
      ["https://spdx.dev/Document", "https://slsa.dev/provenance/v1"],
    );
    assert.match(JSON.stringify(both[1]?.Statement.predicate), /"build-arg:WHO":"two"/);
    assert.equal(both[1]?.Statement.subject[0]?.name, "pkg:docker/kept@1?platform=linux%2Famd64");
    await daemon.kill();
    await daemon.up();
    assert.deepEqual(await listed(), both);
  }));
