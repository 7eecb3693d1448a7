// Netlink's wire form: messages made of a family header and a tree of attributes, and the way back.
// Knows no family; link.ts, route.ts and ../nft/ do. Nothing here sends: keel does (host.netlink in ../ops.ts).
// Numbers are little endian, as on every machine that keel is built for; be* attributes are network order.
// Source: netlink(7), include/uapi/linux/netlink.h.

import { Fault } from "../../lib/errors.ts";
import { type NetlinkPatch, type Op, type Register, host } from "../ops.ts";

/** Socket protocols, include/uapi/linux/netlink.h. */
export const NETLINK_ROUTE = 0;
export const NETLINK_NETFILTER = 12;

/** Message flags (nlmsg_flags). The same bits mean other things for get, new and delete requests. */
export const NLM_F = {
  request: 0x1,
  multi: 0x2,
  ack: 0x4,
  /** For get requests: root and match, that is everything. */
  dump: 0x300,
  /** For new requests. */
  replace: 0x100,
  excl: 0x200,
  create: 0x400,
  append: 0x800,
} as const;

const HEADER_BYTES = 16;
/** Of ifi_index and ifa_index in their headers. */
const INDEX_OFFSET = 4;
const NLA_F_NESTED = 0x8000;
const NLA_TYPE_MASK = 0x3fff;
const FIRST_FAMILY_TYPE = 16; // below: NOOP, ERROR, DONE, OVERRUN

/** One attribute: bytes (`isNest`: attributes as they were received), a nest, or a number that keel fills in with the descriptor of a register. */
export type Attr =
  | { readonly type: number; readonly bytes: Uint8Array; readonly isNest?: boolean }
  | { readonly type: number; readonly nest: readonly Attr[]; readonly header?: Uint8Array }
  | { readonly type: number; readonly reg: Register };

/** One message before encoding; sequence numbers are given by encodeMessages. */
export interface Message {
  readonly type: number;
  readonly flags: number;
  /** The family's fixed header (ifinfomsg, rtmsg, nfgenmsg…). */
  readonly header: Uint8Array;
  readonly attrs: readonly Attr[];
  /** Of ifinfomsg and ifaddrmsg: keel fills in the index of the device that has this name in the register's namespace by then. */
  readonly device?: { readonly name: string; readonly reg: Register };
}

/** Returns the message about a device whose index is not known yet, because it is still to come into the namespace of `reg`. */
export const aboutDevice = (message: Message, name: string, reg: Register): Message => ({
  ...message,
  device: { name, reg },
});

/** Attribute of raw bytes. */
export const raw = (type: number, bytes: Uint8Array): Attr => ({ type, bytes });
/** Attribute without a value. */
export const flag = (type: number): Attr => ({ type, bytes: new Uint8Array(0) });
/** Nested attributes. */
export const nest = (type: number, attrs: readonly Attr[]): Attr => ({ type, nest: attrs });
/** A fixed header followed by attributes, without the nest flag (VETH_INFO_PEER). `header` is a multiple of 4 bytes long. */
export const nestAfter = (type: number, header: Uint8Array, attrs: readonly Attr[]): Attr => ({
  type,
  header,
  nest: attrs,
});
/** NUL-terminated text in UTF-8. */
export const text = (type: number, value: string): Attr => ({
  type,
  bytes: Buffer.from(`${value}\0`, "utf8"),
});
/** A u32 that keel replaces by the descriptor held in `reg`. */
export const descriptor = (type: number, reg: Register): Attr => ({ type, reg });

export const u8 = (type: number, value: number): Attr => ({ type, bytes: Uint8Array.of(value) });
export const u16 = (type: number, value: number): Attr => ({
  type,
  bytes: Uint8Array.of(value, value >>> 8),
});
export const u32 = (type: number, value: number): Attr => ({ type, bytes: littleU32(value) });
export const be16 = (type: number, value: number): Attr => ({
  type,
  bytes: Uint8Array.of(value >>> 8, value),
});
export const be32 = (type: number, value: number): Attr => ({ type, bytes: bigU32(value) });

/** A 64-bit number in network order. */
export function be64(type: number, value: bigint): Attr {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(value);
  return { type, bytes };
}

/** Four bytes, least significant first. */
export const littleU32 = (value: number): Uint8Array =>
  Uint8Array.of(value, value >>> 8, value >>> 16, value >>> 24);
/** Four bytes, most significant first. */
export const bigU32 = (value: number): Uint8Array =>
  Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value);

const align4 = (n: number): number => (n + 3) & ~3;

function attrSize(attr: Attr): number {
  if ("bytes" in attr) return 4 + attr.bytes.length;
  return "nest" in attr ? 4 + (attr.header?.length ?? 0) + attrsSize(attr.nest) : 8;
}

function attrsSize(attrs: readonly Attr[]): number {
  let size = 0;
  for (const a of attrs) size += align4(attrSize(a));
  return size;
}

