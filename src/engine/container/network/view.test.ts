import assert from "node:assert/strict";
import { test } from "node:test";
import type { AttachedEndpoint, ContainerRecord, NetworkEndpoint } from "../record.ts";
import { NEVER_RAN } from "../record.ts";
import { dnsNames, listedNetworks, networkSettings, shownPorts } from "./view.ts";

const attached = (over: Partial<AttachedEndpoint> = {}): AttachedEndpoint => ({
  endpointId: "e",
  networkId: "n",
  containerId: "c",
  ip: "10.0.0.2",
  mac: "02:42:0a:00:00:02",
  hostIfName: "veth0",
  ports: [{ proto: "tcp", containerPort: 80, hostIp: "0.0.0.0", hostPort: 8080 }],
  gateway: "10.0.0.1",
  prefixLength: 24,
  ...over,
});
const endpoint = (over: Partial<NetworkEndpoint> = {}): NetworkEndpoint => ({
  networkName: "web",
  networkId: "n",
  aliases: ["al", "box"],
  wantedIp: "",
  wantedMac: "",
  attached: attached(),
  ...over,
});
const record = (...endpoints: NetworkEndpoint[]): ContainerRecord =>
  ({
    id: "0123456789abcdef",
    name: "box",
    config: { Hostname: "0123456789ab", ExposedPorts: { "80/tcp": {}, "90/tcp": {} } },
    endpoints,
    state: { ...NEVER_RAN, status: "running", pid: 7 },
  }) as unknown as ContainerRecord;

test("dnsNames are name, aliases, short id and host name, each once, and none in the predefined networks", () => {
  assert.deepEqual(dnsNames(endpoint(), record()), ["box", "al", "0123456789ab"]);
  assert.deepEqual(dnsNames(endpoint({ networkName: "bridge" }), record()), []);
});

test("ports are shown where something can be published", () => {
  const published = [{ HostIp: "0.0.0.0", HostPort: "8080" }];
  assert.deepEqual(shownPorts(record(endpoint())), { "80/tcp": published, "90/tcp": null });
  const routed = attached({ ports: [{ proto: "tcp", containerPort: 80, hostIp: "::", hostPort: 0 }] });
  assert.deepEqual(shownPorts(record(endpoint({ attached: routed })))["80/tcp"], [
    { HostIp: "::", HostPort: "" },
  ]);
  for (const over of [
    { isInternal: true, ports: [] },
    { hostIfName: "", ports: [] },
  ])
    assert.deepEqual(shownPorts(record(endpoint({ attached: attached(over) }))), {});
  assert.deepEqual(shownPorts(record()), {});
});

test("lists show networks without names, links and options; inspections show options that were given, none among them", () => {
  const e = endpoint({ links: ["db:db"], driverOpts: {} });
  const shown = networkSettings(record(e)).Networks["web"];
  assert.deepEqual([shown?.DriverOpts, shown?.Links], [{}, ["db:db"]]);
  assert.deepEqual(listedNetworks(record(e)), {
    web: { ...shown, Links: null, Aliases: null, DriverOpts: null, DNSNames: null },
  });
});

test("networkSettings show what the network gave, and what was asked for where it does not run", () => {
  const wished = {
    wantedIp: "10.0.0.9",
    wantedIp6: "fd00::9",
    links: ["db:x"],
    driverOpts: { a: "b" },
    gwPriority: 3,
  };
  const settings = networkSettings(
    record(endpoint({ ...wished, attached: attached({ ip6: "fd00::9", prefixLength6: 64 }) })),
  );
  assert.deepEqual([settings.SandboxID, settings.SandboxKey], ["0123456789abcdef", "/proc/7/ns/net"]);
  const web = settings.Networks["web"];
  assert.deepEqual(
    [web?.IPAddress, web?.IPPrefixLen, web?.GlobalIPv6Address, web?.GlobalIPv6PrefixLen, web?.Gateway],
    ["10.0.0.2", 24, "fd00::9", 64, "10.0.0.1"],
  );
  assert.deepEqual(web?.IPAMConfig, { IPv4Address: "10.0.0.9", IPv6Address: "fd00::9" });
  assert.deepEqual([web?.Links, web?.DriverOpts, web?.GwPriority], [["db:x"], { a: "b" }, 3]);
  const { attached: _, ...idle } = endpoint();
  const stopped = { ...record(idle), state: NEVER_RAN };
  assert.deepEqual([networkSettings(stopped).SandboxKey, networkSettings(stopped).Ports], ["", {}]);
  assert.equal(networkSettings(stopped).Networks["web"]?.IPAddress, "");
  const { attached: __, ...made } = endpoint({ wantedMac: "02:42:ac:11:00:09" });
  const macs = (["created", "exited"] as const).map(
    (status) =>
      networkSettings({ ...record(made), state: { ...NEVER_RAN, status } }).Networks["web"]?.MacAddress,
  );
  assert.deepEqual(macs, ["02:42:ac:11:00:09", ""]);
});
