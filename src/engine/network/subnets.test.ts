import assert from "node:assert/strict";
import { test } from "node:test";
import { parsePrefix } from "../../linux/netlink/address.ts";
import { emptyRecord, type NetworkRecord } from "./record.ts";
import { chooseSubnets, type SubnetContext } from "./subnets.ts";

const context: SubnetContext = {
  pools: { ipv4: [{ base: "10.0.0.0/16", size: 24 }], ipv6: [{ base: "fd00::/48", size: 64 }] },
  taken: {
    networks: [{ prefix: parsePrefix("10.0.0.0/24"), holder: "network web" }],
    routes: [{ prefix: parsePrefix("10.0.1.0/24"), holder: "a route by tun0" }],
  },
};
const draft = (over: Partial<NetworkRecord> = {}): NetworkRecord => ({
  ...emptyRecord({ id: "n", name: "net", driver: "bridge", createdAt: "" }),
  ...over,
});
const block = (subnet: string, over = {}) => ({ subnet, gateway: "", range: "", reserved: {}, ...over });
const chosen = (over: Partial<NetworkRecord>) =>
  chooseSubnets(draft(over), context).subnets.map((s) => [s.subnet, s.gateway]);

test("chooseSubnets picks free blocks for the families that are on", () => {
  assert.deepEqual(chosen({}), [["10.0.2.0/24", "10.0.2.1"]]);
  assert.deepEqual(chosen({ hasIpv6: true }), [
    ["10.0.2.0/24", "10.0.2.1"],
    ["fd00::/64", "fd00::1"],
  ]);
  assert.deepEqual(chosen({ hasIpv4: false, hasIpv6: true }), [["fd00::/64", "fd00::1"]]);
});

test("chooseSubnets keeps what was asked for and gives it the first address that nobody reserved as gateway", () => {
  assert.deepEqual(chosen({ subnets: [block("10.0.1.0/24")] }), [["10.0.1.0/24", "10.0.1.1"]]);
  const reserved = { router: "10.0.1.1", printer: "10.0.1.2" };
  assert.deepEqual(chosen({ subnets: [block("10.0.1.0/24", { reserved })] }), [["10.0.1.0/24", "10.0.1.3"]]);
  assert.deepEqual(chosen({ subnets: [block("10.0.1.0/24", { gateway: "10.0.1.9" })] }), [
    ["10.0.1.0/24", "10.0.1.9"],
  ]);
  assert.throws(() => chosen({ subnets: [block("10.0.0.128/25")] }), {
    kind: "forbidden",
    message:
      /^Pool overlaps with other one on this address space: 10.0.0.128\/25 with 10.0.0.0\/24 of network web/,
  });
  assert.throws(() => chosen({ subnets: [block("10.1.0.0/24"), block("10.2.0.0/24")] }), {
    kind: "forbidden",
  });
});

test("chooseSubnets gives no gateway to isolated networks, and lets macvlan share the wire's subnet", () => {
  const options = { "com.docker.network.bridge.gateway_mode_ipv4": "isolated" };
  assert.deepEqual(chosen({ options, isInternal: true }), [["10.0.2.0/24", ""]]);
  assert.deepEqual(chosen({ driver: "macvlan", subnets: [block("10.0.0.0/24")] }), [
    ["10.0.0.0/24", "10.0.0.1"],
  ]);
});

test("chooseSubnets gives any block of a size to who names no address", () => {
  assert.deepEqual(chosen({ subnets: [block("0.0.0.0/26")] }), [["10.0.2.0/26", "10.0.2.1"]]);
  assert.deepEqual(chosen({ subnets: [block("0.0.0.0/0")] }), [["10.0.2.0/24", "10.0.2.1"]]);
  assert.deepEqual(chosen({ hasIpv4: false, hasIpv6: true, subnets: [block("::/56")] }), [
    ["fd00::/56", "fd00::1"],
  ]);
  assert.throws(() => chosen({ subnets: [block("0.0.0.0/8")] }), {
    kind: "invalidParameter",
    message: /^invalid address pool/,
  });
});

test("chooseSubnets takes the gateway from the range, but no edge of the subnet", () => {
  const gatewayOf = (range: string) => chosen({ subnets: [block("10.9.0.0/24", { range })] })[0]?.[1];
  assert.equal(gatewayOf("10.9.0.128/25"), "10.9.0.128");
  assert.equal(gatewayOf("10.9.0.0/25"), "10.9.0.1");
  assert.equal(gatewayOf("10.9.0.0/31"), "10.9.0.1");
});
