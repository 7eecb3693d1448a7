// The encoders against the kernel: what we asked for is what ip(8) shows, and what we decode is what it shows.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { SysError } from "../../lib/errors.ts";
import type { Keel } from "../keel.ts";
import { inOwnNamespace, realKeel, sh } from "../namespace.fake.ts";
import { HOST_NS, host } from "../ops.ts";
import { AF_INET } from "./address.ts";
import {
  decodeLinks,
  delLink,
  dumpLinks,
  getLink,
  newBridge,
  newVeth,
  setBridgePort,
  setLink,
} from "./link.ts";
import { type Message, NETLINK_ROUTE, netlinkOp } from "./message.ts";
import {
  decodeAddresses,
  decodeRoutes,
  defaultRoute,
  delAddress,
  delNeighbour,
  delRoute,
  dumpAddresses,
  dumpRoutes,
  newAddress,
  newNeighbour,
  newRoute,
  prefixRoute,
} from "./route.ts";

interface IpLink {
  ifname: string;
  ifindex: number;
  mtu: number;
  address: string;
  master?: string;
  ifalias?: string;
  flags: string[];
  linkinfo?: {
    info_kind: string;
    info_slave_data?: { hairpin: boolean; isolated: boolean; learning: boolean };
  };
  addr_info: { local: string; prefixlen: number; broadcast?: string }[];
}

