// One bound UDP socket on the host for one published port: holds the port, and carries datagrams that the kernel does
// not translate to the container, with one connected socket per client so that answers find their way back.
// Invariant: at most MAX_CLIENTS clients, the idlest goes first; a client idle for IDLE_MS is forgotten.

import { type RemoteInfo, type Socket, createSocket } from "node:dgram";
import { isIPv6 } from "node:net";
import type { HeldPort, Target } from "./tcp-socket.ts";

const IDLE_MS = 90_000; // as docker-proxy
const MAX_CLIENTS = 1024;

interface Client {
  socket: Socket;
  lastUsedMs: number;
}

/** Binds `ip`:`port`. Rejects with the system's error (EADDRINUSE, EADDRNOTAVAIL, EACCES…). */
export function holdUdpPort(ip: string, port: number, target: Target): Promise<HeldPort> {
  const server = isIPv6(ip)
    ? createSocket({ type: "udp6", ipv6Only: true, reuseAddr: false })
    : createSocket({ type: "udp4", reuseAddr: false });
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.bind({ port, address: ip, exclusive: true }, () => {
      server.off("error", reject);
      server.on("error", () => undefined); // ignored: an undeliverable answer concerns one client
      resolve(new UdpRelay(server, target));
    });
  });
}

class UdpRelay implements HeldPort {
  readonly #server: Socket;
  readonly #target: Target;
  /** In order of last use, idlest first. */
  readonly #clients = new Map<string, Client>();
  #sweeper: NodeJS.Timeout | undefined;

  constructor(server: Socket, target: Target) {
    this.#server = server;
    this.#target = target;
    server.on("message", (data, from) => this.#fromClient(data, from));
  }

  #fromClient(data: Uint8Array, from: RemoteInfo): void {
    const key = `${from.address} ${from.port}`;
    const client = this.#clients.get(key) ?? this.#open(from);
    client.lastUsedMs = Date.now();
    this.#clients.delete(key);
    this.#clients.set(key, client);
    if (this.#clients.size > MAX_CLIENTS) this.#forget(this.#clients.keys().next().value as string);
    client.socket.send(data, this.#target.port, this.#target.ip);
    this.#sweeper ??= setInterval(() => this.#sweep(), IDLE_MS / 3).unref();
  }

  #open(from: RemoteInfo): Client {
    const socket = createSocket(isIPv6(this.#target.ip) ? "udp6" : "udp4");
    const client = { socket, lastUsedMs: Date.now() };
    socket.on("error", () => undefined); // ignored: a refused datagram is lost, as datagrams may be
    socket.on("message", (answer, source) => {
      if (source.address !== this.#target.ip || source.port !== this.#target.port) return;
      client.lastUsedMs = Date.now();
      this.#server.send(answer, from.port, from.address);
    });
    return client;
  }

  #forget(key: string): void {
    this.#clients.get(key)?.socket.close();
    this.#clients.delete(key);
  }

  #sweep(): void {
    const limit = Date.now() - IDLE_MS;
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
