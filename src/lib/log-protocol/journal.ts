// The datagrams of journald's native protocol (systemd.io, "Native Journal Protocol"): `NAME=value` lines, or name, length and bytes
// for values that contain a newline. Pure: no sockets.

/** Returns a datagram. Fields with a name that journald refuses are left out. */
export function encodeJournal(fields: Iterable<readonly [name: string, value: string | Uint8Array]>): Buffer {
  const parts: Buffer[] = [];
  for (const [name, value] of fields) {
    if (!/^[A-Z0-9][A-Z0-9_]{0,63}$/.test(name)) continue;
    const bytes = typeof value === "string" ? Buffer.from(value) : Buffer.from(value);
    if (bytes.includes(10)) {
      const size = Buffer.alloc(8);
      size.writeBigUInt64LE(BigInt(bytes.length));
      parts.push(Buffer.from(`${name}\n`), size, bytes, Buffer.of(10));
    } else parts.push(Buffer.from(`${name}=`), bytes, Buffer.of(10));
  }
  return Buffer.concat(parts);
}

/** Returns a field name that journald accepts: capitals, digits, underscores, none of them in front; "" where nothing is left. */
export function journalFieldName(name: string): string {
  return [...name]
    .map((c) => (/[a-z]/.test(c) ? c.toUpperCase() : /[A-Z0-9]/.test(c) ? c : "_"))
    .join("")
    .replace(/^_+/, "");
}
