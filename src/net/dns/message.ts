// Reading DNS messages as bytes: no more of them than must be known. Messages of others are never decoded and encoded
// again: unknown record types, names that are not text and the spelling of the question must pass through untouched, which
// a library that decodes everything into strings cannot do (dns-packet turns bytes above 127 into U+FFFD and loses dots
// inside labels; it is the second opinion in the tests). Nothing here throws on any input; work is linear in its size.
// Source: RFC 1035 (form), 2308 (negative answers), 4343 (case), 6891 (EDNS).

import { ipText } from "../../linux/netlink/address.ts";

export const TYPE = { A: 1, SOA: 6, PTR: 12, AAAA: 28, OPT: 41, IXFR: 251, AXFR: 252, ANY: 255 } as const;
export const CLASS = { IN: 1, ANY: 255 } as const;
export const RCODE = {
  noError: 0,
  formErr: 1,
  servFail: 2,
  nxDomain: 3,
  notImp: 4,
  refused: 5,
  badVers: 16,
} as const;
export const FLAG = {
  response: 0x8000,
  opcode: 0x7800,
  truncated: 0x0200,
  recursionDesired: 0x0100,
  recursionAvailable: 0x0080,
  checkingDisabled: 0x0010,
} as const;
export const EDNS_DO = 0x8000;

export const HEADER_BYTES = 12;
export const MAX_NAME_BYTES = 255;
export const MAX_MESSAGE_BYTES = 65_535;
/** An OPT record without options. */
export const OPT_BYTES = 11;

/** What an OPT record says. */
export interface Edns {
  /** Bytes that the sender takes over UDP. */
  udpBytes: number;
  /** Upper bits of the response code. */
  extendedRcode: number;
  version: number;
  /** DNSSEC records are wanted. */
  hasDo: boolean;
}

/** A question as it came from a client. */
export interface Query {
  id: number;
  isRecursionDesired: boolean;
  isCheckingDisabled: boolean;
  /** The question section, in the client's spelling. */
  question: Uint8Array;
  /** Lower case, without the last dot; bytes that are not printable, dots and backslashes inside labels as \DDD. "" is the root. */
  name: string;
  type: number;
  class: number;
  edns?: Edns;
}

export const u16 = (bytes: Uint8Array, at: number): number =>
  ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
export const u32 = (bytes: Uint8Array, at: number): number => u16(bytes, at) * 0x1_0000 + u16(bytes, at + 2);

/** Reads a client's message: a number is the response code of the refusal, null something that deserves no answer. */
export function parseQuery(bytes: Uint8Array): Query | number | null {
  if (bytes.length < HEADER_BYTES || (u16(bytes, 2) & FLAG.response) !== 0) return null;
  if ((u16(bytes, 2) & FLAG.opcode) !== 0) return RCODE.notImp;
  const question = u16(bytes, 4) === 1 ? readQuestion(bytes) : undefined;
  if (question === undefined || question.type === TYPE.OPT) return RCODE.formErr;
  const rest = readRecords(bytes, question.end);
  if (rest === undefined || rest.optCount > 1) return RCODE.formErr;
  return {
    id: u16(bytes, 0),
    isRecursionDesired: (u16(bytes, 2) & FLAG.recursionDesired) !== 0,
    isCheckingDisabled: (u16(bytes, 2) & FLAG.checkingDisabled) !== 0,
    question: bytes.subarray(HEADER_BYTES, question.end),
    name: question.name,
    type: question.type,
    class: question.class,
    ...(rest.edns === undefined ? {} : { edns: rest.edns }),
  };
}

/**
 * Whether clients ask in these bytes again, but for the number: nothing behind the question but an OPT record without options (cookies
 * are another each time), and no capital letters (which some mix at random).
 */
export function isRepeated(bytes: Uint8Array, query: Query): boolean {
  const size = HEADER_BYTES + query.question.length + (query.edns === undefined ? 0 : OPT_BYTES);
  return bytes.length === size && query.question.subarray(0, -4).every((byte) => byte < 0x41 || byte > 0x5a);
}

function readQuestion(
  bytes: Uint8Array,
): { name: string; type: number; class: number; end: number } | undefined {
  const end = plainNameEnd(bytes, HEADER_BYTES);
  if (end < 0 || end + 4 > bytes.length) return undefined;
  return {
    name: nameText(bytes, HEADER_BYTES),
    type: u16(bytes, end),
    class: u16(bytes, end + 2),
    end: end + 4,
  };
}

