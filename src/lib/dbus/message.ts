// Messages of D-Bus (D-Bus specification, "Message Format"): a head of a fixed form, header fields by number, a body.

import { malformed } from "./signature.ts";
import { type DbusValue, decodeValues, encodeValues, Variant } from "./value.ts";

export const MESSAGE = { call: 1, reply: 2, error: 3, signal: 4 } as const;

export interface DbusMessage {
  type: number;
  serial: number;
  path?: string;
  interface?: string;
  member?: string;
  errorName?: string;
  replySerial?: number;
  destination?: string;
  /** Of the body. */
  signature?: string;
  body: readonly DbusValue[];
}

type FieldName = "path" | "interface" | "member" | "errorName" | "replySerial" | "destination" | "signature";
const FIELDS: readonly (readonly [number, string, FieldName])[] = [
  [1, "o", "path"],
  [2, "s", "interface"],
  [3, "s", "member"],
  [4, "s", "errorName"],
  [5, "u", "replySerial"],
  [6, "s", "destination"],
  [8, "g", "signature"],
];

const LITTLE_ENDIAN = 0x6c;
const VERSION = 1;
/** The head up to the length of the header fields. */
const HEAD_SIZE = 16;
const MAX_SIZE = 128 << 20;

const padded = (size: number) => size + (-size & 7);

export function encodeMessage(message: DbusMessage): Buffer {
  const body = encodeValues(message.signature ?? "", message.body);
  const fields = FIELDS.flatMap(([code, type, name]) => {
    const value = message[name];
    return value === undefined || value === "" ? [] : [[code, new Variant(type, value)]];
  });
  const head = encodeValues("yyyyuua(yv)", [
    LITTLE_ENDIAN,
    message.type,
    0,
    VERSION,
    body.length,
    message.serial,
    fields,
  ]);
  return Buffer.concat([head, Buffer.alloc(padded(head.length) - head.length), body]);
}

/** Takes the first message off `bytes`; undefined when it is not complete yet. Throws Fault for what is no message. */
export function decodeMessage(bytes: Buffer): { message: DbusMessage; size: number } | undefined {
  if (bytes.length < HEAD_SIZE) return undefined;
  if (bytes[0] !== LITTLE_ENDIAN || bytes[3] !== VERSION) throw malformed("not a message of this machine's");
  const bodySize = bytes.readUInt32LE(4);
  const headSize = padded(HEAD_SIZE + bytes.readUInt32LE(12));
  const size = headSize + bodySize;
  if (size > MAX_SIZE) throw malformed("too long");
  if (bytes.length < size) return undefined;
  const [, type, , , , serial, fields] = decodeValues("yyyyuua(yv)", bytes.subarray(0, headSize)).values;
  const message: DbusMessage = { type: type as number, serial: serial as number, body: [] };
  for (const [code, value] of fields as [number, Variant][]) {
    const known = FIELDS.find(([number, signature]) => number === code && signature === value.signature);
    if (known) Object.assign(message, { [known[2]]: value.value });
  }
  const body = bytes.subarray(headSize, size);
  message.body = decodeValues(message.signature ?? "", body).values;
  return { message, size };
}
