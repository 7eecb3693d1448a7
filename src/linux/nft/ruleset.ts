// Changes to nftables: tables, chains, sets, maps, elements and rules as messages, and the batch that makes a list of
// them one transaction: the kernel applies all or nothing, and no packet sees a state in between.
// Not a model of a ruleset: what should be there is decided by ../../net/firewall/.
// Source: include/uapi/linux/netfilter/nf_tables.h, net/netfilter/nf_tables_api.c.

import { Fault } from "../../lib/errors.ts";
import {
  type Attr,
  type Message,
  NETLINK_NETFILTER,
  NLM_F,
  be32,
  be64,
  nest,
  netlinkOp,
  raw,
  text,
} from "../netlink/message.ts";
import { HOST_NS, type Op, type Register } from "../ops.ts";
import {
  type FieldType,
  type FieldValue,
  encodeTuple,
  fieldLengths,
  typeId,
  typeLength,
} from "./datatype.ts";
import { type Expr, type Verdict, exprAttr, valueData, verdictData } from "./expression.ts";

const SUBSYS_NFTABLES = 10;
const BATCH = { begin: 16, end: 17 } as const;
const MSG = {
  newTable: 0,
  delTable: 2,
  newChain: 3,
  delChain: 5,
  newRule: 6,
  delRule: 8,
  newSet: 9,
  delSet: 11,
};
const MSG_ELEM = { add: 12, delete: 14 } as const;
const FAMILIES = { inet: 1, ip: 2, bridge: 7, ip6: 10 } as const;
const HOOKS = { prerouting: 0, input: 1, forward: 2, output: 3, postrouting: 4 } as const;
const LIST_ELEM = 1;
const SET_FLAG = { interval: 0x4, map: 0x8, timeout: 0x10, concat: 0x80 } as const;
const DATA_TYPE_VERDICT = 0xffffff00;
// libnftables' userdata (type 0: byte order of the key, u32 1: the host's), without which `nft list` prints names reversed.
const HOST_ENDIAN_KEY = Uint8Array.of(0, 4, 1, 0, 0, 0);
const ELEM = { key: 1, data: 2, flags: 3, timeout: 4, keyEnd: 10 } as const;
const ELEM_INTERVAL_END = 1;
// One attribute holds 65535 bytes at most; the elements of a message stay well below.
const MAX_ELEMENT_BYTES = 48 * 1024;

/** Names a table. */
export interface Table {
  family: keyof typeof FAMILIES;
  name: string;
}

/** A chain; with `hook` it is a base chain that packets enter from the network stack. */
export interface Chain {
  name: string;
  hook?: {
    type: "filter" | "nat" | "route";
    hook: keyof typeof HOOKS;
    /** -300 raw, -100 dstnat, 0 filter, 100 srcnat. */
    priority: number;
    policy?: "accept" | "drop";
  };
}

/** A set, or a map when it has data. */
export interface NftSet {
  name: string;
  key: readonly FieldType[];
  data?: readonly FieldType[] | "verdict";
  /** Elements are ranges. */
  isInterval?: boolean;
  /** Elements may have a time after which the kernel removes them. */
  hasTimeouts?: boolean;
}

/** One element: a key, the (inclusive) end of its range in an interval set, and the data of a map. */
export interface Element {
  key: readonly FieldValue[];
  keyEnd?: readonly FieldValue[];
  data?: readonly FieldValue[] | Verdict;
  /** How long it stays, in a set that has timeouts; for good without. */
  timeoutMs?: number;
}

function message(kind: number, flags: number, table: Table, attrs: readonly Attr[]): Message {
  return {
    type: (SUBSYS_NFTABLES << 8) | kind,
    flags: NLM_F.request | NLM_F.ack | flags,
    header: Uint8Array.of(FAMILIES[table.family], 0, 0, 0),
    attrs,
  };
}

