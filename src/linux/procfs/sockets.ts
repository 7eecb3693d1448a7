// Sockets that wait for connections or datagrams, as /proc/PID/net/{tcp,tcp6,udp,udp6} lists them for the process's network
// namespace (proc_net(5)). Reads only; a process that is gone has none.
import { Fault } from "../../lib/errors.ts";
import { ipText } from "../netlink/address.ts";
import { readProcTextIfPresent } from "./read.ts";

export interface ListeningSocket {
  readonly protocol: "tcp" | "udp";
  readonly address: string;
  readonly port: number;
  /** Of the socket, as /proc/PID/fd names it: `socket:[inode]`. */
  readonly inode: string;
}

/** TCP_LISTEN; a datagram socket that is bound and not connected is TCP_CLOSE. */
const WAITING = { tcp: "0A", udp: "07" } as const;

/** Reads the listening sockets of a process's network namespace; undefined when the process is gone or the list is too long to read. */
export function readListeners(pid: number | "self"): ListeningSocket[] | undefined {
  const found: ListeningSocket[] = [];
  for (const protocol of ["tcp", "udp"] as const)
    for (const suffix of ["", "6"]) {
      const text = readTable(`/proc/${pid}/net/${protocol}${suffix}`);
      if (text === undefined && suffix === "") return undefined;
      found.push(...parseSockets(text ?? "", protocol));
    }
  return found;
}

/** A host with tens of thousands of connections has more than is read. */
function readTable(path: string): string | undefined {
  try {
    return readProcTextIfPresent(path);
  } catch (error) {
    if (error instanceof Fault && error.code === "proc.too-large") return undefined;
    throw error;
  }
}

/** Parses a table of sockets: those that wait. */
export function parseSockets(text: string, protocol: "tcp" | "udp"): ListeningSocket[] {
  return text.split("\n").flatMap((line): ListeningSocket[] => {
    const fields = line.trim().split(/\s+/);
    const [, local = "", , state = ""] = fields;
    const parts = /^([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4})$/.exec(local);
    if (parts === null || state !== WAITING[protocol]) return [];
    const port = Number.parseInt(parts[2] ?? "", 16);
    if (port === 0) return [];
    return [{ protocol, address: addressOf(parts[1] ?? ""), port, inode: fields[9] ?? "" }];
  });
}

/** The kernel prints each four bytes of an address as a number in the byte order of the host, which is little endian. */
function addressOf(hex: string): string {
  const bytes = Buffer.from(hex, "hex");
  for (let at = 0; at < bytes.length; at += 4) bytes.subarray(at, at + 4).reverse();
  return ipText(bytes);
}
