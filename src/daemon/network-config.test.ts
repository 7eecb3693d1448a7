import assert from "node:assert/strict";
import { test } from "node:test";
import { type NetworkFlagValues, networkConfigOf } from "./network-config.ts";

const FLAGS: NetworkFlagValues = {
  "fixed-cidr": "",
  "fixed-cidr-v6": "",
  ip: "",
  ipv6: false,
  icc: true,
  "ip-masq": true,
  "publish-allow": [],
  "default-address-pool": [],
  "default-network-opt": [],
};
const load = (file: Record<string, unknown>, flags: Partial<NetworkFlagValues> = {}) =>
  networkConfigOf({ ...FLAGS, ...flags }, file, { bip: "", mtu: 1500 });

test("networkConfigOf has dockerd's defaults", () => {
  assert.deepEqual(load({}), {
    defaultBridge: {
      fixedCidr: "",
      fixedCidrV6: "",
      mtu: 1500,
      hasIcc: true,
      hasMasquerade: true,
      hasIpv6: false,
      hostBindingIp: "",
    },
    addressPools: { ipv4: undefined, ipv6: undefined },
    publishAllow: undefined,
    defaultOptions: {},
  });
});

test("networkConfigOf reads pools and options from the file and from flags", () => {
  const pools = { ipv4: [{ base: "10.1.0.0/16", size: 24 }], ipv6: [{ base: "fd00::/48", size: 64 }] };
  const inFile = [
    { base: "10.1.0.0/16", size: 24 },
    { base: "fd00::/48", size: 64 },
  ];
  assert.deepEqual(load({ "default-address-pools": inFile }).addressPools, pools);
  const asFlags = ["base=10.1.0.0/16,size=24", "base=fd00::/48,size=64"];
  assert.deepEqual(load({}, { "default-address-pool": asFlags }).addressPools, pools);
  const options = { bridge: { "com.docker.network.driver.mtu": "1400" } };
  assert.deepEqual(load({ "default-network-opts": options }).defaultOptions, options);
  const flag = ["bridge=com.docker.network.driver.mtu=1400"];
  assert.deepEqual(load({}, { "default-network-opt": flag }).defaultOptions, options);
  assert.equal(load({ ip: "127.0.0.1" }).defaultBridge.hostBindingIp, "127.0.0.1");
  assert.equal(load({ ip: "0.0.0.0" }).defaultBridge.hostBindingIp, "");
});

test("networkConfigOf refuses what cannot be", () => {
  for (const file of [
    { ip: "here" },
    { ip: 1 },
    { icc: "yes" },
    { "fixed-cidr": "10.0.0.0" },
    { "default-address-pools": "10.0.0.0/8" },
    { "default-address-pools": [{ base: "10.0.0.0/16" }] },
    { "default-address-pools": [{ base: "10.0.0.0/16", size: 8 }] },
    { "default-address-pools": [{ base: "10.0.0.0/16", size: 31 }] },
    { "default-network-opts": { bridge: { mtu: 1400 } } },
  ])
    assert.throws(() => load(file), { kind: "invalidParameter" }, JSON.stringify(file));
});

test("networkConfigOf reads who may reach published ports", () => {
  assert.deepEqual(load({ "publish-allow": ["10.1.2.3/8"] }).publishAllow, ["10.0.0.0/8"]);
  assert.deepEqual(load({}, { "publish-allow": ["fd00::/8"] }).publishAllow, ["fd00::/8"]);
  for (const bad of ["10.0.0.0/8", [1], ["nowhere"]])
    assert.throws(() => load({ "publish-allow": bad }), { kind: "invalidParameter" });
});
