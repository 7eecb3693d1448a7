import assert from "node:assert/strict";
import { test } from "node:test";
import { type NetworkFlagValues, networkConfigOf } from "./network-config.ts";

const FLAGS: NetworkFlagValues = {
  bridge: "",
  bip: "",
  bip6: "",
  "default-gateway": "",
  "default-gateway-v6": "",
  "fixed-cidr": "",
  "fixed-cidr-v6": "",
  ip: "",
  ipv6: false,
  icc: true,
  "ip-masq": true,
  "allow-direct-routing": false,
  "publish-allow": [],
  "default-address-pool": [],
  "default-network-opt": [],
};
const load = (file: Record<string, unknown>, flags: Partial<NetworkFlagValues> = {}) =>
  networkConfigOf({ ...FLAGS, ...flags }, file, 1500);

test("networkConfigOf has dockerd's defaults", () => {
  assert.deepEqual(load({}), {
    defaultBridge: {
      device: "",
      ipv4: { bip: "", fixedCidr: "", nextHop: "" },
      ipv6: { bip: "", fixedCidr: "", nextHop: "" },
      mtu: 1500,
      hasIcc: true,
      hasMasquerade: true,
      hasIpv6: false,
      hostBindingIp: "",
    },
    addressPools: { ipv4: undefined, ipv6: undefined },
    publishAllow: undefined,
    allowsDirectRouting: false,
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

test("networkConfigOf reads the default bridge's device and addresses", () => {
  const { device, ipv4, ipv6 } = load(
    { bridge: "none", "default-gateway": "10.0.0.9", "fixed-cidr": "10.0.0.0/25" },
    { "default-gateway-v6": "fd00::9" },
  ).defaultBridge;
  assert.deepEqual(
    [device, ipv4, ipv6],
    [
      "none",
      { bip: "", fixedCidr: "10.0.0.0/25", nextHop: "10.0.0.9" },
      { bip: "", fixedCidr: "", nextHop: "fd00::9" },
    ],
  );
  assert.equal(load({ bip6: "fd00::1/64" }).defaultBridge.ipv6.bip, "fd00::1/64");
  for (const [flags, name] of [
    [{ bridge: "br7", bip: "10.0.0.1/24" }, "bip"],
    [{ bridge: "none", bip6: "fd00::1/64" }, "bip6"],
  ] as const)
    assert.throws(() => load({}, flags), {
      message: `You specified -b & --${name}, mutually exclusive options. Please specify only one`,
    });
});

test("networkConfigOf refuses what cannot be", () => {
  for (const file of [
    { bridge: "a/b" },
    { bridge: 5 },
    { bip: "10.0.0.1" },
    { bip: "fd00::1/64" },
    { bip6: "10.0.0.1/24" },
    { "fixed-cidr-v6": "10.0.0.0/24" },
    { "default-gateway": "fd00::1" },
    { "default-gateway": "10.0.0.1/24" },
    { "default-gateway-v6": "10.0.0.1" },
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
