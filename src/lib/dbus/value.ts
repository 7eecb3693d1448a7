// Values of D-Bus as bytes and back (D-Bus specification, "Marshaling"), little endian both ways, which is what we say and what every peer on
// this machine answers with.

import { alignmentOf, type BasicCode, type DbusType, malformed, parseSignature } from "./signature.ts";

/** Integers of 64 bits are bigints, structs and dictionary entries lists of their fields. */
export type DbusValue = number | bigint | boolean | string | Variant | readonly DbusValue[];

export class Variant {
  readonly signature: string;
  readonly value: DbusValue;
  constructor(signature: string, value: DbusValue) {
    this.signature = signature;
    this.value = value;
  }
}

/** The specification's limit for a message. */
const MAX_SIZE = 128 << 20;

/** Returns the bytes of values, as they are at the start of a message's body. Throws Fault where a value is not of its type. */
export function encodeValues(signature: string, values: readonly DbusValue[]): Buffer {
  const types = parseSignature(signature);
  if (types.length !== values.length)
    throw malformed(`"${signature}" is not the signature of ${values.length} values`);
  const writer = new Writer();
  for (const [i, type] of types.entries()) writer.value(type, values[i] as DbusValue);
  return writer.bytes();
}

/** Returns the values in `bytes` from `from` on, which alignment counts from the start of, and where they end. Throws Fault. */
export function decodeValues(
  signature: string,
  bytes: Buffer,
  from = 0,
): { values: DbusValue[]; end: number } {
  const reader = new Reader(bytes, from);
  const values = parseSignature(signature).map((type) => reader.value(type, 0));
  return { values, end: reader.at };
}

/** How often a variant may be in a variant. */
const MAX_DEPTH = 64;

class Writer {
  #chunks: Buffer[] = [];
  #size = 0;

  bytes(): Buffer {
    return Buffer.concat(this.#chunks);
  }

  #put(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#size += chunk.length;
  }

  #pad(alignment: number): void {
    const missing = -this.#size & (alignment - 1);
    if (missing > 0) this.#put(Buffer.alloc(missing));
  }

  value(type: DbusType, value: DbusValue): void {
    this.#pad(alignmentOf(type));
    if (type.kind === "basic") this.#put(encodeBasic(type.code, value));
    else if (type.kind === "variant") this.#variant(value);
    else if (type.kind === "array") this.#array(type.of, listOf(value));
    else {
      const fields = listOf(value);
      if (fields.length !== type.fields.length) throw malformed("a struct has other fields");
      for (const [i, field] of type.fields.entries()) this.value(field, fields[i] as DbusValue);
    }
  }

  #variant(value: DbusValue): void {
    if (!(value instanceof Variant)) throw malformed("a variant was expected");
    const [type, ...more] = parseSignature(value.signature);
    if (type === undefined || more.length > 0) throw malformed(`a variant cannot be "${value.signature}"`);
    this.#put(encodeBasic("g", value.signature));
    this.value(type, value.value);
  }

  /** The length does not count what is between it and the first element. */
  #array(of: DbusType, elements: readonly DbusValue[]): void {
    const length = Buffer.alloc(4);
    this.#put(length);
    this.#pad(alignmentOf(of));
    const start = this.#size;
    for (const element of elements) this.value(of, element);
    length.writeUInt32LE(this.#size - start);
  }
}

function listOf(value: DbusValue): readonly DbusValue[] {
  if (!Array.isArray(value)) throw malformed("a list was expected");
  return value as readonly DbusValue[];
}

const NUMBERS: Readonly<
  Partial<
    Record<
      BasicCode,
      readonly [size: number, write: (b: Buffer, v: number) => void, read: (b: Buffer, at: number) => number]
    >
  >
> = {
  y: [1, (b, v) => b.writeUInt8(v), (b, at) => b.readUInt8(at)],
  n: [2, (b, v) => b.writeInt16LE(v), (b, at) => b.readInt16LE(at)],
  q: [2, (b, v) => b.writeUInt16LE(v), (b, at) => b.readUInt16LE(at)],
  i: [4, (b, v) => b.writeInt32LE(v), (b, at) => b.readInt32LE(at)],
  u: [4, (b, v) => b.writeUInt32LE(v), (b, at) => b.readUInt32LE(at)],
  h: [4, (b, v) => b.writeUInt32LE(v), (b, at) => b.readUInt32LE(at)],
  d: [8, (b, v) => b.writeDoubleLE(v), (b, at) => b.readDoubleLE(at)],
};

