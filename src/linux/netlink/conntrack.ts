// Connection tracking over ctnetlink: finding and deleting the entries of an address. A UDP "connection" lives as long
// as datagrams flow, so an entry would keep sending a client's datagrams to a container that is long gone.
// Source: include/uapi/linux/netfilter/nfnetlink_conntrack.h; kernel-side filters since Linux 5.8.

import { AF_INET6, familyOf, ipBytes } from "./address.ts";
import { type Message, NLM_F, be32, decodeAttrs, decodeMessages, nest, raw, u32, u8 } from "./message.ts";

const SUBSYS_CTNETLINK = 1;
const IPCTNL_MSG_CT = { new: 0, get: 1, delete: 2 } as const;
const CTA = { tupleOrig: 1, tupleReply: 2, id: 12, filter: 25 } as const;
const CTA_TUPLE = { ip: 1, proto: 2 } as const;
const CTA_IP = { v4Source: 1, v6Source: 3 } as const;
const CTA_PROTO_NUM = 1;
const CTA_FILTER_REPLY_FLAGS = 2;
const FILTER_FLAG = { ipSource: 1 << 0, protoNumber: 1 << 3 } as const;
const NFGEN_BYTES = 4;
const nfgenHeader = (family: number): Uint8Array => Uint8Array.of(family, 0, 0, 0);

/** Asks for the entries whose answers come from the address `ip`, that is: traffic to it, translated or not. */
export function dumpConntrack(ip: string, protocol: number): Message {
  return {
    type: (SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT.get,
    flags: NLM_F.request | NLM_F.dump,
    header: nfgenHeader(familyOf(ip)),
    attrs: [
      nest(CTA.tupleReply, [
        nest(CTA_TUPLE.ip, [raw(familyOf(ip) === AF_INET6 ? CTA_IP.v6Source : CTA_IP.v4Source, ipBytes(ip))]),
        nest(CTA_TUPLE.proto, [u8(CTA_PROTO_NUM, protocol)]),
      ]),
      nest(CTA.filter, [u32(CTA_FILTER_REPLY_FLAGS, FILTER_FLAG.ipSource | FILTER_FLAG.protoNumber)]),
    ],
  };
}

/** An entry, by what names it. */
export interface ConntrackEntry {
  /** Address family of the entry. */
  family: number;
  /** The kernel's encoding of the original tuple. */
  tuple: Uint8Array;
  id: number;
}

/** Decodes the answer to dumpConntrack. */
export function decodeConntrack(bytes: Uint8Array): ConntrackEntry[] {
  return decodeMessages(bytes).flatMap(({ type, body }) => {
    const attrs = decodeAttrs(body, NFGEN_BYTES);
    const tuple = attrs.get(CTA.tupleOrig);
    const id = attrs.get(CTA.id);
    if (type !== SUBSYS_CTNETLINK << 8 || tuple === undefined || id === undefined) return [];
    return [{ family: body[0] as number, tuple, id: new DataView(id.buffer, id.byteOffset, 4).getUint32(0) }];
  });
}

/** Deletes an entry; ENOENT when it has gone meanwhile. */
export function deleteConntrack(entry: ConntrackEntry): Message {
  return {
    type: (SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT.delete,
    flags: NLM_F.request | NLM_F.ack,
    header: nfgenHeader(entry.family),
    attrs: [{ type: CTA.tupleOrig, bytes: entry.tuple, isNest: true }, be32(CTA.id, entry.id)],
  };
}
