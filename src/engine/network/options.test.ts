import assert from "node:assert/strict";
import { test } from "node:test";
import { bridgeSpec, macvlanSpec, OPTION } from "./options.ts";
import { emptyRecord, type NetworkRecord } from "./record.ts";

const record = (options: Record<string, string>, over: Partial<NetworkRecord> = {}): NetworkRecord => ({
  ...emptyRecord({ id: "0123456789abcdef", name: "net", driver: "bridge", createdAt: "" }),
  subnets: [{ subnet: "10.0.0.0/24", gateway: "10.0.0.1", range: "", reserved: {} }],
  options,
  ...over,
});
const spec = (options: Record<string, string>, over: Partial<NetworkRecord> = {}) =>
  bridgeSpec(record(options, over), { hostBindingIp: "127.0.0.1" });

test("bridgeSpec reads every option, and has Docker's defaults", () => {
  const plain = spec({});
  assert.deepEqual(
    [plain.mtu, plain.icc, plain.masquerade, plain.internal, plain.hostBindingIp, plain.ipv4?.gatewayMode],
    [1500, true, true, false, "127.0.0.1", "nat"],
  );
  const full = spec({
    [OPTION.bridgeName]: "br9",
    [OPTION.mtu]: "9000",
    [OPTION.icc]: "0",
    [OPTION.masquerade]: "F",
    [OPTION.hostBinding]: "10.9.9.9",
    [OPTION.gatewayMode4]: "routed",
    [OPTION.inhibitIpv4]: "true",
    [OPTION.trusted]: "eth0:tun1",
    "org.example.other": "kept and not looked at",
  });
  assert.deepEqual(
    [full.bridgeName, full.mtu, full.icc, full.masquerade, full.hostBindingIp, full.ipv4?.gatewayMode],
    ["br9", 9000, false, false, "10.9.9.9", "routed"],
  );
  assert.deepEqual([full.inhibitIpv4, full.trustedInterfaces], [true, ["eth0", "tun1"]]);
});

test("bridgeSpec refuses values that cannot be, and what is not there", () => {
  for (const [options, kind, message] of [
    [{ [OPTION.icc]: "maybe" }, "invalidParameter", /failed to parse .*enable_icc value: maybe/],
    [{ [OPTION.mtu]: "12x" }, "invalidParameter", /failed to parse .*mtu value: 12x/],
    [{ [OPTION.mtu]: "-1" }, "invalidParameter", /invalid MTU/],
    [{ [OPTION.mtu]: "70000" }, "invalidParameter", /invalid MTU/],
    [{ [OPTION.hostBinding]: "here" }, "invalidParameter", /host_binding_ipv4 value: here/],
    [{ [OPTION.gatewayMode6]: "magic" }, "invalidParameter", /unknown gateway mode magic/],
    [{ [OPTION.gatewayMode4]: "isolated" }, "invalidParameter", /can only be used for an internal network/],
    [{ [OPTION.bridgeName]: "a/b" }, "invalidParameter", /invalid interface name/],
    [{ [OPTION.bridgeName]: "sixteen-letters!" }, "invalidParameter", /invalid interface name/],
    [{ [OPTION.trusted]: "eth 0" }, "invalidParameter", /invalid interface name/],
    [{ [OPTION.hostIpv4]: "10.0.0.1" }, "notImplemented", /host_ipv4/],
  ] as const)
    assert.throws(() => spec(options as never), { kind, message }, JSON.stringify(options));
});

test("macvlanSpec knows the modes of macvlan and ipvlan", () => {
  assert.deepEqual(macvlanSpec(record({})).child, { kind: "macvlan", mode: "bridge" });
  const ipvlan = (options: Record<string, string>) =>
    macvlanSpec({ ...record(options), driver: "ipvlan" }).child;
  assert.deepEqual(ipvlan({}), { kind: "ipvlan", mode: "l2", flag: "bridge" });
  assert.deepEqual(ipvlan({ [OPTION.ipvlanMode]: "l3s", [OPTION.ipvlanFlag]: "vepa" }), {
    kind: "ipvlan",
    mode: "l3s",
    flag: "vepa",
  });
  for (const option of [OPTION.ipvlanMode, OPTION.ipvlanFlag])
    assert.throws(() => ipvlan({ [option]: "x" }), { kind: "invalidParameter" });
  assert.equal(macvlanSpec(record({ [OPTION.macvlanMode]: "vepa", parent: "eth0" })).parent, "eth0");
  assert.throws(() => macvlanSpec(record({ [OPTION.macvlanMode]: "x" })), { kind: "invalidParameter" });
});
