import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parsePrefix, prefixesOverlap, prefixText } from "../../linux/netlink/address.ts";
import { type TakenPrefix, chooseSubnet, uniqueLocalPools } from "./subnet.ts";

const taken = (...list: [string, string][]): TakenPrefix[] =>
  list.map(([cidr, holder]) => ({ prefix: parsePrefix(cidr), holder }));
const none = { networks: [], routes: [] };

test("the default pools are tried in Docker's order around what is taken", () => {
  assert.deepEqual(chooseSubnet(none), { subnet: "172.17.0.0/16", gateway: "172.17.0.1" });
  const busy = {
    networks: taken(["172.17.0.0/16", "network a"]),
    routes: taken(["172.18.5.0/24", "a route by eth0"]),
  };
  assert.deepEqual(chooseSubnet(busy), { subnet: "172.19.0.0/16", gateway: "172.19.0.1" });
  const vpn = {
    networks: [],
    routes: taken(["172.16.0.0/12", "a route by tun0"], ["192.168.0.0/20", "a route by eth0"]),
  };
  assert.deepEqual(chooseSubnet(vpn), { subnet: "192.168.16.0/20", gateway: "192.168.16.1" });
});

test("Docker's 31 pools come first, then hundreds of small ones", () => {
  const networks: TakenPrefix[] = [];
  const subnets: string[] = [];
  for (let i = 0; i < 600; i++) {
    const { subnet } = chooseSubnet({ networks, routes: [] });
    subnets.push(subnet);
    networks.push(...taken([subnet, `network ${i}`]));
  }
  assert.deepEqual(
    [subnets[0], subnets[14], subnets[15], subnets[30], subnets[31], subnets[599]],
    [
      "172.17.0.0/16",
      "172.31.0.0/16",
      "192.168.0.0/20",
      "192.168.240.0/20",
      "10.208.0.0/24",
      "10.210.56.0/24",
    ],
  );
});

test("the block that is chosen is the lowest one that overlaps nothing", () => {
  const pools = [{ base: "10.0.0.0/22", size: 26 }];
  const blocks = Array.from({ length: 16 }, (_, i) => parsePrefix(`10.0.${i >> 2}.${(i & 3) * 64}/26`));
  const prefix = fc.record({
    at: fc.integer({ min: 0, max: 1023 }),
    length: fc.integer({ min: 20, max: 32 }),
  });
  fc.assert(
    fc.property(fc.array(prefix, { maxLength: 20 }), (list) => {
      const networks = list.map((p) => ({
        prefix: parsePrefix(`10.0.${p.at >> 8}.${p.at & 255}/${p.length}`),
        holder: "network x",
      }));
      const expected = blocks.find((b) => !networks.some((n) => prefixesOverlap(n.prefix, b)));
      if (expected === undefined)
        assert.throws(() => chooseSubnet({ pools, networks, routes: [] }), { code: "subnet.exhausted" });
      else assert.equal(chooseSubnet({ pools, networks, routes: [] }).subnet, prefixText(expected));
    }),
  );
});

test("used-up pools give Docker's error with who else is in the way and what to do", () => {
  const pools = [{ base: "10.0.0.0/23", size: 24 }];
  const networks = taken(["10.0.0.0/24", "network web"]);
  const routes = taken(["10.0.1.0/25", "a route by tun0"], ["192.168.0.0/24", "a route by eth0"]);
  assert.throws(() => chooseSubnet({ pools, networks, routes }), {
    code: "subnet.exhausted",
    message:
      "all predefined address pools have been fully subnetted, also by a route by tun0 (10.0.1.0/25); name a free one with --subnet, or set default-address-pools in daemon.json",
  });
});

test("a daemon's IPv6 pool is unique local, stable, and another for another daemon", () => {
  const of = (id: string) => chooseSubnet({ ...none, pools: uniqueLocalPools(id) });
  assert.match(of("a").subnet, /^fd[0-9a-f]{2}:/);
  assert.equal(of("a").subnet, of("a").subnet);
  assert.notEqual(of("a").subnet, of("b").subnet);
});

test("a wanted subnet may lie in a route but not on a network or device, which is named", () => {
  const busy = {
    networks: taken(["10.1.0.0/16", "device eth0"]),
    routes: taken(["10.0.0.0/8", "a route by tun0"]),
  };
  assert.deepEqual(chooseSubnet({ ...busy, wanted: "10.2.0.0/24" }), {
    subnet: "10.2.0.0/24",
    gateway: "10.2.0.1",
  });
  assert.throws(() => chooseSubnet({ ...busy, wanted: "10.1.128.0/24" }), {
    kind: "forbidden",
    code: "subnet.overlap",
    message:
      "Pool overlaps with other one on this address space: 10.1.128.0/24 with 10.1.0.0/16 of device eth0; choose another --subnet or leave it out",
  });
});

test("the host part of a wanted subnet is the gateway, unless one is given", () => {
  assert.deepEqual(chooseSubnet({ ...none, wanted: "10.2.0.254/24" }), {
    subnet: "10.2.0.0/24",
    gateway: "10.2.0.254",
  });
  assert.deepEqual(chooseSubnet({ ...none, wanted: "10.2.0.0/24", gateway: "10.2.0.9" }), {
    subnet: "10.2.0.0/24",
    gateway: "10.2.0.9",
  });
  assert.throws(() => chooseSubnet({ ...none, wanted: "10.2.0.0/24", gateway: "10.3.0.9" }), {
    code: "subnet.invalid",
  });
  assert.throws(() => chooseSubnet({ ...none, wanted: "10.2.0/24" }), { code: "subnet.invalid" });
});
