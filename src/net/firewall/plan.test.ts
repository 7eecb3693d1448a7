import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Keel } from "../../linux/keel.ts";
import { inOwnNamespace, realKeel, sh } from "../../linux/namespace.fake.ts";
import type { Op } from "../../linux/ops.ts";
import {
  planAddEndpoint,
  planAddNetwork,
  planChangeEndpoint,
  planDestroy,
  planForget,
  planInit,
  planRemoveEndpoint,
  planRemoveNetwork,
  planRenew,
  planReplaceAll,
} from "./plan.ts";
import { policyWarnings } from "./host-policy.ts";
import { readPublished } from "./published.ts";
import { type FirewallNetwork, type SetElements, desiredRuleset } from "./ruleset.ts";
import type { Publication } from "./runs.ts";

const TABLE = "berth-fw";
const web: FirewallNetwork = {
  bridgeName: "docker0",
  ipv4: { subnet: "172.17.0.0/16", gatewayMode: "nat" },
  ipv6: { subnet: "fd00:17::/64", gatewayMode: "routed" },
  trustedInterfaces: ["lan0"],
  isDirect: true,
  internal: false,
  masquerade: true,
  icc: true,
};
const vault: FirewallNetwork = {
  bridgeName: "br-vault",
  ipv4: { subnet: "172.18.0.0/16", gatewayMode: "nat" },
  trustedInterfaces: [],
  isDirect: true,
  internal: true,
  masquerade: true,
  icc: false,
};
const published = (count: number): Publication[] =>
  Array.from({ length: count }, (_, i) => ({
    proto: "tcp",
    hostIp: i % 2 === 0 ? "0.0.0.0" : "127.0.0.1",
    hostPort: 1 + i,
    containerIp: "172.17.0.2",
    containerPort: 80,
    isDirect: false,
  }));

const size = (ops: readonly Op[]): number => ((ops[0] as Op)[3] as Uint8Array).length;

test("the rules do not depend on networks and ports, only elements do", () => {
  const empty = desiredRuleset({ networks: [], publications: [] });
  const full = desiredRuleset({ networks: [web, vault], publications: published(100) });
  assert.deepEqual(full.chains, empty.chains);
  const counts = Object.fromEntries(full.sets.map(({ set, elements }) => [set.name, elements.length]));
  assert.deepEqual(counts, {
    bridges: 2,
    internal: 1,
    neighbours: 1,
    apart: 0,
    trusted: 1,
    direct: 1,
    routed: 0,
    routed6: 1,
    unprotected: 0,
    unprotected6: 0,
    subnets: 2,
    subnets6: 1,
    masqueraded: 1,
    masqueraded6: 0,
    published: 50,
    published6: 0,
    published_any: 50,
    published_any6: 0,
    published_ranges: 0,
    published_ranges6: 0,
    published_any_ranges: 0,
    published_any_ranges6: 0,
    opened: 0,
    opened6: 0,
    opened_ranges: 0,
    opened_ranges6: 0,
    guarded: 0,
    admitted: 0,
    admitted6: 0,
    egress_networks: 0,
    egress_containers: 0,
    egress_containers6: 0,
    egress_network_allowed: 0,
    egress_network_named: 0,
    egress_network_named_ports: 0,
    egress_network_allowed6: 0,
    egress_network_named6: 0,
    egress_network_named_ports6: 0,
    egress_container_allowed: 0,
    egress_container_named: 0,
    egress_container_named_ports: 0,
    egress_container_allowed6: 0,
    egress_container_named6: 0,
    egress_container_named_ports6: 0,
  });
});

test("an endpoint without ports needs no operation", () => {
  assert.deepEqual([planAddEndpoint(TABLE, []), planRemoveEndpoint(TABLE, [])], [[], []]);
});

