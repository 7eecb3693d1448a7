// What a set or map of the kernel's holds now. Reading only; the changes are in ruleset.ts.
// Source: include/uapi/linux/netfilter/nf_tables.h (NFT_MSG_GETSETELEM).
import { Fault } from "../../lib/errors.ts";
import { ipText } from "../netlink/address.ts";
import {
  type Attrs,
  decodeAttrList,
  decodeAttrs,
  decodeMessages,
  NETLINK_NETFILTER,
  netlinkOp,
  NLM_F,
  text,
} from "../netlink/message.ts";
import { HOST_NS, type Op, type Register } from "../ops.ts";
import { type FieldType, type FieldValue, fieldLengths } from "./datatype.ts";
import type { NftSet, Table } from "./ruleset.ts";

const GET_ELEMENTS = (10 << 8) | 13;
const FAMILY_INET = 1;
const NFGENMSG_BYTES = 4;
const LIST_ATTRIBUTE = 3;
const ELEM = { key: 1, data: 2, keyEnd: 10 } as const;
const VALUE = 1;

/** The operation that asks for all elements of a set of an inet table; ENOENT without the table or the set. */
export const dumpElements = (table: Table, set: NftSet, reg: Register = HOST_NS): Op =>
  netlinkOp(NETLINK_NETFILTER, reg, [
    {
      type: GET_ELEMENTS,
      flags: NLM_F.request | NLM_F.dump,
      header: Uint8Array.of(FAMILY_INET, 0, 0, 0),
      attrs: [text(1, table.name), text(2, set.name)],
    },
  ]);

/** The fields of an element's key, of the (inclusive) end of a range of concatenated keys, and of its data. */
export interface ReadElement {
  key: FieldValue[];
  keyEnd?: FieldValue[];
  data: FieldValue[];
}

/** Reads the answer. */
export function decodeElements(set: NftSet, answer: Uint8Array): ReadElement[] {
  const dataFields = Array.isArray(set.data) ? (set.data as readonly FieldType[]) : [];
  return decodeMessages(answer).flatMap(({ body }) => {
    const elements = decodeAttrs(body, NFGENMSG_BYTES).get(LIST_ATTRIBUTE);
    if (elements === undefined) return [];
    return decodeAttrList(elements).map(([, element]) => {
      const attrs = decodeAttrs(element);
      return {
        key: decodeTuple(set.key, valueOf(attrs, ELEM.key)),
        ...(attrs.has(ELEM.keyEnd) ? { keyEnd: decodeTuple(set.key, valueOf(attrs, ELEM.keyEnd)) } : {}),
        data: dataFields.length === 0 ? [] : decodeTuple(dataFields, valueOf(attrs, ELEM.data)),
      };
    });
  });
}

function valueOf(attrs: Attrs, type: number): Uint8Array {
  const nest = attrs.get(type);
  const value = nest === undefined ? undefined : decodeAttrs(nest).get(VALUE);
  if (value === undefined) throw new Fault("system", "nftables: an element without its value");
  return value;
}

function decodeTuple(fields: readonly FieldType[], bytes: Uint8Array): FieldValue[] {
  const lengths = fields.length === 1 ? [bytes.length] : fieldLengths(fields);
  let at = 0;
  return fields.map((field, i) => {
    const value = bytes.subarray(at, at + (lengths[i] ?? 0));
    at += lengths[i] ?? 0;
    return decodeField(field, value);
  });
}

function decodeField(field: FieldType, bytes: Uint8Array): FieldValue {
  switch (field) {
    case "ipv4_addr":
      return ipText(bytes.subarray(0, 4));
    case "ipv6_addr":
      return ipText(bytes.subarray(0, 16));
    case "inet_proto":
      return bytes[0] ?? 0;
    case "inet_service":
      return (bytes[0] ?? 0) * 256 + (bytes[1] ?? 0);
    case "ifname":
      return Buffer.from(bytes).toString("utf8").replace(/\0.*$/s, "");
  }
}
