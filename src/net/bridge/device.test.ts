import assert from "node:assert/strict";
import { test } from "node:test";
import type { Link } from "../../linux/netlink/link.ts";
import { bridgeAlias, chooseBridge, endpointAlias, endpointOfLink, isOwnBridge } from "./device.ts";

const me = { owner: "me", networkId: "n1" };
const link = (over: Partial<Link>): Link => ({
  index: 2,
  name: "docker0",
  kind: "bridge",
  mac: "",
  mtu: 1500,
  alias: "",
  master: 0,
  isUp: true,
  isLoopback: false,
  ...over,
});

test("the name is docker0 when free, else the first free of our own", () => {
  assert.deepEqual(chooseBridge([], me), { name: "docker0", isForeign: false });
  assert.deepEqual(chooseBridge([link({}), link({ name: "berth0" })], me), {
    name: "berth1",
    isForeign: false,
  });
  assert.deepEqual(chooseBridge([link({ alias: "berth:other/network/n1" })], me), {
    name: "berth0",
    isForeign: false,
  });
});

test("a device of ours is adopted by its alias, whatever its name", () => {
  const mine = link({ name: "berth3", alias: bridgeAlias(me) });
  assert.deepEqual(chooseBridge([link({}), mine], me), { name: "berth3", existing: mine, isForeign: false });
  assert.deepEqual(chooseBridge([mine], me, "berth3"), { name: "berth3", existing: mine, isForeign: false });
});

test("a bridge that is there under the wanted name is used, anything else there is refused", () => {
  assert.deepEqual(chooseBridge([], me, "br-1"), { name: "br-1", isForeign: false });
  const there = link({ name: "br-1" });
  assert.deepEqual(chooseBridge([there], me, "br-1"), { name: "br-1", existing: there, isForeign: true });
  for (const other of [{ kind: "veth" }, { alias: "berth:me/network/n2" }, { alias: "berth:you/network/n1" }])
    assert.throws(() => chooseBridge([link({ name: "br-1", ...other })], me, "br-1"), {
      kind: "conflict",
      code: "network.device-exists",
    });
});

test("aliases tell whose a device is", () => {
  assert.ok(isOwnBridge(link({ alias: bridgeAlias(me) }), "me"));
  assert.ok(!isOwnBridge(link({ alias: bridgeAlias(me) }), "m"));
  assert.equal(endpointOfLink(link({ alias: endpointAlias("me", "e9") }), "me"), "e9");
  assert.equal(endpointOfLink(link({ alias: endpointAlias("me", "e9") }), "you"), undefined);
});
