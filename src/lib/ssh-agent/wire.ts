// The data types of SSH's wire format (RFC 4251, section 5): strings and numbers that begin with their length.

import { Fault } from "../errors.ts";

/** Returns text or bytes with their length in front. */
export function sshString(value: Uint8Array | string): Buffer {
  const bytes = Buffer.from(value as Uint8Array);
  return Buffer.concat([sshUint32(bytes.length), bytes]);
}

/** Returns four bytes, the highest first. */
export function sshUint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** Returns a number that is not negative, from its bytes with the highest first, as SSH writes it: as short as it can be, no sign bit set. */
export function sshNumber(value: Uint8Array): Buffer {
  const bytes = withoutZeros(value);
  return sshString((bytes[0] ?? 0) > 0x7f ? Buffer.concat([Buffer.alloc(1), bytes]) : bytes);
}

/** Returns the bytes from the first on that is not zero. */
export function withoutZeros(value: Uint8Array): Uint8Array {
  const first = value.findIndex((byte) => byte !== 0);
  return first < 0 ? value.subarray(value.length) : value.subarray(first);
}

/** Reads what SSH wrote, front to back. All methods throw Fault(invalidParameter, "ssh.short") where bytes are missing. */
export class SshReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  bytes(length: number): Buffer {
    if (length > this.#bytes.length - this.#at)
      throw new Fault("invalidParameter", "unexpected end of data", { code: "ssh.short" });
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  uint32(): number {
    return this.bytes(4).readUInt32BE();
  }

  string(): Buffer {
    return this.bytes(this.uint32());
  }

  text(): string {
    return this.string().toString("latin1");
  }
}
