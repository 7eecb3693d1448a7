// The encoders by bytes, and against the kernel: what we send is what nft(8) lists.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import fc from "fast-check";
import { Fault, SysError } from "../../lib/errors.ts";
import type { Keel } from "../keel.ts";
import { inOwnNamespace, realKeel, sh } from "../namespace.fake.ts";
import { encodeMessages } from "../netlink/message.ts";
import { encodeTuple, typeId, typeLength } from "./datatype.ts";
import {
  compare,
  counter,
  ctState,
  ctStatus,
  deviceIn,
  deviceIs,
  family,
  fieldIn,
  fieldLoad,
  immediate,
  lookup,
  lookupMap,
  masquerade,
  metaLoad,
  nat,
  regAt,
  toLocalAddress,
  verdict,
} from "./expression.ts";
import {
  type Element,
  type NftSet,
  type Table,
  addChain,
  addElements,
  addRule,
  addSet,
  addTable,
  batch,
  deleteChain,
  deleteElements,
  deleteSet,
  deleteTable,
  flushChain,
  flushSet,
  nftOp,
} from "./ruleset.ts";

const TABLE: Table = { family: "inet", name: "t" };
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

inOwnNamespace(import.meta.filename, () => {
  let keel: Keel;
  let stop: () => Promise<void>;
  before(async () => {
    ({ keel, stop } = await realKeel());
  });
  after(() => stop());

  const listed = async (): Promise<string> =>
    (await sh("nft", "-s", "list", "ruleset")).replaceAll("\t", " ").trim();

  test("a batch is framed by begin and end", () => {
    const { bytes } = encodeMessages(batch([addTable(TABLE)]));
    assert.equal(
      hex(bytes),
      "14000000" +
        "10000100" +
        "01000000" +
        "00000000" +
        "0000000a" +
        "1c000000" +
        "000a0504" +
        "02000000" +
        "00000000" +
        "01000000" +
        "0600010074000000" +
        "14000000" +
        "11000100" +
        "03000000" +
        "00000000" +
        "0000000a",
    );
  });

  test("tuples are padded field by field and their types numbered as nft does", () => {
    assert.equal(
      hex(encodeTuple(["inet_proto", "ipv4_addr", "inet_service"], [6, "10.0.0.1", 80])),
      "060000000a00000100500000",
    );
    assert.equal(hex(encodeTuple(["inet_service"], [8080])), "1f90");
    assert.equal(typeId(["inet_proto", "ipv4_addr", "inet_service"]), (12 << 12) | (7 << 6) | 13);
    assert.equal(typeLength(["ifname", "ifname"]), 32);
    for (const [fields, values] of [
      [["ipv4_addr"], ["::1"]],
      [["inet_service"], [65536]],
      [["inet_service"], [1.5]],
      [["inet_proto"], [-1]],
      [["ifname"], ["sixteen-letters!"]],
      [["ifname"], [""]],
      [["ifname"], ["a", "b"]],
    ] as [never[], never[]][])
      assert.throws(() => encodeTuple(fields, values), Fault);
  });

  test("many elements are spread over messages whose attributes stay below 64 KiB", () => {
    const set: NftSet = {
      name: "s",
      key: ["inet_proto", "inet_service"],
      data: ["ipv4_addr", "inet_service"],
    };
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 3000 }), (count) => {
        const elements: Element[] = Array.from({ length: count }, (_, i) => ({
          key: [6, i],
          data: ["10.0.0.1", i],
        }));
        encodeMessages(addElements(TABLE, set, elements));
      }),
      { numRuns: 20 },
    );
  });

  test("sets, maps, chains and rules are what nft lists", async () => {
    const names: NftSet = { name: "names", key: ["ifname"] };
    const ranges: NftSet = { name: "ranges", key: ["ipv4_addr"], isInterval: true };
    const pairs: NftSet = { name: "pairs", key: ["ipv4_addr", "inet_service"], isInterval: true };
    const targets: NftSet = {
      name: "targets",
      key: ["inet_proto", "inet_service"],
      data: ["ipv4_addr", "inet_service"],
    };
    const verdicts: NftSet = { name: "verdicts", key: ["inet_service"], data: "verdict" };
    const sets = [names, ranges, pairs, targets, verdicts];
    await keel.run([
      nftOp([
        addTable(TABLE),
        ...sets.map((s, i) => addSet(TABLE, s, i + 1)),
        addChain(TABLE, { name: "other" }),
        addChain(TABLE, {
          name: "fwd",
          hook: { type: "filter", hook: "forward", priority: -5, policy: "drop" },
        }),
        addChain(TABLE, { name: "post", hook: { type: "nat", hook: "postrouting", priority: 100 } }),
        addChain(TABLE, { name: "pre", hook: { type: "nat", hook: "prerouting", priority: -100 } }),
        ...addElements(TABLE, names, [{ key: ["eth0"] }, { key: ["docker0"] }]),
        ...addElements(TABLE, ranges, [
          { key: ["10.0.0.0"], keyEnd: ["10.255.255.255"] },
          { key: ["255.255.255.0"], keyEnd: ["255.255.255.255"] },
        ]),
        ...addElements(TABLE, pairs, [{ key: ["10.0.0.0", 1000], keyEnd: ["10.0.0.255", 1999] }]),
        ...addElements(TABLE, targets, [{ key: [6, 8080], data: ["172.17.0.2", 80] }]),
        ...addElements(TABLE, verdicts, [
          { key: [80], data: "accept" },
          { key: [81], data: { jump: "other" } },
          { key: [82], data: "drop" },
        ]),
        addRule(TABLE, "other", [...ctState("established", "related"), verdict("accept")], "a comment"),
        addRule(TABLE, "other", [...ctStatus("dnat"), counter(), verdict("return")]),
        addRule(TABLE, "fwd", [...deviceIn("iifname", "names"), verdict({ jump: "other" })]),
        addRule(TABLE, "fwd", [
          ...deviceIn("oifname", "names", { inverted: true }),
          verdict({ goto: "other" }),
        ]),
        addRule(TABLE, "fwd", [...deviceIs("iifname", "lo", "neq"), verdict("accept")]),
        addRule(TABLE, "fwd", [
          ...family("ipv4"),
          ...fieldIn("ipSource", "ipv4_addr", "10.128.0.0", 9),
          verdict("drop"),
        ]),
        addRule(TABLE, "fwd", [
          metaLoad("l4proto"),
          compare("eq", Uint8Array.of(6)),
          fieldLoad("destinationPort"),
          lookupMap("verdicts", "verdict"),
        ]),
        addRule(TABLE, "fwd", [
          ...family("ipv4"),
          fieldLoad("ipDestination", regAt(0)),
          fieldLoad("destinationPort", regAt(1)),
          lookup("pairs"),
          verdict("accept"),
        ]),
        addRule(TABLE, "post", [...family("ipv4"), fieldLoad("ipSource"), lookup("ranges"), masquerade()]),
        addRule(TABLE, "pre", [
          ...toLocalAddress(),
          ...family("ipv4"),
          metaLoad("l4proto", regAt(0)),
          fieldLoad("destinationPort", regAt(1)),
          lookupMap("targets", regAt(0)),
          nat("dnat", "ipv4", regAt(0), regAt(1)),
        ]),
        addRule(TABLE, "pre", [
          ...family("ipv4"),
          immediate(Uint8Array.of(10, 0, 0, 1)),
          nat("dnat", "ipv4", regAt(0)),
        ]),
      ]),
    ]);
    assert.equal(
      await listed(),
      `table inet t {
 set names {
  type ifname
  elements = { "eth0",
        "docker0" }
 }

 set ranges {
  type ipv4_addr
  flags interval
  elements = { 10.0.0.0/8, 255.255.255.0/24 }
 }

 set pairs {
  type ipv4_addr . inet_service
  flags interval
  elements = { 10.0.0.0/24 . 1000-1999 }
 }

 map targets {
  type inet_proto . inet_service : ipv4_addr . inet_service
  elements = { tcp . 8080 : 172.17.0.2 . 80 }
 }

 map verdicts {
  type inet_service : verdict
  elements = { 80 : accept, 81 : jump other, 82 : drop }
 }

 chain other {
  ct state established,related accept comment "a comment"
  ct status dnat counter return
 }

 chain fwd {
  type filter hook forward priority filter - 5; policy drop;
  iifname @names jump other
  oifname != @names goto other
  iifname != "lo" accept
  ip saddr 10.128.0.0/9 drop
  tcp dport vmap @verdicts
  ip daddr . th dport @pairs accept
 }

 chain post {
  type nat hook postrouting priority srcnat; policy accept;
  ip saddr @ranges masquerade
 }

 chain pre {
  type nat hook prerouting priority dstnat; policy accept;
  fib daddr type local meta nfproto ipv4 dnat ip to meta l4proto . th dport map @targets
  meta nfproto ipv4 dnat ip to 10.0.0.1
 }
}`,
    );
    await keel.run([
      nftOp([
        ...deleteElements(TABLE, names, [{ key: ["eth0"] }]),
        ...deleteElements(TABLE, ranges, [{ key: ["10.0.0.0"], keyEnd: ["10.255.255.255"] }]),
        ...deleteElements(TABLE, pairs, [{ key: ["10.0.0.0", 1000], keyEnd: ["10.0.0.255", 1999] }]),
        ...deleteElements(TABLE, targets, [{ key: [6, 8080], data: ["172.17.0.2", 80] }]),
        flushSet(TABLE, "verdicts"),
        flushChain(TABLE, "fwd"),
        flushChain(TABLE, "pre"),
        deleteChain(TABLE, "pre"),
        deleteSet(TABLE, "targets"),
      ]),
    ]);
    const text = await listed();
    assert.match(text, /set names \{\s+type ifname\s+elements = \{ "docker0" \}/);
    assert.match(text, /elements = \{ 255\.255\.255\.0\/24 \}/);
    assert.doesNotMatch(text, /targets|chain pre|10\.0\.0|80 :/);
    await keel.run([nftOp([deleteTable(TABLE)])]);
    assert.equal(await listed(), "");
  });

  test("a transaction with one bad message changes nothing", async () => {
    const error = await keel.run([nftOp([addTable(TABLE), deleteChain(TABLE, "nothing")])]).then(
      () => undefined,
      (e: unknown) => e,
    );
    assert.ok(error instanceof SysError && error.errno === 2);
    assert.equal(await listed(), "");
  });

  test("data that does not fit the map is refused", () => {
    const set: NftSet = { name: "s", key: ["inet_service"], data: "verdict" };
    assert.throws(() => addElements(TABLE, set, [{ key: [1], data: ["10.0.0.1"] }]), Fault);
    assert.throws(
      () => addElements(TABLE, { ...set, data: ["ipv4_addr"] }, [{ key: [1], data: "drop" }]),
      Fault,
    );
  });
});