/** Returns where a name without pointers ends, -1 when it is none. */
function plainNameEnd(bytes: Uint8Array, start: number): number {
  let at = start;
  for (;;) {
    const length = bytes[at];
    if (length === undefined || length > 63) return -1;
    at += 1 + length;
    if (at - start > MAX_NAME_BYTES || at > bytes.length) return -1;
    if (length === 0) return at;
  }
}

function nameText(bytes: Uint8Array, start: number): string {
  let text = "";
  for (let at = start; bytes[at] !== 0; at += 1 + (bytes[at] as number)) {
    if (at > start) text += ".";
    for (let i = at + 1; i <= at + (bytes[at] as number); i++) text += characterText(bytes[i] as number);
  }
  return text;
}

function characterText(byte: number): string {
  if (byte >= 0x41 && byte <= 0x5a) return String.fromCharCode(byte + 0x20);
  if (byte > 0x20 && byte < 0x7f && byte !== 0x2e && byte !== 0x5c) return String.fromCharCode(byte);
  return `\\${String(byte).padStart(3, "0")}`;
}

/** Returns where a name that may end in a pointer ends, -1 when the message is over before. Pointers are not followed. */
function nameEnd(bytes: Uint8Array, start: number): number {
  for (let at = start; ; ) {
    const length = bytes[at];
    if (length === undefined) return -1;
    if (length === 0) return at + 1;
    if (length >= 0xc0) return at + 2 <= bytes.length ? at + 2 : -1;
    if (length > 63) return -1;
    at += 1 + length;
  }
}

interface Records {
  /** Where each time to live is; OPT's is none. */
  ttlsAt: number[];
  optCount: number;
  edns?: Edns;
  /** Where the OPT record starts, or the end of the message. */
  bodyEnd: number;
  /** Records of the additional section in front of `bodyEnd`. */
  additional: number;
  /** What RFC 2308 gives as time to live of an answer that there is nothing; undefined without a SOA record. */
  negativeTtl?: number;
}

/** Walks over all records behind the question; undefined when the message is malformed. */
function readRecords(bytes: Uint8Array, start: number): Records | undefined {
  const counts = [u16(bytes, 6), u16(bytes, 8), u16(bytes, 10)] as const;
  const records: Records = { ttlsAt: [], optCount: 0, bodyEnd: -1, additional: 0 };
  let at = start;
  for (let section = 0; section < 3; section++)
    for (let i = 0; i < (counts[section] as number); i++) {
      const head = nameEnd(bytes, at);
      if (head < 0 || head + 10 > bytes.length) return undefined;
      const end = head + 10 + u16(bytes, head + 8);
      if (end > bytes.length) return undefined;
      noteRecord(records, bytes, { start: at, head, end, section });
      at = end;
    }
  if (records.bodyEnd < 0) records.bodyEnd = at;
  return records;
}

interface RecordPlace {
  start: number;
  /** Where the type is. */
  head: number;
  end: number;
  /** 0 answer, 1 authority, 2 additional. */
  section: number;
}

function noteRecord(records: Records, bytes: Uint8Array, { start, head, end, section }: RecordPlace): void {
  const type = u16(bytes, head);
  if (type === TYPE.OPT && section === 2) {
    records.optCount++;
    if (records.bodyEnd < 0) records.bodyEnd = start;
    records.edns = {
      udpBytes: u16(bytes, head + 2),
      extendedRcode: bytes[head + 4] as number,
      version: bytes[head + 5] as number,
      hasDo: (u16(bytes, head + 6) & EDNS_DO) !== 0,
    };
    return;
  }
  if (records.bodyEnd < 0) {
    records.ttlsAt.push(head + 4);
    if (section === 2) records.additional++;
  }
  if (type === TYPE.SOA && section === 1 && end - head - 10 >= 22)
    records.negativeTtl = Math.min(u32(bytes, head + 4), u32(bytes, end - 4));
}

/** A server's answer, taken apart as far as it must be. */
export interface Answer {
  /** Without the OPT record and what follows it: options are between neighbours (RFC 6891, 6.1.1). */
  message: Uint8Array;
  rcode: number;
  isTruncated: boolean;
  /** Seconds that the answer may be kept: the smallest of its times to live; 0 for not at all. */
  ttl: number;
  /** Where the times to live are in `message`. */
  ttlsAt: readonly number[];
}

