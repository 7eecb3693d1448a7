import assert from "node:assert/strict";
import { test } from "node:test";
import type { ContainerCreateRequest } from "../../../api/schemas/container.ts";
import type { HostConfig } from "../../../api/schemas/host-config.ts";
import { Fault } from "../../../lib/errors.ts";
import { emptyRecord, type NetworkDriverName, type NetworkRecord } from "../../network/record.ts";
import { endpointsOf, interfaceSysctls, parseLink } from "./endpoints.ts";

const network = (name: string, driver: NetworkDriverName): NetworkRecord => ({
  ...emptyRecord({ id: `${name}-id`, name, driver, createdAt: "" }),
  subnets: [{ subnet: "10.0.0.0/24", gateway: "10.0.0.1", range: "", reserved: {} }],
});
const all = [
  network("bridge", "bridge"),
  network("host", "host"),
  network("none", "null"),
  network("web", "bridge"),
  network("db", "bridge"),
];
const networks = {
  findPlace(reference: string): NetworkRecord {
    const found = all.find((n) => n.name === reference || n.id === reference);
    if (found === undefined) throw new Fault("notFound", `network ${reference} not found`);
    return found;
  },
};
const endpoints = (mode: string, body: ContainerCreateRequest = {}, version = "1.51", links: string[] = []) =>
  endpointsOf(networks, body, { NetworkMode: mode, Links: links } as HostConfig, version);
const wishes = (
  EndpointsConfig: NonNullable<ContainerCreateRequest["NetworkingConfig"]>["EndpointsConfig"],
) => ({
  NetworkingConfig: { EndpointsConfig },
});

test("endpointsOf puts the main network first, named or by id, and the others behind it", () => {
  const names = (...args: Parameters<typeof endpoints>) => endpoints(...args).map((e) => e.networkName);
  assert.deepEqual(names("bridge"), ["bridge"]);
  assert.deepEqual(names("web", wishes({ db: {}, web: {} })), ["web", "db"]);
  assert.deepEqual(names("web-id", wishes({ "web-id": { Aliases: ["a"] } })), ["web"]);
  assert.deepEqual(names("bridge", wishes({ default: { MacAddress: "02-42-AA-BB-CC-DD" } })), ["bridge"]);
  assert.deepEqual(names("container:x"), []);
  // Who lists networks is in these only, as with Docker: not in the default bridge by the way.
  assert.deepEqual(names("bridge", wishes({ web: {} })), ["web"]);
  assert.deepEqual(names("web", wishes({ db: {}, bridge: {} })), ["db", "bridge"]);
  assert.deepEqual(names("bridge", { NetworkDisabled: true }), []);
});

test("endpointsOf takes over what was asked for", () => {
  const [e] = endpoints("web", {
    ...wishes({
      web: {
        Aliases: ["a"],
        IPAMConfig: { IPv4Address: "10.0.0.9" },
        MacAddress: "02:42:AA:bb:cc:dd",
        GwPriority: 3,
        Links: ["x:y"],
      },
    }),
  });
  assert.deepEqual(
    [e?.aliases, e?.wantedIp, e?.wantedMac, e?.gwPriority, e?.links, e?.networkId],
    [["a"], "10.0.0.9", "02:42:aa:bb:cc:dd", 3, ["x:y"], ""],
  );
  assert.deepEqual(endpoints("web", {}, "1.51", ["db:x"])[0]?.links, ["db:x"]);
  assert.equal(endpoints("bridge", {}, "1.51", ["db:x"])[0]?.links, undefined);
});

test("endpointsOf refuses what cannot be, as a wrong parameter", () => {
  const cases: [Parameters<typeof endpoints>, RegExp][] = [
    [["nosuch"], /network nosuch not found/],
    [["web", wishes({ nosuch: {} })], /network nosuch not found/],
    [["web", wishes({ host: {} })], /cannot attach both user-defined and non-user-defined/],
    [["none", wishes({ web: {} })], /cannot attach both/],
    [["container:x", wishes({ web: {} })], /cannot attach both/],
    [
      ["web", wishes({ web: {}, db: {} }), "1.43"],
      /cannot be created with multiple network endpoints: web, db/,
    ],
    [
      ["bridge", wishes({ bridge: { IPAMConfig: { IPv4Address: "10.0.0.9" } } })],
      /user defined networks only/,
    ],
    [["bridge", wishes({ bridge: { Aliases: ["a"] } })], /aliases are only supported for user-defined/],
    [["web", wishes({ web: { IPAMConfig: { IPv4Address: "10.1.0.9" } } })], /no configured subnet contains/],
    [["web", wishes({ web: { IPAMConfig: { IPv4Address: "fd00::1" } } })], /invalid IPv4 address: fd00::1/],
    [["web", wishes({ web: { IPAMConfig: { LinkLocalIPs: ["x"] } } })], /invalid link-local IP address: x/],
    [["web", wishes({ web: { MacAddress: "nonsense" } })], /invalid MAC address/],
    [
      ["web", wishes({ web: { DriverOpts: { "com.docker.network.endpoint.ifname": "a/b" } } })],
      /invalid interface name/,
    ],
    [["web", wishes({ web: { Links: ["a:b:c"] } })], /bad format for links: a:b:c/],
    [["web", wishes({ web: { Links: [""] } })], /empty string specified for links/],
    [["web", wishes({ web: null })], /no EndpointSettings for web/],
  ];
  for (const [args, message] of cases)
    assert.throws(() => endpoints(...args), { kind: "invalidParameter", message }, JSON.stringify(args));
});

test("interfaceSysctls names only the endpoint's own device", () => {
  const of = (text: string) => interfaceSysctls({ "com.docker.network.endpoint.sysctls": text }, "eth3");
  assert.deepEqual(of("net.ipv4.conf.IFNAME.log_martians=1,net.ipv6.conf.ifname.accept_ra=2"), {
    "net/ipv4/conf/eth3/log_martians": "1",
    "net/ipv6/conf/eth3/accept_ra": "2",
  });
  assert.deepEqual(of(""), {});
  for (const wrong of [
    "net.ipv4.ip_forward=1",
    "net.ipv4.conf.eth0.forwarding=1",
    "net.ipv4.conf.IFNAME/../x=1",
  ])
    assert.throws(() => of(wrong), { kind: "invalidParameter" }, wrong);
});

test("parseLink takes the name for the alias where there is none", () => {
  assert.deepEqual(parseLink("db"), { container: "db", alias: "db" });
  assert.deepEqual(parseLink("/db:/web/data"), { container: "/db", alias: "data" });
  for (const wrong of ["", ":a", "a:", "a:b:c"])
    assert.throws(() => parseLink(wrong), { kind: "invalidParameter" });
});
