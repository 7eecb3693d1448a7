// The driver on a real kernel: reachability, isolation, restart and removal, seen from containers, host and outside.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Keel } from "../linux/keel.ts";
import { NETLINK_ROUTE } from "../linux/netlink/message.ts";
import { LINK_REMOVALS } from "../linux/netlink/monitor.ts";
import { host } from "../linux/ops.ts";
import { BridgeDriver } from "./bridge-driver.ts";
import type { RemakeDevice } from "./bridge/lost-devices.ts";
import type { BridgeNetwork, EndpointRecord, NetworkSubnet, PortRequest } from "./model.ts";
import { macForIp, openHostNamespace } from "./sandbox/endpoint.ts";
import { inOwnNamespace, realKeel, sh } from "../linux/namespace.fake.ts";
import { Machine, fetchHere } from "./world.fake.ts";

const TABLE = "berth-test";
const LAN_HOST = "10.9.0.1";
const LAN_OUTSIDE = "10.9.0.2";

/** An IPv4 network 172.NUMBER.0.0/16. */
const ipv4 = (number: number): { ipv4: NetworkSubnet } => ({
  ipv4: { subnet: `172.${number}.0.0/16`, gateway: `172.${number}.0.1`, gatewayMode: "nat" },
});

const network = (over: Partial<BridgeNetwork> = {}): BridgeNetwork => ({
  id: "n1",
  ...ipv4(17),
  mtu: 1500,
  internal: false,
  masquerade: true,
  icc: true,
  ...over,
});

const port = (over: Partial<PortRequest>): PortRequest => ({
  proto: "tcp",
  containerPort: 80,
  hostIp: "",
  hostPort: 0,
  ...over,
});

