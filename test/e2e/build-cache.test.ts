// The build cache of builds with a session: kept without images of steps, listed, counted, filtered and pruned.
import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, test } from "node:test";
import { run } from "./command.ts";
import { type Client, clients, TestDaemon } from "./harness.ts";
import { TestRegistry } from "./registry.ts";

let daemon: TestDaemon;
before(async () => {
  daemon = await TestDaemon.start({ config: { undo: false } }); // what pruning frees is counted
});
afterEach(() => daemon.removeContainers());
after(() => daemon.close());

const [berth] = clients as readonly [Client];
const build = (dockerfile: string, ...args: string[]) => buildOn(daemon, dockerfile, ...args);
const buildOn = async (where: TestDaemon, dockerfile: string, ...args: string[]) => {
  const options = { env: { DOCKER_BUILDKIT: "1" }, input: dockerfile };
  const built = await where.run(berth, ["build", "--progress=plain", ...args, "-"], options);
  assert.equal(built.status, 0, built.stderr);
  return built.stderr;
};
const text = (...args: string[]) => daemon.text(berth, args);
const layers = async () =>
  (await readdir(daemon.path("data/layers"))).filter((n) => !n.startsWith(".")).sort();

interface Usage {
  readonly BuildCache: {
    readonly ID: string;
    readonly Type: string;
    readonly Size: number;
    readonly Shared: boolean;
  }[];
}
const cacheRecords = async () =>
  ((await daemon.request("GET", "/v1.51/system/df?type=build-cache")).body as Usage).BuildCache;

const DOCKERFILE =
  "FROM busybox\nRUN echo 12345 > /made\nRUN --mount=type=cache,target=/c head -c 100000 /dev/zero > /c/x\n";

