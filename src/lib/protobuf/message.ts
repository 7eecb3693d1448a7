// Protocol Buffers (proto3) wire format, as far as gRPC services are spoken here: a message is a table of fields, from which
// come its type, its encoder and its decoder. Unknown fields are skipped. Numbers of 64 bits are JavaScript numbers:
// sizes, times and counts stay below 2^53.

import { Fault } from "../errors.ts";

interface Kind<T> {
  readonly wire: 0 | 1 | 2 | 5;
  readonly zero: T;
  /** Undefined for values that the wire leaves out. */
  encode(value: T): Uint8Array | undefined;
  decode(reader: Reader): T;
}

/** One field: its number, and how it is read and written. */
export interface Field<T> {
  readonly number: number;
  readonly zero: T;
  write(value: T, out: Uint8Array[]): void;
  /** Takes one occurrence in. */
  read(previous: T, wire: number, reader: Reader): T;
}

type Fields = Readonly<Record<string, Field<never>>>;
export type MessageOf<F> = { -readonly [K in keyof F]: F[K] extends Field<infer T> ? T : never };

/** A message's table. */
export interface Message<T> {
  /** Encodes what is given; the other fields are left out. */
  encode(value: Partial<T>): Uint8Array;
  /** Throws Fault invalidParameter for bytes that are no such message. */
  decode(bytes: Uint8Array): T;
}

const MAX_DEPTH = 64;

function malformed(why: string): Fault {
  return new Fault("invalidParameter", `malformed protocol buffer: ${why}`, { code: "protobuf.malformed" });
}

class Reader {
  readonly #bytes: Uint8Array;
  #at = 0;
  readonly depth: number;

  constructor(bytes: Uint8Array, depth: number) {
    if (depth > MAX_DEPTH) throw malformed("nested too deeply");
    this.#bytes = bytes;
    this.depth = depth;
  }

  get isOver(): boolean {
    return this.#at >= this.#bytes.length;
  }

  varint(): bigint {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined) throw malformed("cut short");
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asUintN(64, value);
    }
    throw malformed("a number is too long");
  }

  /** The common case of varint: below 2^53. */
  number(): number {
    let value = 0;
    let scale = 1;
    for (let i = 0; i < 7; i++) {
      const byte = this.#bytes[this.#at + i];
      if (byte === undefined) throw malformed("cut short");
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        this.#at += i + 1;
        return value;
      }
      scale *= 128;
    }
    return Number(BigInt.asIntN(64, this.varint()));
  }

  varintBytes(): Uint8Array {
    const start = this.#at;
    this.varint();
    return this.#bytes.subarray(start, this.#at);
  }

  bytes(): Uint8Array {
    const length = this.number();
    return this.take(length);
  }

  take(length: number): Uint8Array {
    const end = this.#at + length;
    if (!(length >= 0) || end > this.#bytes.length) throw malformed("cut short");
    const part = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return part;
  }

  skip(wire: number): void {
    if (wire === 0) this.varint();
    else if (wire === 1) this.take(8);
    else if (wire === 2) this.bytes();
    else if (wire === 5) this.take(4);
    else throw malformed(`wire type ${wire}`);
  }
}

function encodeVarint(value: number): Uint8Array {
  const bytes: number[] = [];
  if (value < 0) {
    for (let rest = BigInt.asUintN(64, BigInt(value)); ; rest >>= 7n) {
      if (rest < 0x80n) return Uint8Array.from([...bytes, Number(rest)]);
      bytes.push(Number(rest & 0x7fn) | 0x80);
    }
  }
  let rest = value;
  while (rest >= 0x80) {
    bytes.push((rest % 128) | 0x80);
    rest = Math.floor(rest / 128);
  }
  return Uint8Array.from([...bytes, rest]);
}

const tag = (number: number, wire: number): Uint8Array => encodeVarint(number * 8 + wire);

const INTEGER: Kind<number> = {
  wire: 0,
  zero: 0,
  encode: (value) => (value === 0 ? undefined : encodeVarint(value)),
  decode: (reader) => reader.number(),
};
const BOOLEAN: Kind<boolean> = {
  wire: 0,
  zero: false,
  encode: (value) => (value ? Uint8Array.of(1) : undefined),
  decode: (reader) => reader.varint() !== 0n,
};
const TEXT: Kind<string> = {
  wire: 2,
  zero: "",
  encode: (value) => (value === "" ? undefined : Buffer.from(value)),
  decode: (reader) => Buffer.from(reader.bytes()).toString("utf8"),
};
const NUMBER_BYTES: Kind<Uint8Array> = {
  wire: 0,
  zero: new Uint8Array(0),
  encode: (value) => (value.length === 0 ? undefined : value),
  decode: (reader) => reader.varintBytes(),
};
const BYTES: Kind<Uint8Array> = {
  wire: 2,
  zero: new Uint8Array(0),
  encode: (value) => (value.length === 0 ? undefined : value),
  decode: (reader) => reader.bytes(),
};

