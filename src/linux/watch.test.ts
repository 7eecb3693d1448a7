// Notifications of the kernel through a real keel: what comes, from whom, and how a watch ends.
import assert from "node:assert/strict";
import { isDeepStrictEqual } from "node:util";
import { after, before, test } from "node:test";
import { SysError } from "../lib/errors.ts";
import type { Keel, Watch } from "./keel.ts";
import { AF_INET, AF_INET6 } from "./netlink/address.ts";
import { inOwnNamespace, realKeel, sh } from "./namespace.fake.ts";
import { NETLINK_NETFILTER, NETLINK_ROUTE } from "./netlink/message.ts";
import { LINK_REMOVALS, readRemovals, type Removal } from "./netlink/monitor.ts";
import { type Change, CHANGE_TYPES, NFTABLES_GROUP, readChanges } from "./nft/monitor.ts";
import { addTable, deleteTable, nftOp } from "./nft/ruleset.ts";

const FIREWALL: Watch = {
  protocol: NETLINK_NETFILTER,
  groups: [NFTABLES_GROUP],
  types: CHANGE_TYPES,
  quietMs: 0,
};
const DEVICES: Watch = { protocol: NETLINK_ROUTE, ...LINK_REMOVALS, quietMs: 0 };

inOwnNamespace(import.meta.filename, () => {
  let keel: Keel;
  let stop: () => Promise<void>;
  before(async () => {
    ({ keel, stop } = await realKeel());
  });
  after(() => stop());

  /** Collects what a watch yields until `isDone` says that it is enough. */
  async function collect<T>(
    what: Watch,
    read: (bytes: Uint8Array) => T[],
    act: () => Promise<unknown>,
    isDone: (all: readonly T[]) => boolean,
  ): Promise<T[]> {
    const end = new AbortController();
    const all: T[] = [];
    const ready = Promise.withResolvers<void>();
    const reading = (async () => {
      for await (const bytes of keel.watch({ ...what, onReady: ready.resolve }, end.signal)) {
        all.push(...read(bytes));
        if (isDone(all)) end.abort();
      }
    })();
    await ready.promise;
    await act();
    await reading;
    return all;
  }

  const TABLE = { family: "inet", name: "watched" } as const;
  const isDone = (all: readonly Change[]): boolean => all.filter((c) => c.kind === "done").length >= 2;

  test("removals from tables are told with the process that did it", async () => {
    const act = async () => {
      await keel.run([nftOp([addTable(TABLE)])]);
      await sh("nft", "delete table inet watched");
    };
    const changes = await collect(FIREWALL, readChanges, act, isDone);
    assert.deepEqual(
      changes.map((c) => (c.kind === "done" ? c.process : c.tableName)),
      ["keel-handler", "watched", "nft"],
    );
  });

  test("removed devices, addresses, routes and ports are told, and forwarding that is switched off", async () => {
    await sh("ip", "link", "add", "name", "left", "index", "501", "type", "veth", "peer", "name", "right");
    await sh("ip", "link", "add", "name", "wbr", "index", "502", "type", "bridge");
    await sh("ip", "link", "set", "left", "master", "wbr");
    await sh("ip", "addr", "add", "10.0.0.1/24", "dev", "wbr");
    await sh("ip", "link", "set", "wbr", "up");
    await sh("sysctl", "-qw", "net.ipv4.ip_forward=1");
    const told = (act: () => Promise<unknown>, wanted: Removal): Promise<Removal[]> =>
      collect(DEVICES, readRemovals, act, (all) => all.some((r) => isDeepStrictEqual(r, wanted)));
    const device = (index: number): Removal => ({ kind: "device", index });
    await sh("sysctl", "-qw", "net.ipv6.conf.all.forwarding=1");
    for (const [name, family] of [
      ["net.ipv4.ip_forward", AF_INET],
      ["net.ipv6.conf.all.forwarding", AF_INET6],
    ] as const) {
      const wanted = { kind: "forwarding", family } as const;
      assert.deepEqual(await told(() => sh("sysctl", "-qw", `${name}=0`), wanted), [wanted]);
    }
    const route = await told(() => sh("ip", "route", "del", "10.0.0.0/24", "dev", "wbr"), device(502));
    assert.deepEqual(route, [device(502)]);
    await told(() => sh("ip", "link", "set", "left", "nomaster"), { kind: "port", name: "left" });
    await told(() => sh("ip", "link", "set", "wbr", "down"), { kind: "state", index: 502, isUp: false });
    await told(() => sh("ip", "addr", "del", "10.0.0.1/24", "dev", "wbr"), device(502));
    await told(() => sh("ip", "link", "del", "left"), device(501));
    await sh("ip", "link", "del", "wbr");
  });

  test("a watch that cannot be is refused, an aborted one ends", async () => {
    const end = new AbortController();
    for (const wrong of [
      { ...FIREWALL, groups: [9999] },
      { ...FIREWALL, types: Array.from({ length: 17 }, (_, i) => i) },
      { ...FIREWALL, quietMs: -1 },
    ])
      await assert.rejects(keel.watch(wrong, end.signal)[Symbol.asyncIterator]().next(), SysError);
    end.abort();
    for await (const _ of keel.watch(FIREWALL, end.signal)) assert.fail("nothing comes after the end");
    await keel.run([nftOp([addTable(TABLE), deleteTable(TABLE)])]);
  });
});