test("results outlive their image, and are gone when they are pruned", async () => {
  const before = await layers();
  await build(DOCKERFILE, "-t", "cached-kit");
  assert.equal(
    (await daemon.run(berth, ["images", "-aq", "--no-trunc"])).stdout.trim().split("\n").length,
    2,
  );
  await text("rmi", "cached-kit");
  assert.notDeepEqual(await layers(), before, "the layer is kept");
  assert.match(await build(DOCKERFILE, "-t", "cached-kit"), /RUN echo 12345 > \/made\n#\d+ CACHED/);
  const shared = (await cacheRecords()).filter((r) => r.Shared);
  assert.equal(shared.length > 0, true, "an image has it, too");
  await text("rmi", "cached-kit");
  const records = await cacheRecords();
  assert.deepEqual(
    records.filter((r) => r.Type === "exec.cachemount").map((r) => r.Size),
    [100_000],
  );
  assert.match(await text("system", "df"), /Build Cache\s+\d+\s+0\s+100kB\s+100kB/);
  assert.match(await text("builder", "prune", "-f", "--filter", "until=24h"), /Total reclaimed space: 0B/);
  for (const limit of [
    "--keep-storage=1GB",
    "--reserved-space=1GB",
    "--max-used-space=1GB",
    "--min-free-space=1",
  ])
    assert.match(await text("builder", "prune", "-f", limit), /Total reclaimed space: 0B/);
  assert.match(
    await text("builder", "prune", "-f", "--filter", "type=exec.cachemount"),
    /reclaimed space: 100kB/,
  );
  assert.match(await text("builder", "prune", "-af"), /Total reclaimed space: 6B/);
  assert.deepEqual(await layers(), before);
  assert.deepEqual(await cacheRecords(), []);
});

test("the cache is there again when the daemon starts, and a filter that is none is refused", async () => {
  await build("FROM busybox\nRUN echo again > /x\n", "-t", "kept");
  await text("rmi", "kept");
  await daemon.terminate();
  await daemon.up();
  assert.match(await build("FROM busybox\nRUN echo again > /x\n"), /CACHED/);
  const refused = await daemon.run(berth, ["builder", "prune", "-f", "--filter", "nonsense=1"]);
  assert.equal(refused.status, 1);
  assert.match(refused.stderr, /invalid filter 'nonsense'/);
});

test("a cache in a registry serves a daemon that has none; what cannot be had is a warning, what is not known refused", async () => {
  const registry = await TestRegistry.start(daemon.path("registry"), daemon.network, { port: 5055 });
  try {
    const dockerfile = "FROM busybox\nRUN echo far > /x\nRUN echo away > /y\n";
    const ref = `${registry.address}/cache:1`;
    await build(dockerfile, "-t", "far", "--cache-to", `type=registry,ref=${ref}`);
    await text("rmi", "far");
    await text("builder", "prune", "-af");
    const again = await build(dockerfile, "-t", "far", "--cache-from", ref);
    assert.equal(again.match(/^#\d+ CACHED$/gm)?.length, 2, again);
    assert.equal(await text("run", "--rm", "far", "cat", "/x", "/y"), "far\naway");
    // With mode=max it is a cache of its own, with the steps of all stages.
    const whole = `${registry.address}/cache:whole`;
    await build(STAGED, "-t", "far", "--cache-to", `type=registry,ref=${whole},mode=max`);
    await text("rmi", "far");
    await text("builder", "prune", "-af");
    const all = await build(STAGED, "-t", "far", "--cache-from", whole);
    assert.equal(all.match(/^#\d+ CACHED$/gm)?.length, 3, all);
    assert.equal(await text("run", "--rm", "far", "cat", "/one", "/tool"), "one\ntool");
    const none = await build("FROM busybox\nENV A=b\n", "--cache-from", `${registry.address}/none`);
    assert.match(none, /DONE/);
    const options = { env: { DOCKER_BUILDKIT: "1" }, input: dockerfile };
    const refused = await daemon.run(berth, ["build", "--cache-to", "type=gha", "-"], options);
    assert.match(refused.stderr, /--cache-to type=gha is not supported/);
  } finally {
    await registry.stop();
  }
});

/** Runs something with a directory that is gone afterwards. */
async function withDirectory(use: (dir: string) => Promise<void>): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), "berth-e2e-cache-"));
  try {
    await use(dir);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

const STAGED =
  "FROM busybox AS tools\nRUN echo tool > /tool\nFROM busybox\nRUN echo one > /one\nCOPY --from=tools /tool /tool\nENV A=b\n";

test("a cache in a directory is an OCI layout that serves a daemon which has none of it", () =>
  withDirectory(async (dir) => {
    const to = (mode: string) => ["--cache-to", `type=local,dest=${dir}/${mode},mode=${mode}`];
    await build(STAGED, "-t", "staged", ...to("min"));
    await build(STAGED, "-t", "staged", ...to("max"));
    const id = await text("inspect", "-f", "{{.Id}}", "staged");
    const forget = async () => {
      await daemon.run(berth, ["rmi", "-f", "staged"]);
      await text("builder", "prune", "-af");
    };
    const index = JSON.parse(await readFile(join(dir, "max/index.json"), "utf8")) as {
      manifests: { digest: string; annotations: Record<string, string> }[];
    };
    assert.equal(index.manifests[0]?.annotations["org.opencontainers.image.ref.name"], "latest");
    for (const hex of await readdir(join(dir, "max/blobs/sha256"))) {
      const { stdout } = await run(["sha256sum", join(dir, "max/blobs/sha256", hex)]);
      assert.equal(stdout.slice(0, 64), hex);
    }
    // All steps are known, and the image is the same one; with `min` the stage that was only copied from is done again.
    await forget();
    const whole = await build(STAGED, "-t", "staged", "--cache-from", `type=local,src=${dir}/max`);
    assert.equal(whole.match(/^#\d+ CACHED$/gm)?.length, 3, whole);
    assert.equal(await text("inspect", "-f", "{{.Id}}", "staged"), id);
    assert.equal(await text("run", "--rm", "staged", "cat", "/one", "/tool"), "one\ntool");
    await forget();
    const part = await build(STAGED, "-t", "staged", "--cache-from", `type=local,src=${dir}/min`);
    assert.equal(part.match(/^#\d+ CACHED$/gm)?.length, 2, part);
    // A damaged layer is a warning, and the step is done: on a daemon that has it from nowhere else.
    const blobs = join(dir, "max/blobs/sha256");
    for (const hex of await readdir(blobs)) {
      const bytes = await readFile(join(blobs, hex));
      if (bytes[0] === 0x1f) await writeFile(join(blobs, hex), bytes.subarray(0, 20));
    }
    const other = await TestDaemon.start();
    try {
      const repaired = await buildOn(
        other,
        STAGED,
        "-t",
        "staged",
        "--cache-from",
        `type=local,src=${dir}/max`,
      );
      assert.match(repaired, /a step of the imported cache cannot be had/);
      assert.equal(await other.text(berth, ["run", "--rm", "staged", "cat", "/one"]), "one");
    } finally {
      await other.close();
    }
    const none = await build("FROM busybox\n", "--cache-from", `type=local,src=${dir}/none`);
    assert.match(none, /WARNING: local cache import at .*none not found/);
  }));

test("an image in an OCI layout can be built on and copied from", () =>
  withDirectory(async (dir) => {
    await build(
      "FROM busybox\nRUN echo laid > /laid\n",
      "--output",
      `type=oci,dest=${dir}/a.tar`,
      "-t",
      "laid:2",
    );
    await mkdir(join(dir, "layout"));
    assert.equal((await run(["tar", "-xf", `${dir}/a.tar`, "-C", `${dir}/layout`])).status, 0);
    await daemon.run(berth, ["rmi", "-f", "laid:2"]);
    await text("builder", "prune", "-af");
    const given = ["--build-context", `base=oci-layout://${dir}/layout:2`];
    await build("FROM base\nCOPY --from=base /laid /copied\n", "-t", "on-layout", ...given);
    assert.equal(await text("run", "--rm", "on-layout", "cat", "/laid", "/copied"), "laid\nlaid");
    // A layout can be written as one, too, and several tags are side by side in it.
    const layout = `type=oci,tar=false,dest=${dir}/direct`;
    await build("FROM busybox\nRUN echo one > /which\n", "--output", layout, "-t", "x:1");
    await build("FROM busybox\nRUN echo two > /which\n", "--output", layout, "-t", "x:2");
    await text("builder", "prune", "-af");
    for (const [tag, which] of Object.entries({ 1: "one", 2: "two" })) {
      await build("FROM base\n", "-t", "direct", "--build-context", `base=oci-layout://${dir}/direct:${tag}`);
      assert.equal(await text("run", "--rm", "direct", "cat", "/which"), which);
    }
    const wrong = ["--build-context", `base=oci-layout://${dir}/none`];
    const { status, stderr } = await daemon.run(berth, ["build", ...wrong, "-"], { input: "FROM base\n" });
    assert.equal(status, 1);
    assert.match(stderr, /invalid OCI layout/);
  }));

test("two builds at the same time do an equal step once", async () => {
  const dockerfile = (label: string) =>
    `FROM busybox\nRUN cat /proc/sys/kernel/random/uuid > /id && sleep 0.3\nLABEL which=${label}\n`;
  const [a, b] = await Promise.all([
    build(dockerfile("a"), "-t", "same-a"),
    build(dockerfile("b"), "-t", "same-b"),
  ]);
  assert.equal(`${a}${b}`.match(/^#\d+ CACHED$/gm)?.length, 1, `${a}${b}`);
  assert.equal(
    await text("run", "--rm", "same-a", "cat", "/id"),
    await text("run", "--rm", "same-b", "cat", "/id"),
  );
});