/** Encoded messages and the places that keel must patch. */
export interface Encoded {
  bytes: Uint8Array;
  patches: NetlinkPatch[];
}

/** Encodes messages back to back, each aligned, with the sequence numbers 1, 2, …. */
export function encodeMessages(messages: readonly Message[]): Encoded {
  const sizes = messages.map((m) => HEADER_BYTES + align4(m.header.length) + attrsSize(m.attrs));
  const bytes = new Uint8Array(sizes.reduce((sum, n) => sum + n, 0));
  const view = new DataView(bytes.buffer);
  const patches: NetlinkPatch[] = [];
  let at = 0;
  messages.forEach((m, i) => {
    const size = sizes[i] as number;
    view.setUint32(at, size, true);
    view.setUint16(at + 4, m.type, true);
    view.setUint16(at + 6, m.flags, true);
    view.setUint32(at + 8, i + 1, true);
    bytes.set(m.header, at + HEADER_BYTES);
    if (m.device) patches.push([at + HEADER_BYTES + INDEX_OFFSET, m.device.reg, m.device.name]);
    writeAttrs(bytes, view, at + HEADER_BYTES + align4(m.header.length), m.attrs, patches);
    at += size;
  });
  return { bytes, patches };
}

function writeAttrs(
  bytes: Uint8Array,
  view: DataView,
  start: number,
  attrs: readonly Attr[],
  patches: NetlinkPatch[],
): void {
  let at = start;
  for (const a of attrs) {
    const size = attrSize(a);
    if (size > 0xffff) throw new Fault("system", `netlink attribute ${a.type}: ${size} bytes are too many`);
    view.setUint16(at, size, true);
    const isNest = "nest" in a ? a.header === undefined : "isNest" in a && a.isNest;
    view.setUint16(at + 2, isNest ? a.type | NLA_F_NESTED : a.type, true);
    if ("bytes" in a) bytes.set(a.bytes, at + 4);
    else if ("reg" in a) patches.push([at + 4, a.reg]);
    else {
      if (a.header !== undefined) bytes.set(a.header, at + 4);
      writeAttrs(bytes, view, at + 4 + (a.header?.length ?? 0), a.nest, patches);
    }
    at += align4(size);
  }
}

/** Wraps messages into the operation that sends them in one go in the namespace of `reg`. */
export function netlinkOp(protocol: number, reg: Register, messages: readonly Message[]): Op {
  const { bytes, patches } = encodeMessages(messages);
  return host.netlink(protocol, reg, bytes, patches);
}

/** A message as received. */
export interface Received {
  type: number;
  flags: number;
  seq: number;
  /** Family header and attributes. */
  body: Uint8Array;
}

/** Splits what the kernel answered into family messages; acks, errors (keel has judged them) and DONE are left out. */
export function decodeMessages(bytes: Uint8Array): Received[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const out: Received[] = [];
  for (let at = 0; at + HEADER_BYTES <= bytes.length; ) {
    const size = view.getUint32(at, true);
    if (size < HEADER_BYTES || at + size > bytes.length) throw new Fault("system", "netlink: cut message");
    const type = view.getUint16(at + 4, true);
    if (type >= FIRST_FAMILY_TYPE)
      out.push({
        type,
        flags: view.getUint16(at + 6, true),
        seq: view.getUint32(at + 8, true),
        body: bytes.subarray(at + HEADER_BYTES, at + size),
      });
    at += align4(size);
  }
  return out;
}

/** Attributes of a received message or nest by type; the last one of a type wins. */
export type Attrs = ReadonlyMap<number, Uint8Array>;

/** Reads the attributes that start at `start`. */
export function decodeAttrs(bytes: Uint8Array, start = 0): Attrs {
  return new Map(decodeAttrList(bytes, start));
}

/** Reads attributes in order, repeated types included (lists such as NFTA_LIST_ELEM). */
export function decodeAttrList(bytes: Uint8Array, start = 0): [type: number, value: Uint8Array][] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const out: [number, Uint8Array][] = [];
  for (let at = start; at + 4 <= bytes.length; ) {
    const size = view.getUint16(at, true);
    if (size < 4 || at + size > bytes.length) throw new Fault("system", "netlink: cut attribute");
    out.push([view.getUint16(at + 2, true) & NLA_TYPE_MASK, bytes.subarray(at + 4, at + size)]);
    at += align4(size);
  }
  return out;
}

/** Reads a little-endian u32, 0 when the attribute is missing or short. */
export function readU32(value: Uint8Array | undefined): number {
  return value === undefined || value.length < 4
    ? 0
    : new DataView(value.buffer, value.byteOffset, 4).getUint32(0, true);
}

/** Reads NUL-terminated text, "" when missing. */
export function readText(value: Uint8Array | undefined): string {
  if (value === undefined) return "";
  const end = value.indexOf(0);
  return Buffer.from(end < 0 ? value : value.subarray(0, end)).toString("utf8");
}
