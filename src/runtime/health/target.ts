// Where a check that only connects goes: `http://HOST[:PORT][/PATH]` or `[HOST:]PORT` become addresses, a port and the bytes to send.
// HOST is localhost or an address, seen from inside the container: there is nobody to ask for other names without running something
// in it.
import { isIPv4, isIPv6 } from "node:net";
import { Fault } from "../../lib/errors.ts";
import { ipBytes } from "../../linux/netlink/address.ts";

export interface ConnectTarget {
  /** Of 4 or 16 bytes, in the order they are tried. */
  readonly addresses: readonly Uint8Array[];
  readonly port: number;
  /** "": connecting is enough. */
  readonly request: string;
}

function refuse(message: string): Fault {
  return new Fault("invalidParameter", `invalid health check: ${message}`, { code: "health.target" });
}

/** Returns the addresses of a host as it stands in a URL (an IPv6 address in brackets). Throws Fault invalidParameter. */
function addressesOf(host: string): Uint8Array[] {
  if (host === "localhost") return ["127.0.0.1", "::1"].map(ipBytes);
  const inner = /^\[(.+)\]$/.exec(host)?.[1] ?? "";
  if (isIPv4(host)) return [ipBytes(host)];
  if (isIPv6(inner) && !inner.includes("%")) return [ipBytes(inner)];
  throw refuse(`"${host}" is neither localhost nor an address`);
}

/** Reads the URL of an HTTP check. Throws Fault invalidParameter with what to change. */
export function httpTarget(text: string): ConnectTarget {
  const url = URL.parse(text);
  if (url === null) throw refuse(`"${text}" is no URL such as http://localhost:8080/path`);
  if (url.protocol !== "http:") throw refuse(`"${text}" does not begin with http://`);
  if (url.username !== "" || url.password !== "")
    throw refuse(`"${text}" has a user name or a password in it`);
  return {
    addresses: addressesOf(url.hostname),
    port: Number(url.port || 80),
    request: [
      `GET ${url.pathname}${url.search} HTTP/1.1`,
      `Host: ${url.host}`,
      "User-Agent: berth-health",
      "Accept: */*",
      "Connection: close",
      "\r\n",
    ].join("\r\n"),
  };
}

/** Reads `[HOST:]PORT` of a TCP check. Throws Fault invalidParameter. */
export function tcpTarget(text: string): ConnectTarget {
  const match = /^(?:(.+):)?(\d{1,5})$/.exec(text);
  const port = Number(match?.[2] ?? 0);
  if (port < 1 || port > 65_535) throw refuse(`"${text}" is not of the form [HOST:]PORT`);
  return { addresses: addressesOf(match?.[1] ?? "localhost"), port, request: "" };
}
