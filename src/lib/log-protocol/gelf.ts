// GELF 1.1, Graylog's log format: one JSON object per message, and its chunks for datagrams
// (https://go2docs.graylog.org, "GELF"). Pure: no sockets, no compression.

export interface GelfMessage {
  readonly host: string;
  readonly text: string;
  readonly timeNano: bigint;
  /** Syslog's severity. */
  readonly level: number;
  /** Names begin with an underscore. */
  readonly fields: Readonly<Record<string, unknown>>;
}

/** Returns the message as JSON. Time has milliseconds, as the specification recommends. */
export function encodeGelf(m: GelfMessage): Buffer {
  const fixed = {
    version: "1.1",
    host: m.host,
    short_message: m.text,
    timestamp: Number(m.timeNano / 1_000_000n) / 1000,
    level: m.level,
  };
  return Buffer.from(JSON.stringify({ ...fixed, ...m.fields }));
}

/** Largest datagram: fits into an Ethernet frame. */
const DATAGRAM_BYTES = 1420;
const HEAD_BYTES = 12;
const MAX_CHUNKS = 128;

/** Returns the datagrams of a message, one as it is or up to 128 chunks with this 8-byte id; null when it is too large. */
export function chunkGelf(message: Uint8Array, id: Uint8Array): Uint8Array[] | null {
  if (message.length <= DATAGRAM_BYTES) return [message];
  const size = DATAGRAM_BYTES - HEAD_BYTES;
  const count = Math.ceil(message.length / size);
  if (count > MAX_CHUNKS) return null;
  return Array.from({ length: count }, (_, i) =>
    Buffer.concat([
      Buffer.of(0x1e, 0x0f),
      id,
      Buffer.of(i, count),
      message.subarray(i * size, (i + 1) * size),
    ]),
  );
}
