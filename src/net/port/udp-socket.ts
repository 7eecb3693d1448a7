// One bound UDP socket on the host for one published port: holds the port, and carries datagrams that the kernel does
// not translate to the container, with one connected socket per client so that answers find their way back.
// Invariant: at most MAX_CLIENTS clients, the idlest goes first; a client idle for IDLE_MS is forgotten.

import { type RemoteInfo, type Socket, createSocket } from "node:dgram";
import { isIPv6 } from "node:net";
import { type HeldPort, isAdmitted, type Target } from "./tcp-socket.ts";

const IDLE_MS = 90_000; // as docker-proxy
const MAX_CLIENTS = 1024;

/** The way of one client's datagrams to the target and back. */
export interface DatagramLink {
  send(data: Uint8Array): void;
  close(): void;
}

/** Opens one; `onAnswer` gets what comes back. */
export type OpenLink = (target: Target, onAnswer: (data: Uint8Array) => void) => DatagramLink;

/** A socket that takes answers from the target only. */
export const openDirectLink: OpenLink = (target, onAnswer) => {
  const socket = createSocket(isIPv6(target.ip) ? "udp6" : "udp4");
  socket.on("error", () => undefined); // ignored: a refused datagram is lost, as datagrams may be
  socket.on("message", (answer, source) => {
    if (source.address === target.ip && source.port === target.port) onAnswer(answer);
  });
  return { send: (data) => socket.send(data, target.port, target.ip), close: () => socket.close() };
};

interface Client {
  link: DatagramLink;
  lastUsedMs: number;
}

/** Binds `ip`:`port`. Rejects with the system's error (EADDRINUSE, EADDRNOTAVAIL, EACCES…). */
export function holdUdpPort(
  ip: string,
  port: number,
  target: Target,
  open: OpenLink = openDirectLink,
): Promise<HeldPort> {
  const server = isIPv6(ip)
    ? createSocket({ type: "udp6", ipv6Only: true, reuseAddr: false })
    : createSocket({ type: "udp4", reuseAddr: false });
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.bind({ port, address: ip, exclusive: true }, () => {
      server.off("error", reject);
      server.on("error", () => undefined); // ignored: an undeliverable answer concerns one client
      resolve(new UdpRelay(server, target, open));
    });
  });
}

class UdpRelay implements HeldPort {
  readonly #server: Socket;
  readonly #target: Target;
  readonly #openLink: OpenLink;
  /** In order of last use, idlest first. */
  readonly #clients = new Map<string, Client>();
  #sweeper: NodeJS.Timeout | undefined;

  constructor(server: Socket, target: Target, open: OpenLink) {
    this.#server = server;
    this.#target = target;
    this.#openLink = open;
    server.on("message", (data, from) => this.#fromClient(data, from));
  }

  #fromClient(data: Uint8Array, from: RemoteInfo): void {
    // Where a datagram was sent to is not told: one that the host sends to an address of its own counts as another machine's.
    if (!isAdmitted(this.#target, from.address, "")) return;
    const key = `${from.address} ${from.port}`;
    const client = this.#clients.get(key) ?? this.#open(from);
    client.lastUsedMs = performance.now();
    this.#clients.delete(key);
    this.#clients.set(key, client);
    if (this.#clients.size > MAX_CLIENTS) this.#forget(this.#clients.keys().next().value as string);
    client.link.send(data);
    this.#sweeper ??= setInterval(() => this.#sweep(), IDLE_MS / 3).unref();
  }

  #open(from: RemoteInfo): Client {
    const link = this.#openLink(this.#target, (answer) => {
      client.lastUsedMs = performance.now();
      this.#server.send(answer, from.port, from.address);
    });
    const client = { link, lastUsedMs: performance.now() };
    return client;
  }

  #forget(key: string): void {
    this.#clients.get(key)?.link.close();
    this.#clients.delete(key);
  }

  #sweep(): void {
    const limit = performance.now() - IDLE_MS;
    for (const [key, client] of this.#clients) if (client.lastUsedMs < limit) this.#forget(key);
    if (this.#clients.size > 0) return;
    clearInterval(this.#sweeper);
    this.#sweeper = undefined;
  }

  async close(): Promise<void> {
    clearInterval(this.#sweeper);
    for (const key of [...this.#clients.keys()]) this.#forget(key);
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}
