// gRPC over HTTP/2: messages behind five-byte heads, statuses in trailers. What client and server share.

import { Fault, type FaultKind } from "../errors.ts";
import { bytes, integer, list, message, sub, text } from "../protobuf/message.ts";

/** The largest message taken. */
const MAX_MESSAGE_BYTES = 64 << 20;
const HEAD_BYTES = 5;

/** Status codes by which both sides speak of failures. */
export const CODES = {
  ok: 0,
  cancelled: 1,
  unknown: 2,
  invalidArgument: 3,
  deadlineExceeded: 4,
  notFound: 5,
  alreadyExists: 6,
  permissionDenied: 7,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  dataLoss: 15,
  unauthenticated: 16,
} as const;

const KINDS: Readonly<Record<number, FaultKind>> = {
  [CODES.cancelled]: "cancelled",
  [CODES.invalidArgument]: "invalidParameter",
  [CODES.deadlineExceeded]: "deadline",
  [CODES.notFound]: "notFound",
  [CODES.alreadyExists]: "conflict",
  [CODES.permissionDenied]: "forbidden",
  [CODES.unimplemented]: "notImplemented",
  [CODES.unavailable]: "unavailable",
  [CODES.dataLoss]: "dataLoss",
  [CODES.unauthenticated]: "unauthorized",
};
const CODE_OF = new Map(Object.entries(KINDS).map(([code, kind]) => [kind, Number(code)]));

/** A document that a status carries beside its text. */
export interface StatusDetail {
  readonly typeUrl: string;
  readonly value: Uint8Array;
}

const any = message({ typeUrl: text(1), value: bytes(2) });
const status = message({ code: integer(1), text: text(2), details: list(sub(3, () => any)) });

/** Returns the failure that a status other than 0 stands for; its documents are in `detail.details`. */
export function faultOfStatus(code: number, what: string, encodedDetails: string | undefined): Fault {
  const details = encodedDetails === undefined ? undefined : decodeDetails(encodedDetails);
  return new Fault(KINDS[code] ?? "system", what, {
    code: "grpc.status",
    detail: { grpc: code, ...(details === undefined ? {} : { details }) },
  });
}

function decodeDetails(encoded: string): StatusDetail[] | undefined {
  try {
    return status
      .decode(Buffer.from(encoded, "base64"))
      .details.map(({ typeUrl = "", value = new Uint8Array(0) }) => ({ typeUrl, value }));
  } catch {
    return undefined; // ignored: the status has its text
  }
}

/** Returns the documents of a failure as a trailer carries them. */
export function encodeDetails(code: number, what: string, details: readonly StatusDetail[]): string {
  const encoded = status.encode({ code, text: what, details: [...details] });
  return Buffer.from(encoded).toString("base64").replace(/=+$/, "");
}

/** Returns the status code for whatever was thrown. */
export function codeOfError(error: unknown): number {
  if (!(error instanceof Fault)) return CODES.unknown;
  return CODE_OF.get(error.kind) ?? CODES.unknown;
}

/** Escapes a status text as trailers want it. */
export function encodeStatusText(text: string): string {
  return [...Buffer.from(text)]
    .map((b) =>
      b < 0x20 || b > 0x7e || b === 0x25
        ? `%${b.toString(16).toUpperCase().padStart(2, "0")}`
        : String.fromCharCode(b),
    )
    .join("");
}

export function decodeStatusText(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // ignored: it is shown as it came
  }
}

/** Returns a message as it goes over the wire. */
export function frameMessage(message: Uint8Array): Buffer {
  const head = Buffer.alloc(HEAD_BYTES);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

/** Puts messages together from pieces of any length. */
export class MessageReader {
  private chunks: Buffer[] = [];
  private size = 0;
  private wanted = HEAD_BYTES;
  private isHead = true;

  /** Returns the messages that a piece completes. Throws Fault invalidParameter for what is compressed or too large. */
  push(piece: Uint8Array): Uint8Array[] {
    this.chunks.push(Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength));
    this.size += piece.byteLength;
    const messages: Uint8Array[] = [];
    while (this.size >= this.wanted) {
      const part = this.take(this.wanted);
      if (!this.isHead) {
        messages.push(part);
        this.wanted = HEAD_BYTES;
      } else this.wanted = readHead(part);
      this.isHead = !this.isHead;
    }
    return messages;
  }

  private take(length: number): Buffer {
    const all = this.chunks.length === 1 ? (this.chunks[0] as Buffer) : Buffer.concat(this.chunks);
    this.chunks = all.length > length ? [all.subarray(length)] : [];
    this.size = all.length - length;
    return all.subarray(0, length);
  }
}

function readHead(head: Buffer): number {
  if (head[0] !== 0)
    throw new Fault("invalidParameter", "compressed gRPC messages are not understood", {
      code: "grpc.compressed",
    });
  const length = head.readUInt32BE(1);
  if (length > MAX_MESSAGE_BYTES)
    throw new Fault("invalidParameter", `a gRPC message of ${length} bytes is too large`, {
      code: "grpc.size",
    });
  return length;
}
