// DNS over a stream: every message has its length in front (RFC 1035, 4.2.2).

import { MAX_MESSAGE_BYTES, u16 } from "./message.ts";

/** Returns a message as it is sent on a stream. */
export function frameMessage(message: Uint8Array): Uint8Array {
  const head = Buffer.alloc(2);
  head.writeUInt16BE(Math.min(message.length, MAX_MESSAGE_BYTES));
  return Buffer.concat([head, message.subarray(0, MAX_MESSAGE_BYTES)]);
}

/** Puts the pieces of a stream together; holds at most one unfinished message. */
export class MessageAssembler {
  #rest: Buffer = Buffer.alloc(0);

  /** Takes a piece and returns the messages that it completes. */
  push(piece: Uint8Array): Uint8Array[] {
    const messages: Uint8Array[] = [];
    let bytes = this.#rest.length === 0 ? Buffer.from(piece) : Buffer.concat([this.#rest, piece]);
    while (bytes.length >= 2 && bytes.length >= 2 + u16(bytes, 0)) {
      messages.push(bytes.subarray(2, 2 + u16(bytes, 0)));
      bytes = bytes.subarray(2 + u16(bytes, 0));
    }
    this.#rest = bytes;
    return messages;
  }
}
