// The build cache of builds with a session: kept without images of steps, listed, counted, filtered and pruned.
import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { after, afterEach, before, test } from "node:test";
import { type Client, clients, TestDaemon } from "./harness.ts";
import { TestRegistry } from "./registry.ts";

let daemon: TestDaemon;
before(async () => {
  daemon = await TestDaemon.start();
});
afterEach(() => daemon.removeContainers());
after(() => daemon.close());

const [berth] = clients as readonly [Client];
const build = async (dockerfile: string, ...args: string[]) => {
  const options = { env: { DOCKER_BUILDKIT: "1" }, input: dockerfile };
  const built = await daemon.run(berth, ["build", "--progress=plain", ...args, "-"], options);
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
  assert.match(await text("builder", "prune", "-f", "--keep-storage", "1GB"), /Total reclaimed space: 0B/);
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
    const none = await build("FROM busybox\nENV A=b\n", "--cache-from", `${registry.address}/none`);
    assert.match(none, /DONE/);
    const options = { env: { DOCKER_BUILDKIT: "1" }, input: dockerfile };
    const refused = await daemon.run(berth, ["build", "--cache-to", "type=gha", "-"], options);
    assert.match(refused.stderr, /--cache-to type=gha is not supported/);
  } finally {
    await registry.stop();
  }
});
