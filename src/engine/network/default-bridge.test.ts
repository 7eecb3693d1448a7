import assert from "node:assert/strict";
import { test } from "node:test";
import { parsePrefix } from "../../linux/netlink/address.ts";
import { defaultBridge, type DefaultBridgeContext, type DefaultBridgeSettings } from "./default-bridge.ts";
import type { NetworkRecord } from "./record.ts";

const SAYS_NOTHING = { bip: "", fixedCidr: "", nextHop: "" };
const settings = (over: Partial<DefaultBridgeSettings> = {}): DefaultBridgeSettings => ({
  device: "",
  ipv4: SAYS_NOTHING,
  ipv6: SAYS_NOTHING,
  mtu: 1500,
  hasIcc: true,
  hasMasquerade: true,
  hasIpv6: false,
  hostBindingIp: "",
  ...over,
});
const context = (deviceAddresses: string[] = []): DefaultBridgeContext => ({
  pools: {
    ipv4: [
      { base: "172.17.0.0/16", size: 16 },
      { base: "172.18.0.0/16", size: 16 },
    ],
    ipv6: [{ base: "fd77::/48", size: 64 }],
  },
  taken: {
    networks: deviceAddresses.map((a) => ({ prefix: parsePrefix(a), holder: "device br7" })),
    routes: [],
  },
  deviceAddresses,
});
const blocks = (record: NetworkRecord) =>
  record.subnets.map(({ subnet, gateway, range }) => [subnet, gateway, range]);
const make = (over: Partial<DefaultBridgeSettings>, stored?: NetworkRecord, addresses?: string[]) =>
  defaultBridge(stored, settings(over), context(addresses));

test("defaultBridge takes addresses of the pools, and keeps those that it has", () => {
  const first = make({ hasIpv6: true });
  assert.deepEqual(blocks(first), [
    ["172.17.0.0/16", "172.17.0.1", ""],
    ["fd77::/64", "fd77::1", ""],
  ]);
  const known = { ...first, subnets: [{ ...first.subnets[0]!, subnet: "10.1.0.0/16", gateway: "10.1.0.1" }] };
  assert.deepEqual(blocks(make({}, known)), [["10.1.0.0/16", "10.1.0.1", ""]]);
  assert.equal(make({}, known).id, first.id);
});

test("defaultBridge has its own address, a range, and another next hop than itself, by family", () => {
  const bip = make({
    hasIpv6: true,
    ipv4: { bip: "10.5.0.5/16", fixedCidr: "10.5.1.0/24", nextHop: "10.5.0.254" },
    ipv6: { bip: "fd05::5/64", fixedCidr: "", nextHop: "fd05::99" },
  });
  assert.deepEqual(blocks(bip), [
    ["10.5.0.0/16", "10.5.0.5", "10.5.1.0/24"],
    ["fd05::/64", "fd05::5", ""],
  ]);
  assert.deepEqual(
    bip.subnets.map((s) => s.reserved),
    [{ DefaultGatewayIPv4: "10.5.0.254" }, { DefaultGatewayIPv6: "fd05::99" }],
  );
  assert.throws(() => make({ ipv4: { ...SAYS_NOTHING, nextHop: "10.6.0.1" } }), {
    message: "auxiliary address: (DefaultGatewayIPv4:10.6.0.1) must belong to the master pool: 172.17.0.0/16",
  });
});

test("a range that is in no subnet of the default bridge's is its subnet", () => {
  const ranged = make({ ipv4: { ...SAYS_NOTHING, fixedCidr: "10.9.0.0/24" } });
  assert.deepEqual(blocks(ranged), [["10.9.0.0/24", "10.9.0.1", "10.9.0.0/24"]]);
  const narrower = make({ ipv4: { ...SAYS_NOTHING, fixedCidr: "10.9.0.128/25" } }, ranged);
  assert.deepEqual(blocks(narrower), [["10.9.0.0/24", "10.9.0.1", "10.9.0.128/25"]]);
  const outside = { bip: "10.5.0.1/16", fixedCidr: "10.9.0.0/24", nextHop: "" };
  assert.throws(() => make({ ipv4: outside }), { message: /fixed-cidr=10\.9\.0\.0\/24 is outside/ });
});

test("a device of the host gives the default bridge its addresses", () => {
  const addresses = ["10.7.0.7/24", "10.8.0.1/24", "fd07::7/64"];
  const given = make({ device: "br7", hasIpv6: true }, undefined, addresses);
  assert.deepEqual(blocks(given), [
    ["10.7.0.0/24", "10.7.0.7", ""],
    ["fd07::/64", "fd07::7", ""],
  ]);
  assert.deepEqual(
    [given.deviceName, given.givenDevice, given.options["com.docker.network.bridge.name"]],
    ["br7", "br7", "br7"],
  );
  const ranged = { ...SAYS_NOTHING, fixedCidr: "10.8.0.128/25" };
  assert.deepEqual(blocks(make({ device: "br7", ipv4: ranged }, undefined, addresses)), [
    ["10.8.0.0/24", "10.8.0.1", "10.8.0.128/25"],
  ]);
  const elsewhere = { ...SAYS_NOTHING, fixedCidr: "10.9.0.0/24" };
  assert.deepEqual(blocks(make({ device: "br7", ipv4: elsewhere }, undefined, addresses)), [
    ["10.7.0.0/24", "10.7.0.7", ""],
  ]);
  const elsewhere6 = { ...SAYS_NOTHING, fixedCidr: "fd09::/64" };
  assert.throws(() => make({ device: "br7", hasIpv6: true, ipv6: elsewhere6 }, undefined, addresses), {
    message: "fixed-cidr-v6=fd09::/64 is outside of the subnet fd07::/64",
  });
  assert.deepEqual(blocks(make({ device: "br7" })), [["172.17.0.0/16", "172.17.0.1", ""]]);
});