inOwnNamespace(import.meta.filename, () => {
  let keel: Keel;
  let stop: () => Promise<void>;
  before(async () => {
    ({ keel, stop } = await realKeel());
  });
  after(() => stop());

  const send = (...messages: Message[]) => keel.run([netlinkOp(NETLINK_ROUTE, HOST_NS, messages)]);
  const ask = async (message: Message): Promise<Uint8Array> => (await send(message)).results[0] as Uint8Array;
  const shown = async (name: string): Promise<IpLink> =>
    (JSON.parse(await sh("ip", "-j", "-d", "addr", "show", name)) as IpLink[])[0] as IpLink;

  test("bridges, veth pairs, ports, addresses, routes and neighbours are made as asked", async () => {
    await send(newBridge({ name: "br0", mac: "02:42:00:00:00:01", mtu: 1400 }));
    await send(setLink({ name: "br0" }, { alias: "berth:t", hasLinkLocal: false, isUp: true }));
    const bridge = await shown("br0");
    const mode = /addrgenmode (\w+)/.exec(await sh("ip", "-d", "link", "show", "br0"))?.[1];
    assert.deepEqual(
      [bridge.mtu, bridge.address, bridge.ifalias, bridge.linkinfo?.info_kind, mode],
      [1400, "02:42:00:00:00:01", "berth:t", "bridge", "none"],
    );
    assert.ok(bridge.flags.includes("UP"));

    await send(
      newVeth({ name: "a0", index: 500 }, { name: "a1" }),
      setLink({ name: "a0" }, { master: bridge.ifindex }),
    );
    await send(setBridgePort({ name: "a0" }, { hairpin: true, isolated: true, isUp: true }));
    const end = await shown("a0");
    assert.deepEqual([end.ifindex, end.master], [500, "br0"]);
    assert.deepEqual(
      [end.linkinfo?.info_slave_data?.hairpin, end.linkinfo?.info_slave_data?.isolated],
      [true, true],
    );
    await send(setBridgePort({ name: "a0" }, { isCut: true }));
    assert.equal((await shown("a0")).linkinfo?.info_slave_data?.learning, false);

    await send(
      newAddress(bridge.ifindex, "10.1.0.1/16"),
      newAddress(bridge.ifindex, "10.1.0.1/16"),
      newAddress(bridge.ifindex, "fd00::1/64"),
      newRoute({ destination: "10.9.0.0/16", gateway: "10.1.0.9", index: 0, metric: 7 }),
      newRoute({ destination: "10.8.0.0/16", index: bridge.ifindex, source: "10.1.0.1" }),
      defaultRoute("10.1.0.9"),
      newNeighbour(bridge.ifindex, "10.1.0.9", "02:00:00:00:00:09"),
    );
    assert.deepEqual(
      (await shown("br0")).addr_info.map((a) => [a.local, a.prefixlen, a.broadcast]),
      [
        ["10.1.0.1", 16, "10.1.255.255"],
        ["fd00::1", 64, undefined],
      ],
    );
    const prefixRoutes = async (): Promise<string[]> =>
      (
        await Promise.all(
          ["-4", "-6"].map((f) => sh("ip", f, "route", "show", "proto", "kernel", "dev", "br0")),
        )
      ).flatMap((text) =>
        text.split("\n").filter((line) => line.startsWith("10.1.") || line.startsWith("fd00:")),
      );
    const kernels = await prefixRoutes();
    assert.equal(kernels.length, 2);
    for (const destination of ["10.1.0.0/16", "fd00::/64"])
      await sh("ip", "route", "del", destination, "dev", "br0");
    await send(prefixRoute(bridge.ifindex, "10.1.0.1/16"), prefixRoute(bridge.ifindex, "fd00::1/64"));
    assert.deepEqual(await prefixRoutes(), kernels);
    const routes = JSON.parse(await sh("ip", "-j", "route")) as {
      dst: string;
      gateway?: string;
      metric?: number;
      prefsrc?: string;
    }[];
    assert.deepEqual(
      routes.map((r) => [r.dst, r.gateway, r.metric, r.prefsrc]),
      [
        ["default", "10.1.0.9", undefined, undefined],
        ["10.1.0.0/16", undefined, undefined, "10.1.0.1"],
        ["10.8.0.0/16", undefined, undefined, "10.1.0.1"],
        ["10.9.0.0/16", "10.1.0.9", 7, undefined],
      ],
    );
    assert.match(await sh("ip", "neigh"), /10\.1\.0\.9 dev br0 lladdr 02:00:00:00:00:09 PERMANENT/);

    assert.deepEqual(
      decodeAddresses(await ask(dumpAddresses()))
        .filter((a) => a.index === bridge.ifindex)
        .map((a) => `${a.ip}/${a.prefixLength}`),
      ["10.1.0.1/16", "fd00::1/64"],
    );
    assert.deepEqual(decodeRoutes(await ask(dumpRoutes(AF_INET))), [
      { family: 2, destination: "0.0.0.0/0", gateway: "10.1.0.9", index: bridge.ifindex },
      { family: 2, destination: "10.1.0.0/16", index: bridge.ifindex, source: "10.1.0.1" },
      { family: 2, destination: "10.8.0.0/16", index: bridge.ifindex, source: "10.1.0.1" },
      { family: 2, destination: "10.9.0.0/16", gateway: "10.1.0.9", index: bridge.ifindex, metric: 7 },
    ]);
    const [link] = decodeLinks(await ask(getLink({ name: "a0" })));
    assert.deepEqual(
      [link?.index, link?.kind, link?.master, link?.isUp],
      [500, "veth", bridge.ifindex, true],
    );
    const names = decodeLinks(await ask(dumpLinks())).map((l) => l.name);
    assert.deepEqual(names.sort(), ["a0", "a1", "br0", "lo"]);

    await send(
      delNeighbour(bridge.ifindex, "10.1.0.9"),
      delRoute({ destination: "10.9.0.0/16", gateway: "10.1.0.9", index: 0, metric: 7 }),
      delAddress(bridge.ifindex, "10.1.0.1/16"),
      setLink({ index: 500 }, { name: "renamed", master: 0 }),
    ).catch((e: unknown) => assert.match(String(e), /busy/)); // kernels before 6.2 rename no device that is up
    await send(delLink({ index: 500 }), delLink({ name: "br0" }));
    assert.deepEqual(
      JSON.parse(await sh("ip", "-j", "link")).map((l: IpLink) => l.ifname),
      ["lo"],
    );
  });

  test("a pair is made with its ends in two namespaces at once", async () => {
    const { results } = await keel.run([
      host.netnsNew(0),
      host.netnsOpen(1, "/proc/self/ns/net"),
      netlinkOp(NETLINK_ROUTE, 0, [
        newVeth({ name: "eth0", index: 100, isUp: true }, { name: "h0", netns: 1 }),
      ]),
      netlinkOp(NETLINK_ROUTE, 0, [dumpLinks()]),
      netlinkOp(NETLINK_ROUTE, HOST_NS, [getLink({ name: "h0" }), delLink({ name: "h0" })]),
    ]);
    const inside = decodeLinks(results[3] as Uint8Array).map((l) => `${l.index} ${l.name} ${l.isUp}`);
    assert.deepEqual(inside, ["1 lo true", "100 eth0 true"]);
    assert.equal(decodeLinks(results[4] as Uint8Array)[0]?.name, "h0");
  });

  test("failures carry the errno and the kernel's own words", async () => {
    const failure = (p: Promise<unknown>) =>
      p.then(
        () => assert.fail("did not fail"),
        (e: unknown) => e as SysError,
      );
    assert.equal((await failure(send(delLink({ name: "nothing" })))).errno, 19);
    assert.match(
      (await failure(send(newBridge({ name: "b", mtu: 1 })))).message,
      /mtu less than device minimum/,
    );
    assert.equal(
      (await failure(send(newRoute({ destination: "10.0.0.0/8", gateway: "10.200.0.1", index: 0 })))).errno,
      101,
    );
  });
});
