// Hundreds of networks on one host: each has a block of its own, they keep apart, come back after a flush and a crash, and go.
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { after, before, test } from "node:test";
import { type Client, clients, TestDaemon } from "./harness.ts";

const COUNT = 300;
const AT_ONCE = 20;
const first = clients[0] as Client;
let daemon: TestDaemon;
before(async () => {
  daemon = await TestDaemon.start();
});
after(() => daemon.close());

const text = (...args: string[]) => daemon.text(first, args);
const page = async (): Promise<string> =>
  (
    await daemon.network.run(["curl", "-s", "--max-time", "2", "http://127.0.0.1:18080/hostname"])
  ).stdout.trim();
const fetches = async (from: string, host: string): Promise<boolean> =>
  (await daemon.run(first, ["exec", from, "timeout", "2", "wget", "-qO-", `http://${host}/hostname`]))
    .status === 0;

interface ListedNetwork {
  Name: string;
  IPAM: { Config: { Subnet: string }[] | null };
}

test("three hundred networks have blocks of their own, keep apart, survive what others and a crash do, and go", async () => {
  for (let i = 0; i < COUNT; i += AT_ONCE)
    await Promise.all(
      Array.from({ length: AT_ONCE }, async (_, j) => {
        const { status, body } = await daemon.request("POST", "/networks/create", { Name: `many-${i + j}` });
        assert.equal(status, 201, JSON.stringify(body));
      }),
    );
  const listed = (await daemon.request("GET", "/networks")).body as ListedNetwork[];
  const subnets = listed.flatMap(({ IPAM }) => (IPAM.Config ?? []).map(({ Subnet }) => Subnet));
  assert.equal(subnets.length, COUNT + 1);
  assert.equal(new Set(subnets).size, subnets.length);
  const site = ["busybox", "httpd", "-f", "-h", "/etc"];
  const last = `many-${COUNT - 1}`;
  await text("run", "-d", "--name", "web", "-h", "web", "--network", last, "-p", "18080:80", ...site);
  await text("run", "-d", "--name", "near", "--network", last, "busybox", "sleep", "1000");
  await text("run", "-d", "--name", "far", "--network", "many-0", "busybox", "sleep", "1000");
  const address = (await daemon.inspect("web")).NetworkSettings.Networks[last]?.IPAddress ?? "";
  const isWhole = async (): Promise<void> => {
    assert.equal(await page(), "web");
    assert.equal(await fetches("near", "web"), true);
    assert.equal(await fetches("far", address), false);
  };
  await isWhole();
  await daemon.network.run(["nft", "flush", "ruleset"]);
  await daemon.logs(/removed rules of nftables table .*: made as it was/);
  await isWhole();
  const seventh = (await daemon.request("GET", "/networks/many-7")).body as { Id: string };
  await daemon.kill();
  await daemon.network.run(["ip", "link", "del", `br-${seventh.Id.slice(0, 12)}`]);
  await daemon.up();
  const bridges = async (): Promise<number> =>
    (await daemon.network.run(["ip", "-o", "link", "show", "type", "bridge"])).stdout.trim().split("\n")
      .length;
  while ((await bridges()) !== COUNT + 1) await sleep(50);
  await isWhole();
  await daemon.removeContainers();
  assert.equal((await daemon.request("POST", "/networks/prune")).status, 200);
  assert.equal(await bridges(), 1);
});
