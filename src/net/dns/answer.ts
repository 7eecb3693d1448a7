// Writing DNS messages: our own answers, answers of servers as answers to a client, and questions to servers. Bytes only, no I/O.
// Source: RFC 1035, 6891 (EDNS).

import { ipBytes } from "../../linux/netlink/address.ts";
import {
  type Answer,
  CLASS,
  EDNS_DO,
  FLAG,
  HEADER_BYTES,
  MAX_MESSAGE_BYTES,
  MAX_NAME_BYTES,
  OPT_BYTES,
  type Query,
  TYPE,
  u16,
  u32,
} from "./message.ts";

/** What we tell others that we take over UDP: fits every path without fragments (DNS flag day 2020). */
const OUR_UDP_BYTES = 1232;
/** A pointer to the name of the question, where every message has it. */
const QUESTION_NAME = Uint8Array.of(0xc0, HEADER_BYTES);

/** A record that we give ourselves, about the name of the question. */
export interface AnswerRecord {
  type: number;
  /** Seconds. */
  ttl: number;
  data: Uint8Array;
}

/** Returns the refusal of a message that could not be read: its header, without anything behind it. */
export function refuse(bytes: Uint8Array, rcode: number): Uint8Array {
  const out = Buffer.alloc(HEADER_BYTES);
  out.writeUInt16BE(u16(bytes, 0));
  const kept = u16(bytes, 2) & (FLAG.opcode | FLAG.recursionDesired);
  out.writeUInt16BE(FLAG.response | FLAG.recursionAvailable | kept | rcode, 2);
  return out;
}

/** Returns our answer to a query, with EDNS when the client has it. Records that exceed a message are left out. */
export function buildAnswer(query: Query, rcode: number, records: readonly AnswerRecord[]): Uint8Array {
  const encoded: Uint8Array[] = [];
  let size = HEADER_BYTES + query.question.length + OPT_BYTES;
  for (const record of records) {
    size += QUESTION_NAME.length + 10 + record.data.length;
    if (size > MAX_MESSAGE_BYTES) break;
    encoded.push(encodeRecord(record));
  }
  const body = Buffer.concat([Buffer.alloc(HEADER_BYTES), query.question, ...encoded]);
  body.writeUInt16BE(query.id, 0);
  body.writeUInt16BE(replyFlags(query) | (rcode & 0xf), 2);
  body.writeUInt16BE(1, 4);
  body.writeUInt16BE(encoded.length, 6);
  return withEdns(body, query, rcode >> 4);
}

const askedFlags = (query: Query): number =>
  (query.isRecursionDesired ? FLAG.recursionDesired : 0) |
  (query.isCheckingDisabled ? FLAG.checkingDisabled : 0);

const replyFlags = (query: Query): number => FLAG.response | FLAG.recursionAvailable | askedFlags(query);

function encodeRecord(record: AnswerRecord): Uint8Array {
  const head = Buffer.alloc(12);
  head.set(QUESTION_NAME);
  head.writeUInt16BE(record.type, 2);
  head.writeUInt16BE(CLASS.IN, 4);
  head.writeUInt32BE(record.ttl, 6);
  head.writeUInt16BE(record.data.length, 10);
  return Buffer.concat([head, record.data]);
}

/** Adds our OPT record to a message that has none, when the client has EDNS. */
function withEdns(message: Buffer, query: Query, extendedRcode: number): Buffer {
  if (query.edns === undefined) return message;
  const out = Buffer.concat([message, optRecord(extendedRcode, query.edns.hasDo)]);
  out.writeUInt16BE(u16(out, 10) + 1, 10);
  return out;
}

function optRecord(extendedRcode: number, hasDo: boolean): Uint8Array {
  const out = Buffer.alloc(OPT_BYTES);
  out.writeUInt16BE(TYPE.OPT, 1);
  out.writeUInt16BE(OUR_UDP_BYTES, 3);
  out[5] = extendedRcode;
  out.writeUInt16BE(hasDo ? EDNS_DO : 0, 7);
  return out;
}

/** Makes an answer fit: one that is larger than `maxBytes` becomes an empty one with the flag that sends clients to TCP. */
export function fitAnswer(answer: Uint8Array, query: Query, maxBytes: number): Uint8Array {
  if (answer.length <= maxBytes) return answer;
  const out = Buffer.concat([answer.subarray(0, HEADER_BYTES), query.question]);
  out.writeUInt16BE(u16(out, 2) | FLAG.truncated, 2);
  out.writeUInt16BE(1, 4);
  out.fill(0, 6, HEADER_BYTES);
  return withEdns(out, query, 0);
}

/** Returns the client's question as it is put to a server: under a number of ours, with EDNS unless the server cannot. */
export function buildUpstreamQuery(query: Query, id: number, options: { hasEdns: boolean }): Uint8Array {
  const body = Buffer.concat([Buffer.alloc(HEADER_BYTES), query.question]);
  body.writeUInt16BE(id, 0);
  body.writeUInt16BE(askedFlags(query), 2);
  body.writeUInt16BE(1, 4);
  if (!options.hasEdns) return body;
  body.writeUInt16BE(1, 10);
  return Buffer.concat([body, optRecord(0, query.edns?.hasDo ?? false)]);
}

/** Returns a server's answer as one to `query`, which asks the same, `ageSeconds` after it came, in the client's spelling. */
export function answerAs(answer: Answer, query: Query, ageSeconds: number): Uint8Array {
  const out = Buffer.from(answer.message);
  out.writeUInt16BE(query.id, 0);
  const kept = u16(out, 2) & ~(FLAG.recursionDesired | FLAG.checkingDisabled | 0xf);
  out.writeUInt16BE(kept | replyFlags(query) | (answer.rcode & 0xf), 2);
  out.set(query.question, HEADER_BYTES);
  for (const at of answer.ttlsAt) out.writeUInt32BE(Math.max(0, u32(out, at) - ageSeconds), at);
  return withEdns(out, query, answer.rcode >> 4);
}

/** Returns the record of an address. */
export function addressRecord(ip: string, ttl: number): AnswerRecord {
  const data = ipBytes(ip);
  return { type: data.length === 4 ? TYPE.A : TYPE.AAAA, ttl, data };
}

/** Returns the record that names an address ("web.backend"). Empty labels are left out, long ones and names are cut. */
export function pointerRecord(name: string, ttl: number): AnswerRecord {
  const parts: Uint8Array[] = [];
  let size = 1;
  for (const text of name.split(".")) {
    const label = Buffer.from(text, "utf8").subarray(0, 63);
    size += 1 + label.length;
    if (label.length === 0 || size > MAX_NAME_BYTES) continue;
    parts.push(Uint8Array.of(label.length), label);
  }
  return { type: TYPE.PTR, ttl, data: Buffer.concat([...parts, Uint8Array.of(0)]) };
}
