// One listening TCP socket on the host for one published port. Two jobs in one descriptor: nobody else can take the
// port while it is open, and connections that the kernel does not translate (IPv6 to a container's IPv4, see
// ../firewall/ruleset.ts) are carried to the container from here. What nftables translates never reaches it.
// Invariant: half-closes pass through in both directions; an error on one side ends both.

import { closeSync, openSync } from "node:fs";
import { type Server, type Socket, connect, createServer } from "node:net";
import { parsePrefix, prefixContains } from "../../linux/netlink/address.ts";
import type { PortProto } from "../model.ts";

/** Address and port of a container. */
export interface Target {
  ip: string;
  port: number;
  /** Who may come from other machines, CIDRs; everybody without. */
  admits?: readonly string[] | undefined;
  /** Whether an address is of somebody who may reach no published port: a container of an internal network. */
  isBarred?: ((from: string) => boolean) | undefined;
}

/**
 * Whether a target takes what comes from an address, as the firewall decides it for what the kernel translates: the host
 * itself, whose packets have one address at both ends or the loopback's, is always welcome.
 */
export function isAdmitted({ admits, isBarred }: Target, from: string, to: string): boolean {
  if (isBarred?.(from) === true) return false;
  if (admits === undefined || from === to || from === "::1" || from.startsWith("127.")) return true;
  return admits.map(parsePrefix).some((p) => prefixContains(p, from));
}

/** Holds a host's port and carries what comes to the target. Rejects with the system's error. */
export type HoldPort = (proto: PortProto, ip: string, port: number, target: Target) => Promise<HeldPort>;

/** A held host port. */
export interface HeldPort {
  close(): Promise<void>;
}

/** Makes the connection to which one of a client's is carried on. */
export type Dial = (target: Target) => Socket;

const dialTarget: Dial = ({ ip, port }) => connect({ host: ip, port, allowHalfOpen: true });

/** Listens on `ip`:`port`. Rejects with the system's error (EADDRINUSE, EADDRNOTAVAIL, EACCES…). */
export function holdTcpPort(
  ip: string,
  port: number,
  target: Target,
  dial: Dial = dialTarget,
): Promise<HeldPort> {
  const open = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (client) => {
    if (isAdmitted(target, client.remoteAddress ?? "", client.localAddress ?? ""))
      carry(client, dial(target), open);
    else client.destroy();
  });
  return new Promise((resolve, reject) => {
    const refuse = (error: Error): void => reject(withCode(error));
    server.once("error", refuse);
    server.listen({ host: ip, port, ipv6Only: true, exclusive: true }, () => {
      server.off("error", refuse);
      server.on("error", () => undefined); // ignored: a failed accept concerns one client
      resolve({ close: () => closeAll(server, open) });
    });
  });
}

/** bun: listen() for which there is no descriptor left fails without a code. */
function withCode(error: NodeJS.ErrnoException): Error {
  if (error.code !== undefined) return error;
  try {
    closeSync(openSync("/dev/null", "r"));
    return error;
  } catch (cause) {
    return cause as Error;
  }
}

/** Copies both ways; both are in `open` while they are. */
export function carry(client: Socket, upstream: Socket, open: Set<Socket>): void {
  for (const [socket, other] of [
    [client, upstream],
    [upstream, client],
  ] as const) {
    open.add(socket);
    socket.setNoDelay(true);
    socket.on("error", () => undefined); // ignored: "close" follows and ends the other side
    socket.once("close", (hadError) => {
      open.delete(socket);
      if (hadError || !other.readableEnded) other.destroy();
    });
  }
  client.pipe(upstream);
  upstream.pipe(client);
}

async function closeAll(server: Server, open: Set<Socket>): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  for (const socket of open) socket.destroy();
  await closed;
}