/** Creates the table; fine when it exists. */
export const addTable = (table: Table): Message =>
  message(MSG.newTable, NLM_F.create, table, [text(1, table.name)]);

/** Deletes a table with all that is in it; ENOENT when there is none. */
export const deleteTable = (table: Table): Message => message(MSG.delTable, 0, table, [text(1, table.name)]);

/** Creates a chain; fine when the same exists. */
export function addChain(table: Table, chain: Chain): Message {
  const attrs = [text(1, table.name), text(3, chain.name)];
  if (chain.hook !== undefined) {
    const { type, hook, priority, policy } = chain.hook;
    attrs.push(nest(4, [be32(1, HOOKS[hook]), be32(2, priority)]), text(7, type));
    attrs.push(be32(5, policy === "drop" ? 0 : 1));
  }
  return message(MSG.newChain, NLM_F.create, table, attrs);
}

/** Deletes a chain without rules; EBUSY while a rule or map jumps to it. */
export const deleteChain = (table: Table, chain: string): Message =>
  message(MSG.delChain, 0, table, [text(1, table.name), text(3, chain)]);

/** Appends a rule to a chain; `comment` is shown by `nft list`. */
export function addRule(table: Table, chain: string, expressions: readonly Expr[], comment = ""): Message {
  const attrs = [
    text(1, table.name),
    text(2, chain),
    nest(
      4,
      expressions.map((e) => exprAttr(LIST_ELEM, e)),
    ),
  ];
  if (comment !== "") attrs.push(raw(7, commentData(comment)));
  return message(MSG.newRule, NLM_F.create | NLM_F.append, table, attrs);
}

// libnftnl's userdata: type 0 (comment), length, NUL-terminated text.
function commentData(comment: string): Uint8Array {
  const bytes = Buffer.from(`${comment}\0`, "utf8");
  if (bytes.length > 128) throw new Fault("invalidParameter", "nftables: rule comment is too long");
  return Uint8Array.of(0, bytes.length, ...bytes);
}

/** Deletes all rules of a chain. */
export const flushChain = (table: Table, chain: string): Message =>
  message(MSG.delRule, 0, table, [text(1, table.name), text(2, chain)]);

/** Creates a set or map; fine when the same exists. `id` is any number that is unique in the batch. */
export function addSet(table: Table, set: NftSet, id: number): Message {
  const isConcat = set.key.length > 1;
  const isRangeOfTuples = set.isInterval === true && isConcat;
  let flags = set.isInterval ? SET_FLAG.interval : 0;
  if (set.data !== undefined) flags |= SET_FLAG.map;
  if (isRangeOfTuples) flags |= SET_FLAG.concat;
  if (set.hasTimeouts) flags |= SET_FLAG.timeout;
  const attrs = [
    text(1, table.name),
    text(2, set.name),
    be32(3, flags),
    be32(4, typeId(set.key)),
    be32(5, typeLength(set.key)),
    be32(10, id),
  ];
  if (set.data === "verdict") attrs.push(be32(6, DATA_TYPE_VERDICT));
  else if (set.data !== undefined) attrs.push(be32(6, typeId(set.data)), be32(7, typeLength(set.data)));
  if (isRangeOfTuples) {
    const lengths = fieldLengths(set.key).map((n) => nest(LIST_ELEM, [be32(1, n)]));
    attrs.push(nest(9, [nest(2, lengths)]));
  }
  if (set.key.length === 1 && set.key[0] === "ifname") attrs.push(raw(13, HOST_ENDIAN_KEY));
  return message(MSG.newSet, NLM_F.create, table, attrs);
}

/** Deletes a set; EBUSY while a rule uses it. */
export const deleteSet = (table: Table, set: string): Message =>
  message(MSG.delSet, 0, table, [text(1, table.name), text(2, set)]);

/** Deletes all elements of a set. */
export const flushSet = (table: Table, set: string): Message =>
  message(MSG_ELEM.delete, 0, table, [text(1, table.name), text(2, set)]);

