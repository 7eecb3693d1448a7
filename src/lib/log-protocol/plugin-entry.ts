// What a log plugin reads from its pipe: frames of a length (four bytes, the highest first) and a protocol buffer, Docker's LogEntry:
// source = 1, time_nano = 2 (int64), line = 3, partial = 4, partial_log_metadata = 5 { last = 1, id = 2, ordinal = 3 }. Written by hand:
// times in nanoseconds do not fit a double.

const VARINT = 0;
const BYTES = 2;

export interface PluginLogEntry {
  readonly source: string;
  readonly timeNano: bigint;
  readonly line: Uint8Array;
  readonly piece?: { readonly id: string; readonly ordinal: number; readonly isLast: boolean } | undefined;
}

/** Returns one frame. */
export function encodePluginEntry({ source, timeNano, line, piece }: PluginLogEntry): Buffer {
  const message = Buffer.concat([
    bytesField(1, Buffer.from(source)),
    numberField(2, timeNano),
    bytesField(3, line),
    ...(piece === undefined
      ? []
      : [
          numberField(4, 1n),
          bytesField(
            5,
            Buffer.concat([
              numberField(1, piece.isLast ? 1n : 0n),
              bytesField(2, Buffer.from(piece.id)),
              numberField(3, BigInt(piece.ordinal)),
            ]),
          ),
        ]),
  ]);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(message.length);
  return Buffer.concat([length, message]);
}

function numberField(number: number, value: bigint): Buffer {
  return value === 0n
    ? Buffer.alloc(0)
    : Buffer.concat([varint(BigInt((number << 3) | VARINT)), varint(value)]);
}

function bytesField(number: number, value: Uint8Array): Buffer {
  if (value.length === 0) return Buffer.alloc(0);
  return Buffer.concat([varint(BigInt((number << 3) | BYTES)), varint(BigInt(value.length)), value]);
}

function varint(value: bigint): Buffer {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, value);
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  return Buffer.from([...bytes, Number(rest)]);
}