inOwnNamespace(import.meta.filename, () => {
  let keel: Keel;
  let stopKeel: () => Promise<void>;
  let outside: Machine;
  const machines: Machine[] = [];

  before(async () => {
    ({ keel, stop: stopKeel } = await realKeel());
    outside = await Machine.start();
    await sh(
      "ip",
      "link",
      "add",
      "lan",
      "type",
      "veth",
      "peer",
      "name",
      "eth0",
      "netns",
      String(outside.pid),
    );
    await sh("ip", "addr", "add", `${LAN_HOST}/24`, "dev", "lan");
    await sh("ip", "link", "set", "lan", "up");
    await outside.sh("ip", "addr", "add", `${LAN_OUTSIDE}/24`, "dev", "eth0");
    await outside.sh("ip", "link", "set", "eth0", "up");
    await outside.sh("ip", "route", "add", "172.16.0.0/12", "via", LAN_HOST);
  });

  after(async () => {
    for (const m of machines) await m.stop();
    await outside.stop();
    await stopKeel();
  });

  let onLine: (line: string) => void = () => undefined;
  const open = () =>
    BridgeDriver.open({
      keel,
      owner: "test",
      tableName: TABLE,
      remakeDevice: (endpoint) => remake(endpoint),
      log: (line) => onLine(line),
    });
  let remake: RemakeDevice = async () => false;

  async function attach(
    driver: BridgeDriver,
    ip: string,
    ports: PortRequest[] = [],
    networkId = "n1",
  ): Promise<{ machine: Machine; record: EndpointRecord }> {
    const machine = await Machine.start();
    machines.push(machine);
    const plan = await driver.planAttach(
      {
        endpointId: `e-${ip}`,
        networkId,
        containerId: `c-${ip}`,
        ifName: "eth0",
        ip,
        ip6: "",
        mac: macForIp(ip),
        defaultRoutes: { ipv4: true, ipv6: true },
        ports,
      },
      0,
    );
    await keel.run([host.netnsOpen(0, machine.netnsPath), openHostNamespace(), ...plan.ops]);
    return { machine, record: plan.record };
  }

  const hostLinks = async (): Promise<string[]> =>
    (JSON.parse(await sh("ip", "-j", "link")) as { ifname: string }[]).map((l) => l.ifname).sort();

  describe("a network with published ports", () => {
    let driver: BridgeDriver;
    let web: { machine: Machine; record: EndpointRecord };
    let other: { machine: Machine; record: EndpointRecord };

    before(async () => {
      driver = await open();
      assert.deepEqual(await driver.ensureNetwork(network()), { deviceName: "docker0" });
      await driver.restore([]);
      web = await attach(driver, "172.17.0.2", [
        port({ hostPort: 8080 }),
        port({ hostPort: 8081, hostIp: "127.0.0.1" }),
        port({ hostPort: 8082, hostIp: LAN_HOST }),
        port({ proto: "udp", containerPort: 53, hostPort: 5353 }),
        port({ containerPort: 443 }),
      ]);
      other = await attach(driver, "172.17.0.3");
      await web.machine.serve("tcp", 80, "web");
      await web.machine.serve("tcp", 81, "unpublished");
      await web.machine.serve("udp", 53, "dns");
      await outside.serve("tcp", 7000, "outside");
    });

    test("the device looks as planned", async () => {
      const [link] = JSON.parse(await sh("ip", "-j", "-d", "link", "show", "docker0"));
      assert.equal(link.ifalias, "berth:test/network/n1");
      assert.equal(link.address, "02:42:ac:11:00:01");
      assert.equal(link.linkinfo.info_kind, "bridge");
      const [addr] = JSON.parse(await sh("ip", "-j", "addr", "show", "docker0"));
      assert.deepEqual(
        addr.addr_info.map((a: { local: string; prefixlen: number }) => `${a.local}/${a.prefixlen}`),
        ["172.17.0.1/16"],
      );
    });

    test("the container's device has address, hardware address, route and no IPv6", async () => {
      const [addr] = JSON.parse(await web.machine.sh("ip", "-j", "addr", "show", "eth0"));
      assert.equal(addr.address, "02:42:ac:11:00:02");
      assert.equal(addr.addr_info.length, 1);
      assert.equal(addr.addr_info[0].local, "172.17.0.2");
      assert.equal(addr.addr_info[0].broadcast, "172.17.255.255");
      const [route] = JSON.parse(await web.machine.sh("ip", "-j", "route", "show", "default"));
      assert.equal(route.gateway, "172.17.0.1");
      assert.equal(route.dev, "eth0");
    });

    test("records name every granted port", () => {
      const ephemeral = web.record.ports.find((p) => p.containerPort === 443)?.hostPort as number;
      assert.ok(ephemeral >= 32768);
      const text = web.record.ports.map((p) => `${p.hostIp} ${p.hostPort} ${p.containerPort}/${p.proto}`);
      assert.deepEqual(text, [
        "0.0.0.0 8080 80/tcp",
        ":: 8080 80/tcp",
        "127.0.0.1 8081 80/tcp",
        `${LAN_HOST} 8082 80/tcp`,
        "0.0.0.0 5353 53/udp",
        ":: 5353 53/udp",
        `0.0.0.0 ${ephemeral} 443/tcp`,
        `:: ${ephemeral} 443/tcp`,
      ]);
    });

    test("containers of a network reach each other and the host", async () => {
      await other.machine.sh("busybox", "ping", "-c", "1", "-W", "2", "172.17.0.2");
      await other.machine.sh("busybox", "ping", "-c", "1", "-W", "2", "172.17.0.1");
      assert.equal(await other.machine.fetch("tcp", "172.17.0.2", 81), "unpublished 172.17.0.3 hello");
    });

    test("a published port answers on the host's loopback, gateway and other addresses", async () => {
      assert.equal(await fetchHere("tcp", "127.0.0.1", 8080), "web 172.17.0.1 hello");
      assert.equal(await fetchHere("tcp", "127.0.0.2", 8080), "web 172.17.0.1 hello");
      assert.equal(await fetchHere("tcp", "172.17.0.1", 8080), "web 172.17.0.1 hello");
      assert.equal(await fetchHere("tcp", LAN_HOST, 8080), `web ${LAN_HOST} hello`);
    });

    test("a published port answers on IPv6 loopback through the daemon", async () => {
      assert.equal(await fetchHere("tcp", "::1", 8080), "web 172.17.0.1 hello");
      assert.equal(await fetchHere("udp", "::1", 5353), "dns 172.17.0.1 hello");
    });

    test("a published port answers to the outside, which is seen with its own address", async () => {
      assert.equal(await outside.fetch("tcp", LAN_HOST, 8080), `web ${LAN_OUTSIDE} hello`);
      assert.equal(await outside.fetch("tcp", LAN_HOST, 8082), `web ${LAN_OUTSIDE} hello`);
      assert.equal(await outside.fetch("udp", LAN_HOST, 5353), `dns ${LAN_OUTSIDE} hello`);
      assert.equal(await fetchHere("udp", "127.0.0.1", 5353), "dns 172.17.0.1 hello");
    });

    for (const bridgeFilter of ["0", "1"])
      test(`containers reach published ports, their own too, with bridge-nf-call-iptables=${bridgeFilter}`, async () => {
        await keel.run([host.sysctlHost(-1, "net/bridge/bridge-nf-call-iptables", bridgeFilter)]);
        for (const ip of [LAN_HOST, "172.17.0.1"]) {
          assert.equal(await other.machine.fetch("tcp", ip, 8080), "web 172.17.0.1 hello");
          assert.equal(await web.machine.fetch("tcp", ip, 8080), "web 172.17.0.1 hello");
        }
        assert.equal(await other.machine.fetch("tcp", "172.17.0.2", 81), "unpublished 172.17.0.3 hello");
      });

    test("what is not published cannot be reached from outside, nor what is published on loopback", async () => {
      assert.equal(await outside.fetch("tcp", "172.17.0.2", 81), "unreachable");
      assert.equal(await outside.fetch("tcp", "172.17.0.2", 80), "unreachable");
      assert.equal(await outside.fetch("tcp", LAN_HOST, 8081), "unreachable");
      await assert.rejects(outside.sh("busybox", "ping", "-c", "1", "-W", "1", "172.17.0.2"));
      assert.equal(await fetchHere("tcp", "127.0.0.1", 8081), "web 172.17.0.1 hello");
      assert.equal(await fetchHere("tcp", LAN_HOST, 8081), "unreachable");
    });

    test("packets that claim to go to the host's loopback are dropped", async () => {
      // An attacker outside, and one in a container, who route 127.0.0.0/8 to the host; the host trusts all devices.
      await keel.run([host.sysctlHost(-1, "net/ipv4/conf/all/route_localnet", "1")]);
      for (const [machine, gateway] of [
        [outside, LAN_HOST],
        [other.machine, "172.17.0.1"],
      ] as const) {
        await machine.sh("ip", "addr", "del", "127.0.0.1/8", "dev", "lo");
        await keel.run([
          host.netnsOpen(0, machine.netnsPath),
          host.sysctlHost(0, "net/ipv4/conf/all/route_localnet", "1"),
        ]);
        await machine.sh("ip", "route", "add", "127.0.0.1/32", "via", gateway);
        assert.equal(await machine.fetch("tcp", "127.0.0.1", 8081), "unreachable");
        await machine.sh("ip", "route", "del", "127.0.0.1/32");
        await machine.sh("ip", "addr", "add", "127.0.0.1/8", "dev", "lo");
      }
      await keel.run([host.sysctlHost(-1, "net/ipv4/conf/all/route_localnet", "0")]);
    });

    test("containers go out behind the host's address", async () => {
      assert.equal(await web.machine.fetch("tcp", LAN_OUTSIDE, 7000), `outside ${LAN_HOST} hello`);
    });

    test("a taken port names whose it is, and nothing is left of the attempt", async () => {
      const before = await hostLinks();
      await assert.rejects(
        attach(driver, "172.17.0.9", [port({ hostPort: 9000 }), port({ hostPort: 8080 })]),
        {
          kind: "conflict",
          code: "port.in-use",
          message: "Bind for 0.0.0.0:8080 failed: port is already allocated",
          detail: { proto: "tcp", hostIp: "0.0.0.0", hostPort: 8080, containerId: "c-172.17.0.2" },
        },
      );
      assert.deepEqual(await hostLinks(), before);
      assert.equal(await fetchHere("tcp", "127.0.0.1", 9000), "unreachable");
    });

    test("a failure of a later operation takes everything back", async () => {
      const before = [await hostLinks(), await sh("nft", "-j", "list", "table", "inet", TABLE)];
      const plan = await driver.planAttach(
        {
          endpointId: "e-fail",
          networkId: "n1",
          containerId: "c-fail",
          ifName: "eth0",
          ip: "172.17.0.8",
          mac: macForIp("172.17.0.8"),
          ip6: "",
          defaultRoutes: { ipv4: true, ipv6: true },
          ports: [port({ hostPort: 9001 })],
        },
        0,
      );
      await assert.rejects(
        keel.run([host.netnsNew(0), openHostNamespace(), ...plan.ops, host.write("/nonexistent/file", "x")]),
        /nonexistent/,
      );
      await plan.undo();
      assert.deepEqual([await hostLinks(), await sh("nft", "-j", "list", "table", "inet", TABLE)], before);
      assert.equal(await fetchHere("tcp", "::1", 9001), "unreachable");
    });

    test("an attempt that fails leaves nothing, also when the firewall was written anew meanwhile", async () => {
      const isPublished = async () =>
        (await sh("nft", "list", "map", "inet", TABLE, "published_any")).includes("tcp . 9002 ");
      const plan = await driver.planAttach(
        {
          endpointId: "e-late",
          networkId: "n1",
          containerId: "c-late",
          ifName: "eth0",
          ip: "172.17.0.7",
          mac: macForIp("172.17.0.7"),
          ip6: "",
          defaultRoutes: { ipv4: true, ipv6: true },
          ports: [port({ hostPort: 9002 })],
        },
        0,
      );
      await driver.ensureNetwork(network());
      assert.equal(await isPublished(), true);
      await plan.undo();
      assert.equal(await isPublished(), false);
    });

    test("a restarted daemon adopts device, ports and rules, and removes what nobody knows", async () => {
      const links = await hostLinks();
      await driver.close({ remove: false });
      assert.equal(await fetchHere("tcp", "127.0.0.1", 8080), "web 172.17.0.1 hello");
      await sh("ip", "link", "add", "stray0", "type", "bridge");
      await sh("ip", "link", "set", "stray0", "alias", "berth:test/network/gone");
      driver = await open();
      assert.deepEqual(await driver.ensureNetwork(network()), { deviceName: "docker0" });
      assert.deepEqual(await driver.restore([web.record, other.record]), []);
      assert.deepEqual(await hostLinks(), links);
      assert.equal(await outside.fetch("tcp", LAN_HOST, 8080), `web ${LAN_OUTSIDE} hello`);
      assert.equal(await fetchHere("tcp", "::1", 8080), "web 172.17.0.1 hello");
      assert.equal(await outside.fetch("tcp", "172.17.0.2", 81), "unreachable");
    });

    test("a container's device that others remove is made again, as it was", async () => {
      const { machine, record } = web;
      const state = async (): Promise<string[]> =>
        (await machine.sh("ip", "-o", "addr"))
          .concat(await machine.sh("ip", "route"), await machine.sh("ip", "-o", "link"))
          .split("\n")
          .map((line) => line.replace(/@if\d+|link-netnsid \d+|link-netns \S+/g, "").trim())
          .sort();
      const [links, before] = [await hostLinks(), await state()];
      remake = async ({ endpointId }) => {
        const { ip, mac, networkId, containerId } = record;
        const place = { ip, ip6: "", mac, networkId, containerId, ifName: "eth0", ports: [] };
        const request = { ...place, endpointId, defaultRoutes: { ipv4: true, ipv6: true } };
        const ops = await driver.planRemake(request, 0);
        await keel.run([host.netnsOpen(0, machine.netnsPath), openHostNamespace(), ...ops]);
        assert.deepEqual(await driver.planRemake(request, 0), [], "it is there");
        return true;
      };
      const made = Promise.withResolvers<void>();
      onLine = (line) =>
        line === "device eth0 of container c-172.17.0.2 was removed: made as it was" && made.resolve();
      await sh("ip", "link", "del", record.hostIfName);
      await made.promise;
      assert.deepEqual([await hostLinks(), await state()], [links, before]);
      assert.equal(await outside.fetch("tcp", LAN_HOST, 8080), `web ${LAN_OUTSIDE} hello`);
      assert.equal(await other.machine.fetch("tcp", "172.17.0.2", 80), "web 172.17.0.3 hello");
    });

    test("what others remove comes back: the table, rules, an element, the bridge, its address", async () => {
      const table = async () => (await sh("nft", "-s", "list", "table", "inet", TABLE)).split("\n").sort();
      const before = await table();
      const ways: string[][] = [
        ["nft", "flush", "ruleset"],
        ["nft", "flush", "chain", "inet", TABLE, "forward"],
        ["nft", "flush", "map", "inet", TABLE, "published_any"],
        ["ip", "link", "del", "docker0"],
        ["ip", "addr", "del", "172.17.0.1/16", "dev", "docker0"],
      ];
      for (const way of ways) {
        const repaired = Promise.withResolvers<void>();
        onLine = (line) => line.endsWith("made as it was") && repaired.resolve();
        await sh(...way);
        await repaired.promise;
        // What was repaired may have been a rest of what came before: that of this way follows.
        const isWhole = async () =>
          (await outside.fetch("tcp", LAN_HOST, 8080)) === `web ${LAN_OUTSIDE} hello`;
        for (const endMs = performance.now() + 20_000; !(await isWhole()); )
          assert.ok(performance.now() < endMs, way.join(" "));
        assert.deepEqual(await table(), before, way.join(" "));
        assert.equal(
          await other.machine.fetch("tcp", "172.17.0.2", 80),
          "web 172.17.0.3 hello",
          way.join(" "),
        );
      }
    });

    test("a detached container is gone, its ports are free, UDP clients are not sent to its address", async () => {
      assert.equal(await outside.fetch("udp", LAN_HOST, 5353, 4444), `dns ${LAN_OUTSIDE} hello`);
      await driver.detach(web.record.endpointId);
      assert.ok(!(await hostLinks()).includes(web.record.hostIfName));
      for (const ip of ["127.0.0.1", "::1"]) assert.equal(await fetchHere("tcp", ip, 8080), "unreachable");
      const again = await attach(driver, "172.17.0.4", [
        port({ hostPort: 8080 }),
        port({ proto: "udp", containerPort: 53, hostPort: 5353 }),
      ]);
      await again.machine.serve("tcp", 80, "again");
      await again.machine.serve("udp", 53, "again");
      assert.equal(await outside.fetch("udp", LAN_HOST, 5353, 4444), `again ${LAN_OUTSIDE} hello`);
      assert.equal(await outside.fetch("tcp", LAN_HOST, 8080), `again ${LAN_OUTSIDE} hello`);
    });

    test("a container that goes while its ports change leaves none of them", async () => {
      const ports = [port({ hostPort: 18_998 }), port({ hostPort: 18_999, containerPort: 81 })];
      for (const [old, next] of [ports, [...ports].reverse()]) {
        const { record } = await attach(driver, "172.17.0.77", [old as PortRequest]);
        const change = assert.rejects(
          driver.changePorts(record.endpointId, { remove: record.ports, add: [next as PortRequest] }),
          {
            code: "network.unknown",
          },
        );
        await driver.detach(record.endpointId);
        await change;
        assert.doesNotMatch(await sh("nft", "list", "table", "inet", TABLE), /172\.17\.0\.77/);
      }
    });

    test("moved ports lead to the other container, by every way that led to the first", async () => {
      const [old, next] = [
        await attach(driver, "172.17.0.81", [port({ hostPort: 18_997 })]),
        await attach(driver, "172.17.0.82"),
      ];
      await old.machine.serve("tcp", 80, "old");
      await next.machine.serve("tcp", 80, "next");
      assert.equal(await outside.fetch("tcp", LAN_HOST, 18_997), `old ${LAN_OUTSIDE} hello`);
      const { from, to } = await driver.movePorts(old.record.endpointId, next.record.endpointId);
      assert.deepEqual([from.ports, to.ports], [[], old.record.ports]);
      assert.equal(await outside.fetch("tcp", LAN_HOST, 18_997), `next ${LAN_OUTSIDE} hello`);
      for (const ip of ["127.0.0.1", "::1"]) assert.match(await fetchHere("tcp", ip, 18_997), /^next /);
      await driver.detach(old.record.endpointId);
      assert.match(await fetchHere("tcp", "::1", 18_997), /^next /);
      await driver.detach(next.record.endpointId);
      assert.equal(await fetchHere("tcp", "127.0.0.1", 18_997), "unreachable");
      await assert.rejects(driver.movePorts(old.record.endpointId, next.record.endpointId), {
        code: "network.unknown",
      });
    });

    test("the next container with an address is reached while the last one's namespace still lives", async () => {
      const first = await attach(driver, "172.17.0.5");
      await first.machine.serve("tcp", 80, "first");
      assert.equal(await fetchHere("tcp", "172.17.0.5", 80), "first 172.17.0.1 hello");
      await driver.detach(first.record.endpointId, { isContainerGone: true });
      const second = await attach(driver, "172.17.0.5");
      await second.machine.serve("tcp", 80, "second");
      assert.equal(await fetchHere("tcp", "172.17.0.5", 80), "second 172.17.0.1 hello");
      assert.equal(await outside.fetch("tcp", "172.17.0.5", 80), "unreachable");
      assert.ok((await hostLinks()).includes(first.record.hostIfName)); // this test's namespace is alive
    });

    test("what somebody's hold on an ended container's namespace keeps of it goes in a moment, and nothing else", async () => {
      const ended = await attach(driver, "172.17.0.6");
      const other = await attach(driver, "172.17.0.7");
      const end = AbortSignal.timeout(30_000);
      const what = { protocol: NETLINK_ROUTE, ...LINK_REMOVALS, quietMs: 0 };
      await new Promise<void>((done, fail) => {
        const onReady = (): void =>
          void driver.detach(ended.record.endpointId, { isContainerGone: true }).catch(fail);
        const follow = async (): Promise<void> => {
          for await (const _ of keel.watch({ ...what, onReady }, end))
            if (!(await hostLinks()).includes(ended.record.hostIfName)) return;
          throw new Error("its device is there");
        };
        follow().then(done, fail);
      });
      const links = await hostLinks();
      assert.ok(links.includes(other.record.hostIfName) && links.includes("docker0"));
      await driver.detach(other.record.endpointId);
    });

    test("closing with remove leaves nothing", async () => {
      await driver.close({ remove: true });
      assert.equal((await sh("nft", "list", "ruleset")).trim(), "");
      assert.deepEqual(await hostLinks(), ["lan", "lo"]);
      assert.equal(await fetchHere("tcp", "127.0.0.1", 8080), "unreachable");
    });
  });

  test("a further network reads no more of the host than the first, and a repair reads it once", async () => {
    let bytes = 0;
    let dumps = 0;
    const counting: Keel = Object.create(keel);
    counting.run = async (ops) => {
      const result = await keel.run(ops);
      bytes += result.results.reduce<number>((sum, r) => sum + (r instanceof Uint8Array ? r.length : 0), 0);
      dumps += result.results.some((r) => r instanceof Uint8Array && r.length > 20_000) ? 1 : 0;
      return result;
    };
    const repaired = Promise.withResolvers<void>();
    const driver = await BridgeDriver.open({
      ...{ keel: counting, owner: "test", tableName: TABLE, remakeDevice: async () => false },
      log: (line) => line.endsWith("made as it was") && repaired.resolve(),
    });
    await driver.restore([]);
    const costs: number[] = [];
    const count = 60;
    for (let i = 0; i < count; i++) {
      const before = bytes;
      await driver.ensureNetwork(network({ id: `many${i}`, bridgeName: `br-many${i}`, ...ipv4(20 + i) }));
      costs.push(bytes - before);
    }
    assert.ok((costs[count - 1] ?? 0) <= (costs[0] ?? 0) + 16, costs.join());
    dumps = 0;
    await sh("nft", "flush", "ruleset");
    await repaired.promise;
    assert.ok(dumps <= 3, `${dumps} times all devices`);
    await driver.close({ remove: true });
  });

  test("networks are apart from each other, and an internal one from the world", async () => {
    const driver = await open();
    await sh("ip", "link", "add", "docker0", "type", "bridge"); // somebody else's
    assert.deepEqual(await driver.ensureNetwork(network()), { deviceName: "berth0" });
    await driver.ensureNetwork(
      network({
        id: "n2",
        bridgeName: "br-n2",
        ...ipv4(18),
        internal: true,
      }),
    );
    await driver.restore([]);
    await driver.ensureNetwork(network({ id: "n3", bridgeName: "br-n3", ...ipv4(19), icc: false }));
    assert.deepEqual(
      (await driver.hostPrefixes()).addresses.map((a) => a.holder),
      ["device lan"],
    );
    const a = await attach(driver, "172.17.0.2", [port({ hostPort: 8080 })]);
    const b = await attach(driver, "172.18.0.2", [port({ hostPort: 8081 })], "n2");
    const b2 = await attach(driver, "172.18.0.3", [], "n2");
    const c = await attach(driver, "172.19.0.2", [], "n3");
    const c2 = await attach(driver, "172.19.0.3", [], "n3");
    for (const { machine } of [a, b, c]) await machine.serve("tcp", 80, "server");
    assert.deepEqual(b.record.ports, []);
    assert.equal(await b2.machine.fetch("tcp", "172.18.0.2", 80), "server 172.18.0.3 hello");
    assert.equal(await b2.machine.fetch("tcp", LAN_OUTSIDE, 7000), "unreachable");
    assert.equal(await a.machine.fetch("tcp", "172.18.0.2", 80), "unreachable");
    assert.equal(await a.machine.fetch("tcp", "172.19.0.2", 80), "unreachable");
    assert.equal(await c2.machine.fetch("tcp", "172.19.0.2", 80), "unreachable");
    assert.equal(await c2.machine.fetch("tcp", LAN_OUTSIDE, 7000), `outside ${LAN_HOST} hello`);
    assert.equal(await c2.machine.fetch("tcp", LAN_HOST, 8080), "server 172.17.0.1 hello");
    await driver.detach("e-172.18.0.2");
    await driver.detach("e-172.18.0.3");
    await driver.removeNetwork("n2");
    assert.ok(!(await hostLinks()).includes("br-n2"));
    await driver.close({ remove: true });
    assert.equal((await sh("nft", "list", "ruleset")).trim(), "");
    await sh("ip", "link", "del", "docker0");
    assert.deepEqual(await hostLinks(), ["lan", "lo"]);
  });
});