inOwnNamespace(import.meta.filename, () => {
  let keel: Keel;
  let stop: () => Promise<void>;
  before(async () => {
    ({ keel, stop } = await realKeel());
  });
  after(() => stop());
  const listed = (): Promise<string> => sh("nft", "-s", "list", "ruleset");

  test("adding one by one and replacing all give the same table, removing the empty one", async () => {
    await keel.run(planInit(TABLE));
    const empty = await listed();
    for (const n of [web, vault]) await keel.run(planAddNetwork(TABLE, n));
    for (const p of published(20)) await keel.run(planAddEndpoint(TABLE, [p]));
    const sorted = (text: string): string[] =>
      text
        .split(/[\n,{}]+/)
        .map((l) => l.trim())
        .sort();
    const grown = sorted(await listed());
    await keel.run(planReplaceAll(TABLE, { networks: [web, vault], publications: published(20) }));
    assert.deepEqual(sorted(await listed()), grown);
    await keel.run(planReplaceAll(TABLE, { networks: [web, vault], publications: published(20) }));
    assert.deepEqual(sorted(await listed()), grown);
    await keel.run(planRemoveEndpoint(TABLE, published(20)));
    for (const n of [web, vault]) await keel.run(planRemoveNetwork(TABLE, n));
    assert.equal(await listed(), empty);
    await keel.run(planDestroy(TABLE));
    await keel.run(planDestroy(TABLE));
    assert.equal(await listed(), "");
  });

  test("the change for one endpoint is as small among 5000 ports as alone", async () => {
    await keel.run(planReplaceAll(TABLE, { networks: [web], publications: published(5000) }));
    const one: Publication = { ...(published(1)[0] as Publication), hostPort: 60_000 };
    assert.ok(size(planAddEndpoint(TABLE, [one])) < 300);
    await keel.run(planAddEndpoint(TABLE, [one]));
    await keel.run(planRemoveEndpoint(TABLE, [one]));
    await keel.run(planDestroy(TABLE));
  });

  test("a range is one element, and stays as few as can be when ports are taken out of it and given back", async () => {
    const range = (first: number, last: number, over: Partial<Publication> = {}): Publication[] =>
      Array.from({ length: last - first + 1 }, (_, i) => ({
        ...(published(1)[0] as Publication),
        hostPort: first + i,
        containerPort: first + i,
        ...over,
      }));
    const six = { hostIp: "2001:db8::1", containerIp: "fd00:17::2", isDirect: true } as const;
    const whole = [
      ...range(8000, 60_000),
      ...range(8000, 8999, { hostIp: "192.0.2.1", proto: "udp" }),
      ...range(8000, 8999, { ...six, proto: "sctp" }),
    ];
    const elements = async (): Promise<string[]> =>
      [...(await listed()).matchAll(/(?:tcp|udp|sctp) \. [^,{}\n]+/g)].map(([e]) => e.trim());
    await keel.run(planInit(TABLE));
    const before = await listed();
    assert.ok(size(planAddEndpoint(TABLE, whole)) < 1000);
    await keel.run(planAddEndpoint(TABLE, whole));
    assert.deepEqual(await elements(), [
      "udp . 192.0.2.1 . 8000-8999 : 172.17.0.2",
      "sctp . 2001:db8::1 . 8000-8999 : fd00:17::2",
      "tcp . 8000-60000 : 172.17.0.2",
      "sctp . fd00:17::2 . 8000-8999",
    ]);
    const left = whole.filter((p) => p.proto === "tcp" && p.hostPort !== 9000);
    const moved = { ...(published(1)[0] as Publication), hostPort: 9000 };
    await keel.run(planChangeEndpoint(TABLE, whole, [...left, moved]));
    assert.deepEqual((await elements()).sort(), [
      "tcp . 8000-8999 : 172.17.0.2",
      "tcp . 9000 : 172.17.0.2 . 80",
      "tcp . 9001-60000 : 172.17.0.2",
    ]);
    const read = await readPublished(keel, TABLE);
    assert.equal(read.length, 60_000 - 8000 + 1);
    assert.deepEqual(
      [8999, 9000, 9001].map((port) => read.find((r) => r.hostPort === port)?.containerPort),
      [8999, 80, 9001],
    );
    await keel.run(planChangeEndpoint(TABLE, [...left, moved], whole));
    assert.equal((await elements()).length, 4);
    await keel.run(planRemoveEndpoint(TABLE, whole));
    assert.equal(await listed(), before);
    await keel.run(planDestroy(TABLE));
  });

  test("elements with timeouts are renewed whether they are there or not, and forgotten likewise", async () => {
    await keel.run(planInit(TABLE));
    const before = await listed();
    const named = (timeoutMs: number): SetElements => ({
      egressNetworkNamed: [{ key: ["docker0", "192.0.2.1"], timeoutMs }],
      egressContainerNamedPorts6: [{ key: ["fd00::2", 6, "2001:db8::1", 443], timeoutMs }],
    });
    const timeouts = async (): Promise<string[]> =>
      [...(await sh("nft", "list", "table", "inet", TABLE)).matchAll(/timeout (\w+) expires/g)].map(
        ([, time]) => time as string,
      );
    await keel.run(planRenew(TABLE, named(60_000)));
    assert.deepEqual(await timeouts(), ["1m", "1m"]);
    await keel.run(planRenew(TABLE, named(3_600_000)));
    assert.deepEqual(await timeouts(), ["1h", "1h"]);
    for (let i = 0; i < 2; i++) await keel.run(planForget(TABLE, named(1)));
    assert.equal(await listed(), before);
    await keel.run(planDestroy(TABLE));
  });

  test("what a failed request added is taken back", async () => {
    await keel.run(planInit(TABLE));
    const before = await listed();
    const fails: Op = planRemoveEndpoint(TABLE, published(1))[0] as Op;
    await assert.rejects(
      keel.run([...planAddNetwork(TABLE, web), ...planAddEndpoint(TABLE, published(4).slice(1)), fails]),
    );
    assert.equal(await listed(), before);
    await keel.run(planDestroy(TABLE));
  });

  test("the table stands beside others", async () => {
    await sh(
      "nft",
      "add table ip filter; add chain ip filter DOCKER-USER; add chain ip filter FORWARD { type filter hook forward priority 0; policy drop; }",
    );
    await keel.run(planReplaceAll(TABLE, { networks: [web], publications: published(1) }));
    const [warning, ...more] = await policyWarnings(keel, TABLE);
    assert.match(
      warning ?? "",
      /chain FORWARD of table ip filter drops forwarded packets by default.*DOCKER-USER/,
    );
    assert.deepEqual(more, []);
    await keel.run(planDestroy(TABLE));
    assert.match(await listed(), /^table ip filter \{/);
    assert.doesNotMatch(await listed(), /berth/);
    await sh("nft", "delete table ip filter");
  });
});
