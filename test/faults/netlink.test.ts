// Answers of netlink that are lost, one after the other: the kernel has done what it was asked for, and nobody hears of it. What was begun is
// undone or made whole, the reason is told, and the same works at once.
import assert from "node:assert/strict";
import { test } from "node:test";
import { clients, TestDaemon } from "../e2e/harness.ts";
import { type FaultyBuild, faultyBuild } from "../security/faults.ts";

const berth = clients[0] as (typeof clients)[number];
const MOST_ANSWERS = 400;
const LOST = /no buffer space available|ENOBUFS/i;
/** `make torture` takes every answer, `make test` one in three: it has to be quick. */
const STRIDE = process.env["BERTH_TORTURE"] === "1" ? 1 : 3;

/** Devices, routes and rules. */
async function network(daemon: TestDaemon): Promise<string[]> {
  const looks = [
    ["ip", "-o", "link"],
    ["ip", "route"],
    ["nft", "-j", "list", "ruleset"],
  ];
  const [links = "", routes = "", rules = ""] = await Promise.all(
    looks.map(async (look) => (await daemon.network.run(look)).stdout),
  );
  return [
    ...[...links.matchAll(/^\d+: ([^:@]+)/gm)].map((match) => `link ${match[1]}`),
    ...routes.split("\n").map((line) => line.replace(/ linkdown\s*$/, "").trim()),
    ...rules.replaceAll(/"(handle|packets|bytes)": ?\d+,?/g, "").split(/(?=\{"(?:rule|map|set|chain)")/),
  ].sort();
}

/** Loses each answer in which `work` is; returns how often it has failed. `undo` takes back what it makes. */
async function loseEach(
  build: FaultyBuild,
  daemon: TestDaemon,
  work: readonly string[],
  undo: readonly string[],
): Promise<number> {
  let failed = 0;
  for (let number = 0; number < MOST_ANSWERS; number += STRIDE) {
    await build.wish("answer", number);
    const { status, stderr } = await daemon.run(berth, work);
    const wasOpen = await build.takeBack();
    if (status !== 0) {
      failed++;
      assert.match(stderr, LOST, `${work.join(" ")}: answer ${number}`);
      await daemon.text(berth, work);
    }
    await daemon.text(berth, undo);
    if (wasOpen) break; // it has had all its answers
  }
  return failed;
}

test("whatever answer of netlink is lost, nothing is left half made", async () => {
  await using build = await faultyBuild();
  const daemon = await TestDaemon.start({ program: build.program, expectedErrors: LOST });
  await daemon.text(berth, ["network", "create", "--subnet", "10.99.0.0/24", "net"]);
  await daemon.text(berth, [
    "create",
    "--name",
    "box",
    "-p",
    "5555:80",
    "--network",
    "net",
    "busybox",
    "sleep",
    "1000",
  ]);
  await daemon.text(berth, ["network", "connect", "bridge", "box"]);
  const before = await network(daemon);
  const starts = await loseEach(build, daemon, ["start", "box"], ["kill", "box"]);
  const networks = await loseEach(
    build,
    daemon,
    ["network", "create", "--subnet", "10.98.0.0/24", "other"],
    ["network", "rm", "other"],
  );
  assert.equal(starts > 1 && networks > 0, true, `${starts} starts and ${networks} networks have failed`);
  await daemon.text(berth, ["start", "box"]);
  assert.equal((await daemon.network.run(["curl", "-s", "http://127.0.0.1:5555"])).status !== 28, true);
  await daemon.text(berth, ["rm", "-f", "box"]);
  for (let attempt = 0; attempt < 200 && String(await network(daemon)) !== String(before); attempt++)
    await new Promise((resolve) => setTimeout(resolve, 50));
  assert.deepEqual(await network(daemon), before);
  await daemon.close();
});
