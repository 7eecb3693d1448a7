import assert from "node:assert/strict";
import { test } from "node:test";
import type { NetworkCreateRequest } from "../../api/schemas/network.ts";
import { type CreateContext, draftNetwork } from "./create.ts";
import { emptyRecord, type NetworkRecord } from "./record.ts";

const known = new Map<string, NetworkRecord>();
const context: CreateContext = {
  byName: (name) => known.get(name),
  defaultOptions: (driver) => (driver === "bridge" ? { "com.docker.network.driver.mtu": "1400" } : {}),
};
const draft = (request: NetworkCreateRequest) => draftNetwork({ Name: "web", ...request }, context);
const ipam = (
  ...Config: { Subnet?: string; Gateway?: string; IPRange?: string }[]
): NetworkCreateRequest => ({
  IPAM: { Driver: "default", Config },
});
const config: NetworkRecord = {
  ...emptyRecord({ id: "c", name: "template", driver: "null", createdAt: "" }),
  isConfigOnly: true,
  hasIpv6: true,
  labels: { a: "b" },
  options: { "com.docker.network.driver.mtu": "9000" },
  subnets: [{ subnet: "10.1.0.0/16", gateway: "", range: "", reserved: {} }],
};
known.set("template", config);
known.set("taken", { ...config, isConfigOnly: false });

test("draftNetwork takes the daemon's default options where the request says nothing else", () => {
  assert.deepEqual(draft({}).options, { "com.docker.network.driver.mtu": "1400" });
  const own = { "com.docker.network.driver.mtu": "1300" };
  assert.deepEqual(draft({ Options: own }).options, own);
  const families = { "com.docker.network.enable_ipv6": "true" };
  assert.deepEqual(draft({ Options: { ...own, ...families } }).hasIpv6, true);
  const overridden = draft({ Options: { ...own, ...families }, EnableIPv6: false });
  assert.deepEqual([overridden.hasIpv6, overridden.options], [false, own]);
});

test("draftNetwork takes a block that says nothing for none, and one without an address for any of its size", () => {
  assert.deepEqual(draft(ipam({})).subnets, []);
  assert.equal(draft(ipam({ Subnet: "0.0.0.0/26" })).subnets[0]?.subnet, "0.0.0.0/26");
  for (const more of [{ Gateway: "0.0.0.5" }, { IPRange: "0.0.0.0/28" }])
    assert.throws(() => draft(ipam({ Subnet: "0.0.0.0/26", ...more })), { kind: "invalidParameter" });
});

test("draftNetwork refuses what Docker refuses, with its kind and words", () => {
  const cases: [NetworkCreateRequest, string, RegExp][] = [
    [{ Name: "host" }, "forbidden", /operation is not permitted on predefined host network/],
    [{ Name: "default" }, "forbidden", /predefined default network/],
    [{ Name: " " }, "invalidParameter", /name is empty/],
    [{ Name: "taken" }, "conflict", /network with name taken already exists/],
    [{ Driver: "overlay" }, "forbidden", /not a swarm manager/],
    [{ Driver: "host" }, "forbidden", /only one instance of "host" network is allowed/],
    [{ Driver: "weave" }, "notFound", /plugin "weave" not found/],
    [{ IPAM: { Driver: "null" } }, "invalidParameter", /^ipv4 pool is empty$/],
    [
      { Driver: "ipvlan", IPAM: { Driver: "null" }, Options: { ipvlan_mode: "l3" } },
      "invalidParameter",
      /^ipv4 pool is empty$/,
    ],
    [{ Scope: "global" }, "forbidden", /swarm is not active/],
    [{ Ingress: true }, "forbidden", /Ingress/],
    [{ EnableIPv4: false }, "invalidParameter", /IPv4 or IPv6 must be enabled/],
    [{ ConfigOnly: true, Attachable: true }, "forbidden", /can only contain network specific fields/],
    [{ ConfigOnly: true, ConfigFrom: { Network: "template" } }, "forbidden", /cannot depend on another/],
    [{ ConfigFrom: { Network: "taken" } }, "notFound", /configuration network "taken" does not exist/],
    [{ ConfigFrom: { Network: "template" }, EnableIPv6: true }, "forbidden", /user-specified configurations/],
    [{ ConfigFrom: { Network: "template" }, Options: { a: "b" } }, "forbidden", /driver options/],
    [{ IPAM: { Driver: "dhcp" } }, "notFound", /plugin "dhcp" not found/],
    [ipam({ Gateway: "10.0.0.1" }), "invalidParameter", /no subnet/],
    [
      ipam({ Subnet: "10.0.0.5/24" }),
      "invalidParameter",
      /invalid subnet 10.0.0.5\/24: it should be 10.0.0.0\/24/,
    ],
    [
      ipam({ Subnet: "10.0.0.0/24", IPRange: "10.0.0.0/16" }),
      "invalidParameter",
      /invalid ip-range 10.0.0.0\/16: CIDR block is bigger than its parent subnet 10.0.0.0\/24/,
    ],
    [
      ipam({ Subnet: "10.0.0.0/24", IPRange: "10.1.0.0/25" }),
      "invalidParameter",
      /parent subnet 10.0.0.0\/24 doesn't contain ip-range/,
    ],
    [
      ipam({ Subnet: "10.0.0.0/24", Gateway: "fd00::1" }),
      "invalidParameter",
      /invalid gateway fd00::1: parent subnet is an IPv4 block/,
    ],
  ];
  for (const [request, kind, message] of cases)
    assert.throws(() => draft(request), { kind, message }, JSON.stringify(request));
});

test("draftNetwork leaves out the subnets of a family that is off, and accepts IPv6 in any notation", () => {
  const both = ipam({ Subnet: "10.0.0.0/24" }, { Subnet: "fd00:0:0::/64" });
  assert.deepEqual(
    draft(both).subnets.map((s) => s.subnet),
    ["10.0.0.0/24"],
  );
  assert.deepEqual(
    draft({ ...both, EnableIPv6: true }).subnets.map((s) => s.subnet),
    ["10.0.0.0/24", "fd00::/64"],
  );
});

test("draftNetwork copies a configuration, and gives one itself the driver null", () => {
  const made = draft({ ConfigFrom: { Network: "template" } });
  assert.deepEqual(
    [made.driver, made.hasIpv6, made.labels, made.options, made.subnets, made.configFrom],
    ["bridge", true, config.labels, config.options, config.subnets, "template"],
  );
  assert.equal(draft({ ConfigOnly: true }).driver, "null");
});
