import assert from "node:assert/strict";
import { test } from "node:test";
import { emptyRecord } from "../../network/record.ts";
import { interfaceName, interfaceNames, type Place } from "./sandbox.ts";

const place = (networkName: string, ifName?: string): Place => ({
  network: emptyRecord({ id: networkName, name: networkName, driver: "bridge", createdAt: "" }),
  endpoint: {
    networkName,
    networkId: "",
    aliases: [],
    wantedIp: "",
    wantedMac: "",
    ...(ifName === undefined ? {} : { driverOpts: { "com.docker.network.endpoint.ifname": ifName } }),
  },
});

test("interfaceNames numbers devices around the names that were asked for", () => {
  assert.deepEqual(interfaceNames([place("a"), place("b")]), ["eth0", "eth1"]);
  assert.deepEqual(interfaceNames([place("a"), place("b", "eth0"), place("c")]), ["eth1", "eth0", "eth2"]);
  assert.throws(() => interfaceNames([place("a", "wan"), place("b", "wan")]), { kind: "conflict" });
});

test("interfaceName takes the lowest free number", () => {
  const { network, endpoint } = place("a");
  assert.equal(interfaceName(network, endpoint, ["eth1", "eth2"]), "eth0");
  assert.equal(interfaceName(network, endpoint, ["eth0", "eth2"]), "eth1");
});
