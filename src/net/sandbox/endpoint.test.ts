import assert from "node:assert/strict";
import { test } from "node:test";
import { nameOfOp } from "../../linux/keel-fake.ts";
import { type EndpointPlan, interfaceAddress, interfaceIndex, macForIp, planEndpoint } from "./endpoint.ts";

const plan: EndpointPlan = {
  bridgeIndex: 7,
  mtu: 1500,
  isIsolated: false,
  netnsReg: 0,
  hostIfName: "veth0123456",
  alias: "berth:x/endpoint/e",
  ifName: "eth0",
  addresses: ["172.17.0.2/16"],
  mac: "02:42:ac:11:00:02",
  gateways: ["172.17.0.1"],
  hasIpv6: true,
};

test("an endpoint is undone by one operation that is registered as soon as there is something to undo", () => {
  assert.deepEqual(planEndpoint(plan).map(nameOfOp), [
    "netlink",
    "onFailure",
    "netlink",
    "sysctlHost",
    "netlink",
  ]);
});

test("without IPv6 in the kernel nothing asks for it", () => {
  assert.ok(
    !planEndpoint({ ...plan, hasIpv6: false })
      .map(nameOfOp)
      .includes("sysctlHost"),
  );
});

test("hardware addresses, indices and interface addresses follow from their input", () => {
  assert.equal(macForIp("172.17.0.2"), "02:42:ac:11:00:02");
  assert.deepEqual([interfaceIndex("eth0"), interfaceIndex("eth12")], [100, 112]);
  assert.notEqual(interfaceIndex("lan"), interfaceIndex("wan"));
  assert.equal(interfaceAddress("10.0.0.2", "10.0.0.0/24"), "10.0.0.2/24");
});