/** Adds elements; an element that exists with the same data is fine, with other data EEXIST. */
export const addElements = (table: Table, set: NftSet, elements: readonly Element[]): Message[] =>
  elementMessages(MSG_ELEM.add, NLM_F.create, table, set, elements);

/** Deletes elements; ENOENT when one is not there. Data, when given, is not compared by the kernel and not sent. */
export const deleteElements = (table: Table, set: NftSet, elements: readonly Element[]): Message[] =>
  elementMessages(
    MSG_ELEM.delete,
    0,
    table,
    set,
    elements.map(({ key, keyEnd }) => (keyEnd === undefined ? { key } : { key, keyEnd })),
  );

function elementMessages(
  kind: number,
  flags: number,
  table: Table,
  set: NftSet,
  elements: readonly Element[],
): Message[] {
  const attrs = elements.flatMap((e) => elementAttrs(set, e));
  const perElement = 64 + 2 * typeLength(set.key) + 128;
  const count = Math.max(1, Math.floor(MAX_ELEMENT_BYTES / perElement));
  const messages: Message[] = [];
  for (let i = 0; i < attrs.length; i += count)
    messages.push(
      message(kind, flags, table, [
        text(1, table.name),
        text(2, set.name),
        nest(3, attrs.slice(i, i + count)),
      ]),
    );
  return messages;
}

function elementAttrs(set: NftSet, e: Element): Attr[] {
  const key = encodeTuple(set.key, e.key);
  const attrs = [valueData(ELEM.key, key)];
  const end = e.keyEnd === undefined ? key : encodeTuple(set.key, e.keyEnd);
  const isRangeOfTuples = set.isInterval === true && set.key.length > 1;
  if (isRangeOfTuples) attrs.push(valueData(ELEM.keyEnd, end));
  if (e.data !== undefined) attrs.push(dataAttr(set, e.data));
  if (e.timeoutMs !== undefined) attrs.push(be64(ELEM.timeout, BigInt(Math.ceil(e.timeoutMs))));
  const element = nest(LIST_ELEM, attrs);
  if (!set.isInterval || isRangeOfTuples) return [element];
  // A range of single fields is two elements: its start, and the first key behind it, marked as an end.
  const behind = successor(end);
  if (behind === undefined) return [element];
  return [element, nest(LIST_ELEM, [valueData(ELEM.key, behind), be32(ELEM.flags, ELEM_INTERVAL_END)])];
}

function dataAttr(set: NftSet, data: readonly FieldValue[] | Verdict): Attr {
  if (set.data === "verdict" && !isTuple(data)) return verdictData(ELEM.data, data);
  if (set.data !== undefined && set.data !== "verdict" && isTuple(data))
    return valueData(ELEM.data, encodeTuple(set.data, data));
  throw new Fault("invalidParameter", `nftables: data does not fit the map ${set.name}`);
}

const isTuple = (data: readonly FieldValue[] | Verdict): data is readonly FieldValue[] => Array.isArray(data);

function successor(key: Uint8Array): Uint8Array | undefined {
  const next = Uint8Array.from(key);
  for (let i = next.length - 1; i >= 0; i--) {
    next[i] = (next[i] as number) + 1;
    if (next[i] !== 0) return next;
  }
  return undefined;
}

/** Wraps messages into one transaction. */
export function batch(messages: readonly Message[]): Message[] {
  const edge = (type: number): Message => ({
    type,
    flags: NLM_F.request,
    header: Uint8Array.of(0, 0, 0, SUBSYS_NFTABLES), // nfgenmsg with res_id, network order
    attrs: [],
  });
  return [edge(BATCH.begin), ...messages, edge(BATCH.end)];
}

/** The operation that applies the changes as one transaction in the namespace of `reg`. */
export const nftOp = (messages: readonly Message[], reg: Register = HOST_NS): Op =>
  netlinkOp(NETLINK_NETFILTER, reg, batch(messages));
