import assert from "node:assert/strict";
import { test } from "node:test";
import type { ContainerSummary } from "../../api/schemas/container.ts";
import type { NetworkInspect } from "../../api/schemas/network.ts";
import { graphText, networkGraph } from "./network-graph.ts";

const network = (Name: string, over: Partial<NetworkInspect> = {}): NetworkInspect =>
  ({
    Name,
    Driver: "bridge",
    Internal: false,
    Options: {},
    IPAM: { Driver: "default", Options: null, Config: [{ Subnet: "10.0.0.0/24" }] },
    Containers: { id1: { Name: "api", IPv4Address: "10.0.0.2/24", IPv6Address: "" } },
    ...over,
  }) as unknown as NetworkInspect;
const mode = (name: string) => ({ "com.docker.network.bridge.gateway_mode_ipv4": name });
const ways = (over: Partial<NetworkInspect>) => {
  const [n] = networkGraph([network("n", over)], []).networks;
  return [n?.reachEachOther, n?.outward, n?.inward];
};

test("networkGraph says what leads into and out of each kind of network", () => {
  assert.deepEqual(ways({}), [true, "everywhere, as the host", "published ports"]);
  assert.deepEqual(ways({ Internal: true }), [true, "nowhere", "nobody"]);
  assert.deepEqual(ways({ Options: { "com.docker.network.bridge.enable_icc": "false" } })[0], false);
  assert.deepEqual(ways({ Options: mode("routed") }).slice(1), [
    "everywhere, by their own addresses",
    "everybody, published ports by their own addresses",
  ]);
  assert.equal(
    ways({ Options: { "berth.publish-allow": "10.0.0.0/8" } })[2],
    "published ports, for 10.0.0.0/8 only",
  );
  assert.equal(ways({ Options: mode("nat-unprotected") })[2], "everybody, by their own addresses");
  assert.deepEqual(ways({ Driver: "macvlan", Options: { parent: "eth0" } }).slice(1), [
    "the wire of eth0",
    "everybody on the wire of eth0",
  ]);
  assert.deepEqual(ways({ Driver: "host" }).slice(1), ["as the host", "as the host"]);
  assert.deepEqual(networkGraph([network("empty", { Containers: {} })], []).networks, []);
});

test("networkGraph says from where each port is reached, and by what", () => {
  const ports = [
    { IP: "0.0.0.0", PrivatePort: 80, PublicPort: 8080, Type: "tcp" },
    { IP: "::", PrivatePort: 80, PublicPort: 8080, Type: "tcp" },
    { IP: "127.0.0.1", PrivatePort: 81, PublicPort: 8081, Type: "tcp" },
    { IP: "10.9.9.9", PrivatePort: 53, PublicPort: 53, Type: "udp" },
    { PrivatePort: 90, Type: "tcp" },
    ...[5000, 5001, 5002].map((n) => ({ IP: "127.0.0.1", PrivatePort: n, PublicPort: n, Type: "udp" })),
    { IP: "127.0.0.1", PrivatePort: 5004, PublicPort: 5003, Type: "udp" },
  ];
  const container = (GlobalIPv6Address: string, Labels: Record<string, string> = {}) =>
    ({
      Id: "id1",
      Labels,
      Names: ["/api"],
      Ports: ports,
      NetworkSettings: { Networks: { n: { GlobalIPv6Address } } },
    }) as unknown as ContainerSummary;
  const rules = (ip6: string) => networkGraph([], [container(ip6)]).ports.map((p) => p.rule);
  const last = ["published", "published", "published_ranges", "published"];
  assert.deepEqual(rules(""), ["published_any", "socket", ...last]);
  assert.deepEqual(rules("fd00::2"), ["published_any", "published_any6", ...last]);
  assert.equal(
    graphText(networkGraph([network("web")], [container("")])),
    `web (bridge, 10.0.0.0/24)
  api 10.0.0.2
  among themselves: yes; out: everywhere, as the host; in: published ports
0.0.0.0:8080 -> api 80/tcp, from everywhere (map published_any)
[::]:8080 -> api 80/tcp, from everywhere (socket)
127.0.0.1:8081 -> api 81/tcp, from this host (map published)
10.9.9.9:53 -> api 53/udp, from whoever reaches 10.9.9.9 (map published)
127.0.0.1:5000-5002 -> api 5000-5002/udp, from this host (map published_ranges)
127.0.0.1:5003 -> api 5004/udp, from this host (map published)
`,
  );
  const judged = network("web", { Options: { "berth.egress": "10.0.0.0/8:443 example.com" } });
  assert.match(
    graphText(networkGraph([judged], [container("", { "berth.egress": "deny" })])),
    /^ {2}api 10\.0\.0\.2, but nothing is let out\n.*out: everywhere, as the host, but only to 10\.0\.0\.0\/8:443 example\.com; in:/m,
  );
});
