// Internet and Ethernet addresses between text and the bytes of the wire, and CIDR prefixes.
// Strict as inet_pton(3) is: no octal, no missing parts, no zones. Pure; throws only Fault.

import { isIPv4, isIPv6 } from "node:net";
import { Fault } from "../../lib/errors.ts";

export const AF_INET = 2;
export const AF_INET6 = 10;

/** Address family of a textual address. */
export type Family = typeof AF_INET | typeof AF_INET6;

/** Returns the 4 or 16 bytes of an address. Throws Fault invalidParameter `address.invalid`. */
export function ipBytes(ip: string): Uint8Array {
  if (isIPv4(ip)) return Uint8Array.from(ip.split("."), Number);
  if (isIPv6(ip) && !ip.includes("%")) return ipv6Bytes(ip);
  throw new Fault("invalidParameter", `invalid IP address: ${JSON.stringify(ip)}`, {
    code: "address.invalid",
  });
}

function ipv6Bytes(ip: string): Uint8Array {
  const words = (part: string): number[] =>
    part === ""
      ? []
      : part.split(":").flatMap((w) => {
          if (!w.includes(".")) return [Number.parseInt(w, 16)];
          const [a = 0, b = 0, c = 0, d = 0] = w.split(".").map(Number);
          return [(a << 8) | b, (c << 8) | d];
        });
  const [left = "", right] = ip.split("::");
  const head = words(left);
  const tail = right === undefined ? [] : words(right);
  const all = [...head, ...new Array<number>(8 - head.length - tail.length).fill(0), ...tail];
  return Uint8Array.from(all.flatMap((w) => [w >> 8, w & 0xff]));
}

/** Returns the text of 4 or 16 address bytes, IPv6 in the shortest form (RFC 5952). */
export function ipText(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join(".");
  if (bytes.length !== 16) throw new Fault("invalidParameter", "an IP address has 4 or 16 bytes");
  const words = Array.from(
    { length: 8 },
    (_, i) => ((bytes[2 * i] as number) << 8) | (bytes[2 * i + 1] as number),
  );
  const isMapped = words.slice(0, 5).every((w) => w === 0) && words[5] === 0xffff;
  if (isMapped) return `::ffff:${bytes.subarray(12).join(".")}`;
  const [start, length] = longestZeroRun(words);
  const hex = (part: number[]): string => part.map((w) => w.toString(16)).join(":");
  return length < 2 ? hex(words) : `${hex(words.slice(0, start))}::${hex(words.slice(start + length))}`;
}

function longestZeroRun(words: readonly number[]): [start: number, length: number] {
  let best: [number, number] = [0, 0];
  for (let i = 0; i < words.length; i++) {
    let n = 0;
    while (words[i + n] === 0) n++;
    if (n > best[1]) best = [i, n];
    i += n;
  }
  return best;
}

/** AF_INET or AF_INET6 of a textual address; assumes that it is valid. */
export const familyOf = (ip: string): Family => (ip.includes(":") ? AF_INET6 : AF_INET);

/** A network: its lowest address and the number of fixed bits. */
export interface Prefix {
  family: Family;
  /** Lowest address as a number; host bits zero. */
  base: bigint;
  length: number;
}

/** The value of an address as an unsigned number. */
export function ipNumber(ip: string): bigint {
  let n = 0n;
  for (const b of ipBytes(ip)) n = (n << 8n) | BigInt(b);
  return n;
}

/** The text of an address given as a number. */
export function ipFromNumber(n: bigint, family: Family): string {
  const bytes = new Uint8Array(family === AF_INET ? 4 : 16);
  for (let i = bytes.length - 1, rest = n; i >= 0; i--, rest >>= 8n) bytes[i] = Number(rest & 0xffn);
  return ipText(bytes);
}

/** Parses "10.0.0.0/8"; host bits are cleared. Throws Fault invalidParameter `subnet.invalid`. */
export function parsePrefix(cidr: string): Prefix {
  return parseInterface(cidr).prefix;
}

/** Parses an interface address "10.0.0.1/8" into the address and its network. Throws Fault invalidParameter `subnet.invalid`. */
export function parseInterface(cidr: string): { ip: string; prefix: Prefix } {
  const [ip = "", bits = "", ...rest] = cidr.split("/");
  const isAddress = isIPv4(ip) || (isIPv6(ip) && !ip.includes("%"));
  const length = /^(0|[1-9]\d{0,2})$/.test(bits) ? Number(bits) : -1;
  const width = isAddress ? widthOf(familyOf(ip)) : 0;
  if (!isAddress || rest.length > 0 || length < 0 || length > width)
    throw new Fault("invalidParameter", `invalid CIDR address: ${cidr}`, { code: "subnet.invalid" });
  const family = familyOf(ip);
  const hostBits = BigInt(width - length);
  return { ip, prefix: { family, base: (ipNumber(ip) >> hostBits) << hostBits, length } };
}

/** Number of bits of an address. */
export const widthOf = (family: Family): number => (family === AF_INET ? 32 : 128);

/** Number of addresses in a prefix. */
export const prefixSize = (p: Prefix): bigint => 1n << BigInt(widthOf(p.family) - p.length);

/** "10.0.0.0/8". */
export const prefixText = (p: Prefix): string => `${ipFromNumber(p.base, p.family)}/${p.length}`;

/** Whether two prefixes share an address. */
export function prefixesOverlap(a: Prefix, b: Prefix): boolean {
  return a.family === b.family && a.base < b.base + prefixSize(b) && b.base < a.base + prefixSize(a);
}

/** Whether the address lies in the prefix. */
export function prefixContains(p: Prefix, ip: string): boolean {
  if (familyOf(ip) !== p.family) return false;
  const n = ipNumber(ip);
  return n >= p.base && n < p.base + prefixSize(p);
}

/** Returns the 6 bytes of "02:42:ac:11:00:02". Throws Fault invalidParameter `mac.invalid`. */
export function macBytes(mac: string): Uint8Array {
  if (!/^[0-9a-f]{2}([:-][0-9a-f]{2}){5}$/i.test(mac))
    throw new Fault("invalidParameter", `invalid MAC address: ${JSON.stringify(mac)}`, {
      code: "mac.invalid",
    });
  return Uint8Array.from(mac.split(/[:-]/), (part) => Number.parseInt(part, 16));
}

/** "02:42:ac:11:00:02". */
export const macText = (bytes: Uint8Array): string =>
  Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join(":");