function encodeBasic(code: BasicCode, value: DbusValue): Buffer {
  const number = NUMBERS[code];
  try {
    if (number !== undefined) {
      const buffer = Buffer.alloc(number[0]);
      number[1](buffer, expect<number>("number", value));
      return buffer;
    }
    if (code === "b") return Buffer.from([expect<boolean>("boolean", value) ? 1 : 0, 0, 0, 0]);
    if (code === "x" || code === "t") {
      const buffer = Buffer.alloc(8);
      const wide = expect<bigint>("bigint", value);
      if (code === "x") buffer.writeBigInt64LE(wide);
      else buffer.writeBigUInt64LE(wide);
      return buffer;
    }
  } catch (error) {
    if (error instanceof RangeError) throw malformed(`a number is out of range for "${code}"`);
    throw error;
  }
  const text = expect<string>("string", value);
  if (text.includes("\0")) throw malformed("a text has a NUL in it");
  const bytes = Buffer.from(text);
  const length = Buffer.alloc(code === "g" ? 1 : 4);
  if (code !== "g") length.writeUInt32LE(bytes.length);
  else if (bytes.length > 255) throw malformed("a signature is too long");
  else length.writeUInt8(bytes.length);
  return Buffer.concat([length, bytes, Buffer.alloc(1)]);
}

function expect<T>(type: string, value: DbusValue): T {
  if (typeof value !== type) throw malformed(`a ${type} was expected, not ${typeof value}`);
  return value as T;
}

class Reader {
  readonly #bytes: Buffer;
  at: number;

  constructor(bytes: Buffer, at: number) {
    this.#bytes = bytes;
    this.at = at;
  }

  #take(size: number): number {
    const start = this.at;
    if (size > MAX_SIZE || start + size > this.#bytes.length) throw malformed("cut short");
    this.at += size;
    return start;
  }

  #skipPadding(alignment: number): void {
    this.#take(-this.at & (alignment - 1));
  }

  value(type: DbusType, depth: number): DbusValue {
    if (depth > MAX_DEPTH) throw malformed("nested too deeply");
    this.#skipPadding(alignmentOf(type));
    if (type.kind === "basic") return this.#basic(type.code);
    if (type.kind === "struct") return type.fields.map((field) => this.value(field, depth + 1));
    if (type.kind === "array") return this.#array(type.of, depth + 1);
    const signature = this.#text(1);
    const [inner, ...more] = parseSignature(signature);
    if (inner === undefined || more.length > 0) throw malformed(`a variant cannot be "${signature}"`);
    return new Variant(signature, this.value(inner, depth + 1));
  }

  #array(of: DbusType, depth: number): DbusValue[] {
    const size = this.#bytes.readUInt32LE(this.#take(4));
    this.#skipPadding(alignmentOf(of));
    const end = this.at + size;
    if (size > MAX_SIZE || end > this.#bytes.length) throw malformed("cut short");
    const elements: DbusValue[] = [];
    while (this.at < end) elements.push(this.value(of, depth));
    if (this.at !== end) throw malformed("an array ends within an element");
    return elements;
  }

  #basic(code: BasicCode): DbusValue {
    const number = NUMBERS[code];
    if (number !== undefined) return number[2](this.#bytes, this.#take(number[0]));
    if (code === "b") return this.#bytes.readUInt32LE(this.#take(4)) !== 0;
    if (code === "x") return this.#bytes.readBigInt64LE(this.#take(8));
    if (code === "t") return this.#bytes.readBigUInt64LE(this.#take(8));
    return this.#text(code === "g" ? 1 : 4);
  }

  #text(lengthSize: 1 | 4): string {
    const at = this.#take(lengthSize);
    const length = lengthSize === 1 ? this.#bytes.readUInt8(at) : this.#bytes.readUInt32LE(at);
    const start = this.#take(length + 1);
    return this.#bytes.toString("utf8", start, start + length);
  }
}
