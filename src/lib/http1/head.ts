// The text part of HTTP/1.1 messages: writes request heads, reads response heads (RFC 9112). No I/O.
// Limits: 256 KiB per head, 1 000 header fields.

import { latin1Text } from "../bytes.ts";
import { Fault } from "../errors.ts";

export const MAX_HEAD_BYTES = 256 * 1024;
const MAX_FIELDS = 1000;
const CR = 13;
const LF = 10;

/** Status line and header fields of a response; names in lower case, repeated ones joined with ", ". */
export interface ResponseHead {
  readonly status: number;
  readonly reason: string;
  readonly headers: ReadonlyMap<string, string>;
}

function malformed(what: string): Fault {
  return new Fault("unavailable", `malformed HTTP response: ${what}`, { code: "http.malformed" });
}

const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/** A header's value, or those of one that comes several times. */
export type HeaderValue = string | readonly string[];

/** Returns the bytes of a request head. Throws Fault(invalidParameter) for characters that would break out of it. */
export function encodeRequestHead(
  method: string,
  target: string,
  headers: ReadonlyMap<string, HeaderValue> | Readonly<Record<string, HeaderValue>>,
): string {
  if (!/^[!-~]+$/.test(target)) {
    throw new Fault("invalidParameter", "request target has characters that are not allowed in a URL");
  }
  let text = `${method} ${target} HTTP/1.1\r\n`;
  const fields = headers instanceof Map ? headers : Object.entries(headers);
  for (const [name, value] of fields) {
    for (const one of typeof value === "string" ? [value] : value) {
      if (!TOKEN.test(name) || /[\r\n\0]/.test(one)) {
        throw new Fault("invalidParameter", `header "${name}" has characters that are not allowed`);
      }
      text += `${name}: ${one}\r\n`;
    }
  }
  return `${text}\r\n`;
}

/** Returns the index just behind the empty line that ends a head, -1 when it is not there yet. */
export function endOfHead(bytes: Uint8Array): number {
  for (let at = bytes.indexOf(CR); at >= 0; at = bytes.indexOf(CR, at + 1))
    if (bytes[at + 1] === LF && bytes[at + 2] === CR && bytes[at + 3] === LF) return at + 4;
  return -1;
}

/** Reads a response head (with its empty line). Throws Fault(unavailable, "http.malformed"). */
export function parseResponseHead(bytes: Uint8Array): ResponseHead {
  const lines = latin1Text(bytes).split("\r\n");
  const statusLine = /^HTTP\/1\.[01] ([0-9]{3})(?: (.*))?$/.exec(lines[0] ?? "");
  if (statusLine === null) throw malformed("no status line");
  if (lines.length > MAX_FIELDS) throw malformed("too many header fields");
  const headers = new Map<string, string>();
  for (const line of lines.slice(1)) {
    if (line === "") break;
    const colon = line.indexOf(":");
    const name = line.slice(0, Math.max(colon, 0)).toLowerCase();
    if (!TOKEN.test(name)) throw malformed("bad header field");
    const value = line.slice(colon + 1).trim();
    const before = headers.get(name);
    headers.set(name, before === undefined ? value : `${before}, ${value}`);
  }
  return { status: Number(statusLine[1]), reason: statusLine[2] ?? "", headers };
}

/** How the end of a response's body is known (RFC 9112 section 6.3). */
export type BodyFraming =
  | { readonly kind: "none" }
  | { readonly kind: "length"; readonly bytes: number }
  | { readonly kind: "chunked" }
  | { readonly kind: "untilClose" };

export function framingOf(method: string, head: ResponseHead): BodyFraming {
  const { status, headers } = head;
  if (method === "HEAD" || status === 204 || status === 304 || status < 200) return { kind: "none" };
  if ((headers.get("transfer-encoding") ?? "").toLowerCase().split(",").pop()?.trim() === "chunked") {
    return { kind: "chunked" };
  }
  const length = headers.get("content-length");
  if (length === undefined) return { kind: "untilClose" };
  const same = length.split(",").map((part) => part.trim());
  const first = same[0] ?? "";
  if (!/^[0-9]{1,15}$/.test(first) || same.some((part) => part !== first))
    throw malformed("bad content-length");
  return { kind: "length", bytes: Number(first) };
}