const FAILURES: ReadonlySet<number> = new Set([RCODE.formErr, RCODE.servFail, RCODE.notImp, RCODE.refused]);

/** Whether a server could not or would not answer: another one may. */
export const isFailure = (rcode: number): boolean => FAILURES.has(rcode);

/**
 * Reads what came back for a query that was sent under `id`; undefined for everything that is not a well-formed answer to it.
 * A failure without a question counts: some servers repeat nothing that they do not understand.
 */
export function parseAnswer(bytes: Uint8Array, query: Query, id: number): Answer | undefined {
  if (bytes.length < HEADER_BYTES || u16(bytes, 0) !== id) return undefined;
  const flags = u16(bytes, 2);
  if ((flags & FLAG.response) === 0 || (flags & FLAG.opcode) !== 0) return undefined;
  const rcode = flags & 0xf;
  const isTruncated = (flags & FLAG.truncated) !== 0;
  const bare = { message: bytes, rcode, isTruncated, ttl: 0, ttlsAt: [] };
  if (u16(bytes, 4) === 0) return isFailure(rcode) ? bare : undefined;
  const questionEnd = HEADER_BYTES + query.question.length;
  if (u16(bytes, 4) !== 1 || !isSameQuestion(bytes.subarray(HEADER_BYTES, questionEnd), query.question))
    return undefined;
  const records = readRecords(bytes, questionEnd);
  if (records === undefined) return isTruncated ? bare : undefined;
  const message = Buffer.from(bytes.subarray(0, records.bodyEnd));
  message.writeUInt16BE(records.additional, 10);
  const fullRcode = rcode | ((records.edns?.extendedRcode ?? 0) << 4);
  return {
    message,
    rcode: fullRcode,
    isTruncated,
    ttl: answerTtl(bytes, fullRcode, records),
    ttlsAt: records.ttlsAt,
  };
}

/** An address of an answer, and how long it is one. */
export interface NamedAddress {
  ip: string;
  ttlSeconds: number;
}

/** Returns the addresses in the answer section, whatever names they are behind; none of a message that is malformed. */
export function addressesIn(bytes: Uint8Array): NamedAddress[] {
  const question = readQuestion(bytes);
  if (question === undefined) return [];
  const found: NamedAddress[] = [];
  let at = question.end;
  for (let i = u16(bytes, 6); i > 0; i--) {
    const head = nameEnd(bytes, at);
    if (head < 0 || head + 10 > bytes.length) break;
    const [type, length] = [u16(bytes, head), u16(bytes, head + 8)];
    at = head + 10 + length;
    if (at > bytes.length) break;
    const isAddress = (type === TYPE.A && length === 4) || (type === TYPE.AAAA && length === 16);
    if (isAddress)
      found.push({ ip: ipText(bytes.subarray(head + 10, at)), ttlSeconds: u32(bytes, head + 4) });
  }
  return found;
}

/** Names may differ in the case of letters; type and class are the last four bytes. */
function isSameQuestion(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  const nameEnds = a.length - 4;
  return a.every((byte, i) => (i < nameEnds ? lower(byte) === lower(b[i] as number) : byte === b[i]));
}

const lower = (byte: number): number => (byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte);

/** An answer without records lives as long as the zone says that nothing is there (RFC 2308). */
function answerTtl(bytes: Uint8Array, rcode: number, records: Records): number {
  if (rcode !== RCODE.noError && rcode !== RCODE.nxDomain) return 0;
  const count = u16(bytes, 6);
  if (rcode === RCODE.nxDomain || count === 0) return records.negativeTtl ?? 0;
  return records.ttlsAt.slice(0, count).reduce((least, at) => Math.min(least, u32(bytes, at)), Infinity);
}

/** Returns the address that a name in in-addr.arpa or ip6.arpa stands for; undefined for other names. */
export function reverseAddress(name: string): string | undefined {
  const v4 = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.in-addr\.arpa$/.exec(name);
  if (v4 !== null) {
    const bytes = v4.slice(1).map(Number).reverse();
    return bytes.every((b) => b < 256) ? bytes.join(".") : undefined;
  }
  const v6 = /^((?:[0-9a-f]\.){32})ip6\.arpa$/.exec(name)?.[1];
  if (v6 === undefined) return undefined;
  const digits = v6.replaceAll(".", "").split("").reverse().join("");
  return ipText(Uint8Array.from(Buffer.from(digits, "hex")));
}
