// Fluentd's forward protocol, message mode: [tag, time, record, option] in MessagePack (github.com/fluent/fluentd/wiki,
// "Forward Protocol Specification v1"). Pure: no sockets. The encoder is our own, because text here is any bytes: MessagePack's str
// takes them, the library's encoder only takes strings. Answers are decoded by the library.
import { decodeMultiStream } from "@msgpack/msgpack";

export interface ForwardMessage {
  readonly tag: string;
  readonly timeNano: bigint;
  readonly record: Iterable<readonly [key: string, value: string | Uint8Array]>;
  /** Asks for an acknowledgement that names this chunk. */
  readonly chunk?: string;
}

/** Returns the bytes of a message; time in whole seconds, or as EventTime with nanoseconds. */
export function encodeForward(m: ForwardMessage, options: { hasNanoseconds: boolean }): Buffer {
  const seconds = Number(m.timeNano / 1_000_000_000n);
  const record = [...m.record];
  const option = m.chunk === undefined ? [] : ([["chunk", m.chunk]] as const);
  return Buffer.concat([
    Buffer.of(0x94), // array of 4
    text(m.tag),
    options.hasNanoseconds ? eventTime(seconds, Number(m.timeNano % 1_000_000_000n)) : integer(seconds),
    map(record),
    map(option),
  ]);
}

function text(value: string | Uint8Array): Buffer {
  const bytes = Buffer.from(value as string);
  const n = bytes.length;
  if (n < 32) return Buffer.concat([Buffer.of(0xa0 | n), bytes]);
  return Buffer.concat([n < 0x1_0000 ? head16(0xda, n) : head32(0xdb, n), bytes]);
}

function map(entries: readonly (readonly [string, string | Uint8Array])[]): Buffer {
  const n = entries.length;
  const head = n < 16 ? Buffer.of(0x80 | n) : head16(0xde, n);
  return Buffer.concat([head, ...entries.flatMap(([key, value]) => [text(key), text(value)])]);
}

const integer = (value: number): Buffer => head32(0xce, value);

function eventTime(seconds: number, nanoseconds: number): Buffer {
  const out = Buffer.from([0xd7, 0, 0, 0, 0, 0, 0, 0, 0, 0]); // fixext 8, type 0
  out.writeUInt32BE(seconds, 2);
  out.writeUInt32BE(nanoseconds, 6);
  return out;
}

function head16(code: number, value: number): Buffer {
  const out = Buffer.from([code, 0, 0]);
  out.writeUInt16BE(value, 1);
  return out;
}

function head32(code: number, value: number): Buffer {
  const out = Buffer.from([code, 0, 0, 0, 0]);
  out.writeUInt32BE(value, 1);
  return out;
}

/** Yields the chunks that a receiver acknowledges, as its bytes come in. */
export async function* decodeAcks(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  for await (const value of decodeMultiStream(bytes)) {
    const ack = (value as { ack?: unknown } | null)?.ack;
    if (typeof ack === "string") yield ack;
  }
}
