// Types of set keys and map data, and the bytes of their values. nftables' kernel side knows lengths only; the type
// numbers are what nft(8) prints by. Source: libnftables include/datatype.h (TYPE_*), nft(8) "DATA TYPES".

import { Fault } from "../../lib/errors.ts";
import { ipBytes } from "../netlink/address.ts";

const TYPES = {
  ipv4_addr: { id: 7, bytes: 4 },
  ipv6_addr: { id: 8, bytes: 16 },
  inet_proto: { id: 12, bytes: 1 },
  inet_service: { id: 13, bytes: 2 },
  ifname: { id: 41, bytes: 16 },
} as const;
const TYPE_BITS = 6; // of each part in the number of a concatenated type

/** Type of one field of a key or of data. */
export type FieldType = keyof typeof TYPES;

/** Value of a field: addresses and device names as text, ports and protocols as numbers. */
export type FieldValue = string | number;

/** IP protocol numbers that have ports. */
export const IP_PROTO = { tcp: 6, udp: 17, sctp: 132 } as const;

/** Returns the bytes of one field. Throws Fault for a value that does not fit the type. */
export function encodeField(type: FieldType, value: FieldValue): Uint8Array {
  const size = TYPES[type].bytes;
  if (type === "ifname") return deviceName(String(value), size);
  if (type === "ipv4_addr" || type === "ipv6_addr") {
    const bytes = ipBytes(String(value));
    if (bytes.length !== size) throw misfit(type, value);
    return bytes;
  }
  const n = Number(value);
  if (!Number.isInteger(n) || n < 0 || n >= 2 ** (8 * size)) throw misfit(type, value);
  return size === 1 ? Uint8Array.of(n) : Uint8Array.of(n >> 8, n);
}

function deviceName(name: string, size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  const text = Buffer.from(name, "utf8");
  if (text.length === 0 || text.length >= size) throw misfit("ifname", name);
  bytes.set(text);
  return bytes;
}

const misfit = (type: FieldType, value: FieldValue): Fault =>
  new Fault("invalidParameter", `nftables: ${JSON.stringify(value)} is not of type ${type}`);

const align4 = (n: number): number => (n + 3) & ~3;

/** Returns the number that nft(8) prints a (concatenated) type by. */
export const typeId = (fields: readonly FieldType[]): number =>
  fields.reduce((id, f) => (id << TYPE_BITS) | TYPES[f].id, 0);

/** Length in bytes; the fields of a concatenation are padded to 4 each, a single one is not. */
export const typeLength = (fields: readonly FieldType[]): number =>
  fields.length === 1 ? TYPES[fields[0] as FieldType].bytes : fieldLengths(fields).reduce((a, b) => a + b, 0);

/** Padded length of each field of a concatenation. */
export const fieldLengths = (fields: readonly FieldType[]): number[] =>
  fields.map((f) => align4(TYPES[f].bytes));

/** Returns the bytes of a key or of data with these fields. */
export function encodeTuple(fields: readonly FieldType[], values: readonly FieldValue[]): Uint8Array {
  if (fields.length !== values.length)
    throw new Fault("invalidParameter", `nftables: ${values.length} values for ${fields.length} fields`);
  const out = new Uint8Array(typeLength(fields));
  let at = 0;
  fields.forEach((field, i) => {
    out.set(encodeField(field, values[i] as FieldValue), at);
    at += align4(TYPES[field].bytes);
  });
  return out;
}
