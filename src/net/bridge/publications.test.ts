import assert from "node:assert/strict";
import { test } from "node:test";
import type { BridgeNetwork, EndpointRecord, GatewayMode, PortRequest } from "../model.ts";
import { planPublish, publicationsOf, type PublishPlace } from "./publications.ts";

const network = (
  mode4: GatewayMode,
  mode6?: GatewayMode,
  over: Partial<BridgeNetwork> = {},
): BridgeNetwork => ({
  id: "n",
  ipv4: { subnet: "10.0.0.0/24", gateway: "10.0.0.1", gatewayMode: mode4 },
  ...(mode6 === undefined ? {} : { ipv6: { subnet: "fd00::/64", gateway: "fd00::1", gatewayMode: mode6 } }),
  mtu: 1500,
  internal: false,
  masquerade: true,
  icc: true,
  ...over,
});
const wish = (hostIp: string): PortRequest => ({ proto: "tcp", containerPort: 80, hostIp, hostPort: 8080 });
const both = { ip: "10.0.0.2", ip6: "fd00::2" };
const only4 = { ip: "10.0.0.2", ip6: "" };
const plan = (n: BridgeNetwork, ips: PublishPlace, ...hostIps: string[]) => {
  const { wishes, anyAddresses, opened } = planPublish(n, hostIps.map(wish), ips);
  return [wishes.map((w) => w.hostIp), anyAddresses, opened.map((o) => o.hostIp)];
};

test("planPublish stands for all addresses of the families that are translated", () => {
  assert.deepEqual(plan(network("nat", "nat"), both, ""), [[""], ["0.0.0.0", "::"], []]);
  assert.deepEqual(plan(network("nat"), only4, ""), [[""], ["0.0.0.0", "::"], []]);
  assert.deepEqual(plan(network("nat", "routed"), both, ""), [[""], ["0.0.0.0"], ["::"]]);
  assert.deepEqual(plan(network("routed", "nat"), both, ""), [[""], ["::"], ["0.0.0.0"]]);
  assert.deepEqual(plan(network("routed", "routed"), both, ""), [[], [], ["0.0.0.0", "::"]]);
});

test("planPublish opens routed ports, and takes none of the host's, where another network has these", () => {
  const elsewhere = { ...both, publishes: { ipv4: false, ipv6: false } };
  assert.deepEqual(plan(network("routed", "nat"), elsewhere, "", "127.0.0.1"), [
    [],
    [],
    ["0.0.0.0", "0.0.0.0"],
  ]);
  assert.deepEqual(plan(network("routed", "routed"), elsewhere, ""), [[], [], ["0.0.0.0", "::"]]);
  assert.deepEqual(plan(network("nat", "nat"), elsewhere, ""), [[], [], []]);
});

test("planPublish takes the host's addresses of one family where those of the other lead elsewhere", () => {
  const of = (ipv4: boolean, n = network("nat", "nat"), ips = both) =>
    plan(n, { ...ips, publishes: { ipv4, ipv6: !ipv4 } }, "", "127.0.0.1", "::1");
  assert.deepEqual(of(true), [["", "127.0.0.1"], ["0.0.0.0"], []]);
  assert.deepEqual(of(false), [["", "::1"], ["::"], []]);
  assert.deepEqual(of(false, network("routed", "nat")), [["", "::1"], ["::"], ["0.0.0.0", "0.0.0.0"]]);
  assert.deepEqual(of(true, network("nat"), only4), [["", "127.0.0.1"], ["0.0.0.0"], []]);
});

test("planPublish takes named addresses as they are, the network's own binding where none is, nothing when internal", () => {
  assert.deepEqual(plan(network("nat", "routed"), both, "127.0.0.1", "::1"), [
    ["127.0.0.1"],
    ["0.0.0.0"],
    ["::"],
  ]);
  const bound = network("nat", undefined, { hostBindingIp: "127.0.0.1" });
  assert.deepEqual(plan(bound, only4, "", "10.9.9.9")[0], ["127.0.0.1", "10.9.9.9"]);
  assert.deepEqual(plan(network("nat", "nat", { internal: true }), both, ""), [[], [], []]);
});

test("publicationsOf leaves to sockets what the kernel cannot translate, and opens what is reached directly", () => {
  const record = (ip6: string, hostPort: number): EndpointRecord => ({
    endpointId: "e",
    networkId: "n",
    containerId: "c",
    ip: "10.0.0.2",
    ip6,
    mac: "",
    hostIfName: "",
    ports: ["0.0.0.0", "::"].map((hostIp) => ({ proto: "tcp", containerPort: 80, hostIp, hostPort })),
  });
  const of = (r: EndpointRecord, n: BridgeNetwork) =>
    publicationsOf(r, n).map((p) => [p.hostIp, p.containerIp, p.isDirect]);
  assert.deepEqual(of(record("", 8080), network("nat")), [["0.0.0.0", "10.0.0.2", false]]);
  assert.deepEqual(of(record("fd00::2", 8080), network("nat", "nat")), [
    ["0.0.0.0", "10.0.0.2", false],
    ["::", "fd00::2", false],
  ]);
  assert.deepEqual(of(record("fd00::2", 0), network("routed", "routed")), [
    ["", "10.0.0.2", true],
    ["", "fd00::2", true],
  ]);
  const trusting = network("nat", undefined, { trustedInterfaces: ["eth0"] });
  assert.deepEqual(of(record("", 8080), trusting), [["0.0.0.0", "10.0.0.2", true]]);
  const direct = network("nat", undefined, { isDirect: true });
  assert.deepEqual(of(record("", 8080), direct), [["0.0.0.0", "10.0.0.2", true]]);
});