function writeValue(number: number, wire: number, bytes: Uint8Array, out: Uint8Array[]): void {
  out.push(tag(number, wire));
  if (wire === 2) out.push(encodeVarint(bytes.length));
  out.push(bytes);
}

function single<T>(number: number, kind: Kind<T>): Field<T> {
  return {
    number,
    zero: kind.zero,
    write(value, out) {
      const bytes = kind.encode(value);
      if (bytes !== undefined) writeValue(number, kind.wire, bytes, out);
    },
    read(_, wire, reader) {
      if (wire !== kind.wire) throw malformed(`field ${number} has wire type ${wire}`);
      return kind.decode(reader);
    },
  };
}

/** Any of proto's integer types that are varints, signed or not. */
export const integer = (number: number): Field<number> => single(number, INTEGER);
export const boolean = (number: number): Field<boolean> => single(number, BOOLEAN);
export const text = (number: number): Field<string> => single(number, TEXT);
export const bytes = (number: number): Field<Uint8Array> => single(number, BYTES);

/** A number as its bytes in the message, where it can be overwritten; none when it is not there. */
export const numberBytes = (number: number): Field<Uint8Array> => single(number, NUMBER_BYTES);

/** proto2's optional: what is given is written although it is the zero value, and undefined when it is not there. */
export function explicit<T>(field: Field<T>): Field<T | undefined> {
  return {
    number: field.number,
    zero: undefined,
    write(value, out) {
      if (value === undefined) return;
      const before = out.length;
      field.write(value, out);
      if (out.length > before) return;
      const isNumber = typeof value === "number" || typeof value === "boolean";
      out.push(tag(field.number, isNumber ? 0 : 2), Uint8Array.of(0)); // the number 0, or no bytes
    },
    read: (_, wire, reader) => field.read(field.zero, wire, reader),
  };
}

/** A message in a message; undefined when it is not there. */
export function sub<T>(number: number, message: () => Message<T>): Field<Partial<T> | undefined> {
  return {
    number,
    zero: undefined,
    write(value, out) {
      if (value !== undefined) writeValue(number, 2, message().encode(value), out);
    },
    read: (_, wire, reader) => {
      if (wire !== 2) throw malformed(`field ${number} has wire type ${wire}`);
      return decodeAt(message(), reader.bytes(), reader.depth + 1);
    },
  };
}

/** A repeated field of texts, bytes or messages. */
export function list<T>(element: Field<T>): Field<NonNullable<T>[]> {
  const zero: NonNullable<T>[] = [];
  return {
    number: element.number,
    zero,
    write(values, out) {
      for (const value of values) {
        const before = out.length;
        element.write(value, out);
        // An element that is the zero value is still an element.
        if (out.length === before) writeValue(element.number, 2, new Uint8Array(0), out);
      }
    },
    read(previous, wire, reader) {
      const values = previous === zero ? [] : previous;
      values.push(element.read(element.zero, wire, reader) as NonNullable<T>);
      return values;
    },
  };
}

/** A map from texts; `value` is the field with number 2 of its entries. */
export function map<T>(number: number, value: Field<T>): Field<Readonly<Record<string, NonNullable<T>>>> {
  const entry = message({ key: text(1), value });
  return {
    number,
    zero: {},
    write(values, out) {
      for (const [key, one] of Object.entries(values))
        writeValue(number, 2, entry.encode({ key, value: one as T }), out);
    },
    read(previous, wire, reader) {
      if (wire !== 2) throw malformed(`field ${number} has wire type ${wire}`);
      const one = decodeAt(entry, reader.bytes(), reader.depth + 1);
      return { ...previous, [one.key]: one.value as NonNullable<T> };
    },
  };
}

interface Table<T> extends Message<T> {
  decodeDeep(bytes: Uint8Array, depth: number): T;
}

function decodeAt<T>(table: Message<T>, content: Uint8Array, depth: number): T {
  return (table as Table<T>).decodeDeep(content, depth);
}

/** Declares a message. */
export function message<F extends Readonly<Record<string, Field<any>>>>(fields: F): Message<MessageOf<F>> {
  const entries = Object.entries(fields as unknown as Fields);
  const byNumber = new Map(entries.map(([name, field]) => [field.number, { name, field }]));
  const zeros = Object.fromEntries(entries.map(([name, field]) => [name, field.zero]));
  const table: Table<MessageOf<F>> = {
    encode(value) {
      const out: Uint8Array[] = [];
      for (const [name, field] of entries) {
        const given = (value as Record<string, unknown>)[name];
        if (given !== undefined) field.write(given as never, out);
      }
      return Buffer.concat(out);
    },
    decode: (content) => table.decodeDeep(content, 0),
    decodeDeep(content, depth) {
      const reader = new Reader(content, depth);
      const result: Record<string, unknown> = { ...zeros };
      while (!reader.isOver) {
        const key = reader.number();
        const wire = key % 8;
        const known = byNumber.get(Math.floor(key / 8));
        if (known === undefined) reader.skip(wire);
        else result[known.name] = known.field.read(result[known.name] as never, wire, reader);
      }
      return result as MessageOf<F>;
    },
  };
  return table;
}
